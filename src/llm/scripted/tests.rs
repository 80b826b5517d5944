//! Tests of the scripted model.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};

use super::*;
use crate::llm::CallContext;

fn model(text: &str) -> Scripted {
    Scripted::parse(text, "demo.toml").unwrap()
}

fn prompt(agent: &str, turn: u64, step: u32) -> Prompt {
    Prompt {
        agent: agent.to_owned(),
        place: CallContext { turn, step, attempt: 1, background: false },
        entries: vec![PromptMessage::User { by: None, text: "When do we launch? {turn}".to_owned() }],
        ..Prompt::default()
    }
}

/// Returns all deltas of an answer without delays. Fails if the stream uses a timer.
fn all(model: &Scripted, prompt: Prompt) -> Vec<Result<Delta, ModelError>> {
    model.stream(prompt).collect::<Vec<_>>().now_or_never().expect("the answer is there at once")
}

fn text_of(deltas: &[Result<Delta, ModelError>]) -> String {
    deltas
        .iter()
        .filter_map(|delta| if let Ok(Delta::Text(text)) = delta { Some(text.as_str()) } else { None })
        .collect()
}

fn done(deltas: &[Result<Delta, ModelError>]) -> &Done {
    match deltas.last() {
        Some(Ok(Delta::Done(done))) => done,
        other => panic!("no end but {other:?}"),
    }
}

#[test]
fn the_first_reply_that_matches_answers() {
    let model = model(
        r#"
        [[reply]]
        agent = "critic"
        turn = 2
        text = "second"
        [[reply]]
        agent = "critic"
        contains = "launch"
        text = "about the launch"
        [[reply]]
        background = true
        text = "at night"
        [[reply]]
        step = 3
        attempt = 2
        text = "again"
        [default]
        text = "{agent}, turn {turn}: {last}"
        "#,
    );
    let said = |prompt: Prompt| text_of(&all(&model, prompt));
    assert_eq!(said(prompt("critic", 2, 1)), "second");
    assert_eq!(said(prompt("critic", 1, 1)), "about the launch");
    let mut night = prompt("editor", 1, 1);
    night.place.background = true;
    assert_eq!(said(night), "at night");
    let mut again = prompt("editor", 1, 3);
    again.place.attempt = 2;
    assert_eq!(said(again), "again");
    assert_eq!(said(prompt("editor", 7, 1)), "editor, turn 7: When do we launch? {turn}");
}

#[test]
fn last_words_are_cut_and_other_braces_stand() {
    let mut long = prompt("a", 1, 1);
    long.entries = vec![PromptMessage::User { by: None, text: "ä".repeat(300) }];
    let said = text_of(&all(&model("[default]\ntext = \"{x} { {last}\""), long));
    assert_eq!(said, format!("{{x}} {{ {}", "ä".repeat(200)));
}

#[test]
fn what_nothing_matches_is_a_sentence_naming_file_agent_turn_and_step() {
    let deltas = all(&model("[[reply]]\nagent = \"critic\"\ntext = \"a\""), prompt("editor", 4, 2));
    let error = deltas[0].clone().unwrap_err();
    assert_eq!(deltas.len(), 1);
    assert_eq!(error.class, ErrorClass::Terminal);
    assert_eq!(
        error.text,
        "demo.toml has no reply for editor at turn 4, step 2: add a [[reply]] that matches it, or a [default]."
    );
}

#[test]
fn reasoning_text_drafts_and_calls_come_in_order_with_ids_that_repeat() {
    let model = model(
        r#"
        [[reply]]
        reasoning = "hm hm"
        text = "I look it up."
        chunk = 4
        tokens_in = 70
        tokens_out = 9
        [[reply.call]]
        name = "conversation_search"
        arguments = { query = "launch" }
        [[reply.call]]
        name = "pass"
        "#,
    );
    let deltas = all(&model, prompt("critic", 3, 2));
    assert_eq!(deltas, all(&model, prompt("critic", 3, 2)));
    assert_eq!(deltas[0], Ok(Delta::Reasoning("hm h".to_owned())));
    assert_eq!(deltas[2], Ok(Delta::Text("I lo".to_owned())));
    assert_eq!(text_of(&deltas), "I look it up.");
    let done = done(&deltas);
    assert_eq!((done.stop, done.usage), (Stop::Calls, Usage { tokens_in: 70, tokens_out: 9, ..Usage::default() }));
    assert_eq!(done.calls[0].id, "call-critic-3-2-1");
    assert_eq!(done.calls[0].arguments, serde_json::json!({ "query": "launch" }));
    assert_eq!((done.calls[1].id.as_str(), done.calls[1].arguments.is_object()), ("call-critic-3-2-2", true));
    assert!(deltas.contains(&Ok(Delta::ToolCallStarted { name: "pass".to_owned() })));
}

