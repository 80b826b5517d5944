//! What a streamed reply costs in bytes, as a multiple of its text: tiny pieces at the speeds models have, frames
//! at the instants the pacer gives, on a clock that the test moves.

use std::time::{Duration, Instant};

use nightdesk::testing::domain::{AgentId, RunId, StepId};
use nightdesk::testing::engine::protocol::{LiveUpdate, Phase, Update};
use nightdesk::testing::tui::term::pacer::{FrameIntervals, Pacer};

use super::*;

/// Characters of the reply, enough to fill the pane several times.
const REPLY: usize = 6_000;

/// A reply as models write them: prose with marks, a list, code and a table. No two lines are alike, so that a line
/// that moves cannot look like the one before it.
fn reply() -> String {
    const WORDS: [&str; 24] = [
        "launch",
        "printers",
        "of",
        "bees",
        "the",
        "cover",
        "in",
        "Lucerne",
        "and",
        "deadline",
        "a",
        "source",
        "spring",
        "is",
        "board",
        "which",
        "proof",
        "no",
        "editor",
        "to",
        "reads",
        "quietly",
        "afterwards",
        "page",
    ];
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut text = String::new();
    let mut piece = 0;
    while text.len() < REPLY {
        let mut words = |count: u64| {
            let some: Vec<&str> = (0..count).map(|_| WORDS[usize::try_from(next(24)).unwrap()]).collect();
            some.join(" ")
        };
        let block = match piece % 6 {
            3 => (1..6).map(|at| format!("- **{}**: {}\n", words(2), words(4 + at))).collect::<Vec<_>>().concat(),
            4 => format!("```rust\nlet {} = 1;\n// {}\n```\n", words(1), words(6)),
            5 => format!("| who | what |\n|---|---|\n| {} | {} |\n", words(1), words(2)),
            _ => format!("{}. *{}*, {}.\n", words(40), words(1), words(30)),
        };
        text.push_str(&block);
        text.push('\n');
        piece += 1;
    }
    text
}

impl Desk {
    /// Streams the reply in pieces of so many characters at so many characters a second. Returns the bytes written.
    fn stream(&mut self, gaps: FrameIntervals, piece: usize, speed: u64) -> (u64, u64) {
        let model = &self.app.model;
        let group = model.shown_group().unwrap();
        let (agent, conversation) = (group.members[0].clone(), model.shown_conversation().unwrap().id.clone());
        let chars: Vec<char> = reply().chars().collect();
        let mut pieces = chars.chunks(piece).map(|piece| piece.iter().collect::<String>());
        let (start, mut pacer) = (Instant::now(), Pacer::new(gaps));
        let (mut bytes, mut frames, mut at) = (0, 0, Duration::ZERO);
        let (mut arrives, mut next) = (Duration::ZERO, pieces.next());
        while next.is_some() || pacer.next().is_some() {
            while let Some(text) = next.take_if(|_| arrives <= at) {
                let update = LiveUpdate {
                    step: StepId::from("step-1"),
                    run: RunId::from("run-1"),
                    root: RunId::from("run-1"),
                    conversation: conversation.clone(),
                    agent: AgentId::clone(&agent),
                    name: "ann".to_owned(),
                    phase: Phase::Speaking,
                    text,
                    reasoning: String::new(),
                };
                let outcome = self.app.update(Msg::Update(Box::new(Update::Live(update))), now());
                outcome.draw.request(&mut pacer, start + at);
                next = pieces.next();
                arrives += Duration::from_micros(1_000_000 * piece as u64 / speed);
            }
            if pacer.due(start + at) {
                let effects = self.app.prepare(now());
                assert_eq!(effects, [], "the last screen is loaded");
                let app = &self.app;
                let frame = self.screen.draw(|frame| view::view(app, frame));
                bytes += frame.len() as u64;
                frames += u64::from(!frame.is_empty());
                pacer.sent(frame.len(), start + at);
                pacer.drew(start + at);
            }
            at += Duration::from_millis(1);
        }
        (bytes, frames)
    }
}

#[tokio::test]
async fn a_streamed_reply_costs_at_most_four_times_its_text() {
    let text = reply().len() as u64;
    for (piece, speed) in [(4, 60), (4, 160), (3, 320), (8, 320), (4, 1_200)] {
        for gaps in [FrameIntervals::LOCAL, FrameIntervals::OVER_SSH] {
            let mut desk = Desk::make(200).await;
            let (bytes, frames) = desk.stream(gaps, piece, speed);
            let link = if gaps.trusted.is_some() { " over SSH" } else { "" };
            println!("{frames} frames");
            let what =
                format!("bytes for 100 bytes of a reply in pieces of {piece}, {speed} characters a second{link}");
            budget(&what, bytes * 100 / text, 400);
        }
    }
}
