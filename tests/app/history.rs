//! The history of a block: its versions, what they differ in, who wrote what, and what caused it.

use crate::support::app_harness::{Desk, nine, story};
use jiff::SignedDuration;
use nightdesk::testing::domain::{
    BlockId, Change, ConversationOwner, Editor, JobId, PersonId, Revision, RunId, Step, StepId,
};
use nightdesk::testing::engine::protocol::{
    Blame, BlameLine, BlockRequest, Reply, Request, RequestError, RevisionCause, Timestamped, Writer,
};
use nightdesk::testing::tui::command::KeyContext;
use nightdesk::testing::tui::effect::Msg;
use nightdesk::testing::tui::pane::PaneId;

const SIZES: [(&str, (u16, u16)); 4] =
    [("40x12", (40, 12)), ("80x24", (80, 24)), ("120x40", (120, 40)), ("200x60", (200, 60))];

fn asked(desk: &mut Desk) -> Request {
    desk.asked.pop().expect("nothing was asked").1
}

/// The last request, if it is one about blocks.
fn asked_of_blocks(desk: &mut Desk) -> BlockRequest {
    let Request::Block(request) = asked(desk) else { panic!("another request") };
    *request
}

fn answer(desk: &mut Desk, reply: Result<Reply, RequestError>) {
    let (ticket, _) = desk.asked.pop().expect("nothing was asked");
    desk.send(Msg::Answered(ticket, reply));
}

fn toast(desk: &Desk) -> &str {
    desk.app.toast.as_ref().map_or("", |(toast, _)| toast.text.as_str())
}

fn critic() -> Editor {
    Editor::Agent { id: "agent-critic".into(), name: "critic".into(), job: None }
}

/// Versions 10 to 12, newest first: by a job, by the critic in a turn, by the person.
fn revisions() -> Vec<Timestamped<Revision>> {
    let value = [
        "The story so far\n- Launch: some time in spring",
        "The story so far\n- Launch: in spring, if the printers are ready\n- Mira keeps bees",
        "The story so far\n- Launch: 3 May, decided\n- Mira keeps bees in Lucerne",
    ];
    let editors = [Editor::Person(PersonId::local()), critic(), story(1, "").editor];
    let revision = |(at, value): (usize, &&str)| Timestamped {
        n: at as u64,
        at: nine() - SignedDuration::from_hours(30 - 10 * i64::try_from(at).unwrap()),
        what: Revision {
            block: "block-story".into(),
            version: 10 + at as u64,
            value: (*value).to_owned(),
            editor: editors[at].clone(),
            run: (at == 1).then(|| RunId::from("run-3")),
            step: None,
            calls: Vec::new(),
            reason: ["edited", "memory_insert", "memory_replace"][at].into(),
        },
    };
    value.iter().enumerate().map(revision).rev().collect()
}

/// The history of the story, open at its newest version.
fn open(size: (u16, u16)) -> Desk {
    let mut desk = Desk::newsroom(size);
    desk.keys("<Esc>3[");
    answer(&mut desk, Ok(Reply::Revisions { revisions: revisions() }));
    desk.asked.clear();
    desk
}

#[test]
fn versions_are_walked_and_shown_beside_the_conversation() {
    for (name, size) in SIZES {
        let mut desk = open(size);
        desk.keys("[");
        assert_screen!(format!("history_{name}"), desk.text());
    }
    let mut desk = open((120, 40));
    assert_eq!(desk.app.context(), KeyContext::HISTORY);
    assert!(
        desk.text().contains("v12 of 12") && desk.text().contains("from v11 to v12: +2 -2 lines"),
        "{}",
        desk.text()
    );
    desk.keys("[]]");
    assert_eq!(desk.app.context(), KeyContext::BLOCKS, "past the newest the history closes");
    let mut desk = open((120, 40));
    desk.keys("[<Esc>");
    assert_eq!(desk.app.context(), KeyContext::BLOCKS);
}

#[test]
fn a_long_history_is_read_page_by_page() {
    let dated = revisions().remove(0);
    let page = |versions: std::ops::RangeInclusive<u64>| {
        let one = |version| Timestamped { what: Revision { version, ..dated.what.clone() }, ..dated.clone() };
        Ok(Reply::Revisions { revisions: versions.rev().map(one).collect() })
    };
    let mut desk = Desk::newsroom((120, 40));
    desk.keys("<Esc>3[");
    answer(&mut desk, page(4..=53));
    desk.keys(&"[".repeat(47));
    assert!(desk.asked.is_empty(), "a page is enough so far");
    desk.keys("[[");
    let Some((_, Request::Revisions { before: Some(4), .. })) = desk.asked.last() else { panic!("{:?}", desk.asked) };
    answer(&mut desk, page(1..=3));
    desk.keys("[[[[");
    assert!(desk.text().contains("v1 of"), "{}", desk.text());
    assert!(desk.asked.is_empty(), "there is nothing before the first");
}

#[test]
fn any_two_versions_are_compared_one_below_the_other_and_side_by_side() {
    for (name, size) in SIZES {
        let mut desk = open(size);
        desk.keys("c[[s");
        assert_screen!(format!("history_sides_{name}"), desk.text());
    }
    let mut desk = open((120, 40));
    desk.keys("c[[");
    assert!(desk.text().contains("from v10 to v12: +2 -1 lines"), "{}", desk.text());
    desk.keys("c");
    assert!(desk.text().contains("the first version") || desk.text().contains("v10"), "{}", desk.text());
    desk.keys("s");
    let layout = desk.app.layout().unwrap();
    assert_eq!(layout.pane(PaneId::Conversation), None, "two texts need the whole width");
}