#[test]
fn tokens_are_a_quarter_of_the_bytes_where_the_file_says_nothing() {
    let deltas = all(&model("[default]\ntext = \"12345678\"\nrepeat = 100"), prompt("a", 1, 1));
    assert_eq!(done(&deltas).usage, Usage { tokens_in: 7, tokens_out: 200, ..Usage::default() });
    assert_eq!(text_of(&deltas).len(), 800);
}

#[test]
fn faults_are_of_their_class() {
    let fault = |line: &str| {
        let text = format!(
            "[default]\ntext = \"The launch is on 3 May.\"\nchunk = 5\nfault = {line}\n[[default.call]]\nname = \"t\"\n"
        );
        all(&model(&text), prompt("a", 1, 1))
    };
    let many = fault("{ kind = \"status\", status = 429, retry_after = 2 }");
    let error = many[0].clone().unwrap_err();
    assert_eq!((error.class, error.retry_after), (ErrorClass::Transient, Some(Duration::from_secs(2))));
    assert_eq!(error.text, "429 from scripted: too many requests");
    assert_eq!(fault("{ kind = \"status\", status = 401 }")[0].clone().unwrap_err().class, ErrorClass::Terminal);
    assert_eq!(fault("{ kind = \"status\", status = 503 }")[0].clone().unwrap_err().class, ErrorClass::Transient);

    let cut = fault("{ kind = \"cut\", after_chars = 12 }");
    assert_eq!(text_of(&cut), "The launch i");
    assert_eq!(cut.last().unwrap().clone().unwrap_err().class, ErrorClass::Transient);

    let malformed = fault("{ kind = \"malformed\" }");
    assert_eq!(
        malformed.last().unwrap().clone().unwrap_err().text,
        "The model's arguments for t are not a JSON object."
    );

    let refused = fault("{ kind = \"refused\" }");
    assert_eq!((done(&refused).stop, done(&refused).calls.len()), (Stop::Refused, 0));
    assert_eq!(done(&fault("{ kind = \"length\" }")).stop, Stop::Length);
}

#[tokio::test(start_paused = true)]
async fn a_hang_never_answers_and_keeps_what_came_before() {
    let mut stream = model("[default]\ntext = \"Half an answer\"\nfault = { kind = \"hang\", after_chars = 4 }")
        .stream(prompt("a", 1, 1));
    assert_eq!(stream.next().await, Some(Ok(Delta::Text("Half".to_owned()))));
    assert!(timeout(Duration::from_hours(24), stream.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn delays_run_on_the_injected_clock() {
    let model = model("[default]\ntext = \"abcdefgh\"\nchunk = 2\ndelay_ms = 250\nfirst_delay_ms = 3000");
    let start = Instant::now();
    let mut stream = model.stream(prompt("a", 1, 1));
    stream.next().await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    while stream.next().await.is_some() {}
    assert_eq!(start.elapsed(), Duration::from_secs(4));
}

#[test]
fn a_missing_file_is_a_sentence() {
    let error = Scripted::load(Path::new("no/such/file.toml")).unwrap_err();
    assert!(error.text.starts_with("The scripted model's file no/such/file.toml cannot be read: "), "{}", error.text);
}

#[test]
fn the_fixtures_parse_and_keep_their_word() {
    let fixture =
        |name: &str| Scripted::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap();
    let newsroom = fixture("teams/scripts/newsroom.toml");
    for turn in 1..=4 {
        for agent in ["reporter", "critic", "editor"] {
            assert!(!text_of(&all_in_no_time(&newsroom, &prompt(agent, turn, 1))).is_empty(), "{agent} at turn {turn}");
        }
        let mut job = prompt("archivist", turn, 2);
        job.place.background = true;
        assert_eq!(done(&all_in_no_time(&newsroom, &job)).calls[0].name, "memory_finish_edits");
    }
    let hostile = fixture("models/hostile.toml");
    let megabyte = text_of(&all_in_no_time(&hostile, &prompt("a", 5, 1)));
    assert!(megabyte.len() >= 1 << 20 && !megabyte.contains('\n'));
    assert!(text_of(&all_in_no_time(&hostile, &prompt("a", 1, 1))).contains('\u{1b}'));
    fixture("models/faults.toml");
}

/// Returns all deltas, with the delays removed.
fn all_in_no_time(model: &Scripted, prompt: &Prompt) -> Vec<Result<Delta, ModelError>> {
    let mut reply = model.reply(prompt).unwrap().clone();
    (reply.delay_ms, reply.first_delay_ms) = (0, 0);
    perform(&reply, prompt).collect::<Vec<_>>().now_or_never().expect("the answer is there at once")
}

#[tokio::test(start_paused = true)]
async fn the_stream_fixture_says_2000_tokens_at_80_a_second() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/stream.toml");
    let start = Instant::now();
    let deltas: Vec<_> = Scripted::load(&path).unwrap().stream(prompt("a", 1, 1)).collect().await;
    assert_eq!(done(&deltas).usage.tokens_out, 2000);
    assert_eq!(paced::tokens(text_of(&deltas).len()), 2000);
    assert_eq!(start.elapsed(), Duration::from_secs(25));
}