#[test]
fn an_old_version_is_restored_as_a_new_one_after_a_question() {
    let mut desk = open((120, 40));
    desk.keys("[u");
    assert!(desk.text().contains("Restore story to v11"), "{}", desk.text());
    assert!(matches!(asked(&mut desk), Request::Revisions { before: Some(10), .. }), "it asks first");
    desk.keys("y");
    let wanted = BlockRequest::Restore { id: BlockId::from("block-story"), version: 11, base: 12 };
    assert_eq!(asked_of_blocks(&mut desk), wanted);
}

#[test]
fn the_last_change_is_undone_without_looking_for_it() {
    let mut desk = Desk::newsroom((120, 40));
    desk.keys("<Esc>3u");
    answer(&mut desk, Ok(Reply::Revisions { revisions: revisions() }));
    assert!(desk.text().contains("Restore story to v11"), "{}", desk.text());
    desk.keys("y");
    assert!(matches!(asked_of_blocks(&mut desk), BlockRequest::Restore { version: 11, .. }));
    assert_eq!(desk.app.context(), KeyContext::BLOCKS);
}

fn blame(version: u64) -> Blame {
    let line = |text: &str, version| BlameLine { text: text.to_owned(), version };
    let writer = |dated: Timestamped<Revision>| Writer {
        version: dated.what.version,
        at: dated.at,
        editor: dated.what.editor,
        run: dated.what.run,
        reason: dated.what.reason,
    };
    Blame {
        version,
        lines: vec![
            line("The story so far", None),
            line("- Launch: 3 May, decided", Some(12)),
            line("- Mira keeps bees in Lucerne", Some(11)),
        ],
        writers: revisions().into_iter().map(writer).collect(),
        older_than: Some(10),
    }
}

#[test]
fn who_wrote_each_line_is_shown_and_follows_the_version() {
    for (name, size) in SIZES {
        let mut desk = open(size);
        desk.keys("b");
        assert_eq!(
            desk.asked.last().map(|(_, request)| request.clone()),
            Some(Request::Block(Box::new(BlockRequest::Blame { id: "block-story".into(), version: Some(12) })))
        );
        answer(&mut desk, Ok(Reply::Blame(Box::new(blame(12)))));
        assert_screen!(format!("history_lines_{name}"), desk.text());
    }
    let mut desk = open((120, 40));
    desk.keys("b");
    answer(&mut desk, Ok(Reply::Blame(Box::new(blame(12)))));
    desk.keys("[");
    assert!(matches!(asked_of_blocks(&mut desk), BlockRequest::Blame { version: Some(11), .. }));
    desk.keys("b");
    assert!(desk.text().contains("from v10 to v11"), "{}", desk.text());
}

#[test]
fn one_goes_to_the_message_or_the_job_that_caused_a_version() {
    let mut desk = open((120, 40));
    desk.keys("[<Enter>");
    assert_eq!(asked_of_blocks(&mut desk), BlockRequest::Causes { runs: vec![RunId::from("run-3")] });
    desk.keys("<Enter>");
    let cause = RevisionCause {
        run: "run-3".into(),
        of: ConversationOwner::Group("group-1".into()),
        conversation: Some("conversation-1".into()),
        seq: 1,
        job: None,
    };
    answer(&mut desk, Ok(Reply::RevisionCauses { causes: vec![cause] }));
    assert_eq!(desk.app.context(), KeyContext::CONVERSATION);

    let mut desk = open((120, 40));
    desk.keys("<Enter>");
    assert_eq!(asked(&mut desk), Request::JobDetail { id: JobId::from("job-2") });
    assert_eq!(desk.app.context(), KeyContext::JOB);

    let mut desk = open((120, 40));
    desk.keys("[[<Enter>");
    assert!(toast(&desk).contains("made by you, in no turn"), "{}", toast(&desk));
}

#[test]
fn what_one_job_did_is_undone_as_a_whole_from_the_version_it_made() {
    let mut desk = open((120, 40));
    desk.keys("U");
    assert_eq!(asked(&mut desk), Request::JobDetail { id: JobId::from("job-2") });
    let mut desk = open((120, 40));
    desk.keys("[U");
    assert!(!desk.asked.iter().any(|(_, request)| matches!(request, Request::JobDetail { .. })));
    assert!(toast(&desk).contains("no job made v11"), "{}", toast(&desk));
}

#[test]
fn the_versions_that_agents_have_seen_are_told_and_kept_current() {
    let mut desk = open((120, 40));
    let seen = Step { saw: vec![("block-story".into(), 11)], ..step("agent-critic") };
    desk.committed(vec![Change::StepFinished(seen)], Vec::new());
    assert!(desk.text().contains("seen: critic v11"), "{}", desk.text());
    desk.keys("<Esc>");
    desk.resize(ratatui::layout::Size::new(200, 60));
    assert!(desk.text().contains("critic saw v11"), "{}", desk.text());
    let seen = Step { saw: vec![("block-story".into(), 12)], ..step("agent-critic") };
    desk.committed(vec![Change::StepFinished(seen)], Vec::new());
    assert!(!desk.text().contains("critic saw"), "{}", desk.text());
}

fn step(agent: &str) -> Step {
    Step {
        id: StepId::from("step-9"),
        run: RunId::from("run-7"),
        agent: agent.into(),
        index: 1,
        model: "offline".into(),
        instead_of: None,
        queued_at: nine(),
        first_token_at: None,
        done_at: nine(),
        tokens_in: 1,
        tokens_out: 1,
        tokens_cached: 0,
        tokens_reasoning: 0,
        stop: None,
        retries: 0,
        saw: Vec::new(),
        calls: 0,
        upto: 1,
        kept: None,
    }
}
