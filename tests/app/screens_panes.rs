//! What roster, blocks, jobs and the dialogs show, and what keys do in them.

use crate::support::app_harness::{self, Desk, look, nine, overview, said, story, story_edited};
use jiff::SignedDuration;
use nightdesk::testing::domain::job::JobFault;
use nightdesk::testing::domain::text_edit::UndoClash;
use nightdesk::testing::domain::{
    Agent, AgentId, Block, BlockId, BlockOwner, CauseKind, Conflict, Content, Editor, Job, JobId, JobOutcome, JobState,
    Message, Revision, Step, StepId,
};
use nightdesk::testing::engine::protocol::{
    BlockClash, JobDetail, JobEdit, OnClash, Overview, Phase, Recipient, Reply, Request, RequestError, RowUpdate,
};
use nightdesk::testing::tui::effect::{Effect, Msg};
use nightdesk::testing::tui::glyph;
use nightdesk::testing::tui::pane::PaneId;

const SIZES: [(&str, (u16, u16)); 2] = [("80x24", (80, 24)), ("120x40", (120, 40))];

/// The screen after these keys, at both sizes.
fn at_both_sizes(name: &str, play: impl Fn(&mut Desk)) {
    for (size_name, size) in SIZES {
        let mut desk = rich(size);
        play(&mut desk);
        assert_screen!(format!("{name}_{size_name}"), desk.text());
    }
}

/// The newsroom with every kind of job, a second group, and blocks of an agent's own.
fn rich(size: (u16, u16)) -> Desk {
    let said = said();
    let mut desk = Desk::new(rich_overview(said.len() as u64), said, size);
    desk.app.look.motion = true;
    // Laid out again as it looks now.
    desk.send(Msg::Renewed(Box::new(rich_overview(4))));
    desk
}

fn rich_overview(head: u64) -> Overview {
    let mut overview = overview(head);
    let persona = Block {
        id: BlockId::from("block-persona"),
        label: "persona".into(),
        owner: BlockOwner::Agent(AgentId::from("agent-critic")),
        editor: Editor::File,
        ..story(1, "I doubt what I am told.")
    };
    overview.blocks.push(persona);
    for agent in &mut overview.agents {
        if agent.name == "critic" {
            agent.blocks = vec![BlockId::from("block-persona")];
            agent.description = "Doubts everything".into();
            agent.model = Some("openai/gpt-4.1-mini".into());
        }
    }
    let review = nightdesk::testing::domain::Group {
        id: "group-2".into(),
        name: "review".into(),
        members: vec![AgentId::from("agent-second")],
        sleeptime: None,
        shared_blocks: Vec::new(),
        ..overview.groups[0].clone()
    };
    overview.groups.push(review);
    let second = Agent {
        id: "agent-second".into(),
        name: "second".into(),
        group: "group-2".into(),
        ..overview.agents[0].clone()
    };
    overview.agents.push(second);
    overview.jobs = jobs();
    overview
}

fn job(id: &str, turn: u64, state: JobState) -> Job {
    let made = Job::new(id.into(), "agent-archivist".into(), "group-1".into(), CauseKind::Turn { turn });
    let start = nine() - SignedDuration::from_secs(64);
    Job { state, attempt: 1, window: Some((30, 44)), created_at: start, started_at: Some(start), ..made }
}

fn jobs() -> Vec<Job> {
    let error = "429 from openai".to_owned();
    let run_at = nine() + SignedDuration::from_secs(12);
    let lost = "the context is too small for block story: shorten it".to_owned();
    let ended = Some(nine() - SignedDuration::from_secs(60));
    let completed = |outcome| JobState::Completed { outcome };
    vec![
        job("job-6", 12, JobState::Running { epoch: 1 }),
        job("job-5", 10, JobState::Retryable { since: None, run_at, error }),
        job("job-4", 8, JobState::Failed { class: JobFault::Terminal, error: lost }),
        Job { edits: 3, tokens: 1_234, ended_at: ended, ..job("job-2", 6, completed(JobOutcome::Changed)) },
        Job { tokens: 812, ended_at: ended, ..job("job-3", 4, completed(JobOutcome::Unchanged)) },
        job("job-1", 2, JobState::Cancelled { why: "you cancelled it".into() }),
    ]
}

/// The last request, taken.
fn asked(desk: &mut Desk) -> Request {
    desk.asked.pop().expect("nothing was asked").1
}

/// Answers the last request.
fn answer(desk: &mut Desk, reply: Result<Reply, RequestError>) {
    let (ticket, _) = desk.asked.pop().expect("nothing was asked");
    desk.send(Msg::Answered(ticket, reply));
}

fn toast(desk: &Desk) -> &str {
    desk.app.toast.as_ref().map_or("", |(toast, _)| toast.text.as_str())
}

// Roster.

#[test]
fn the_roster_tells_what_each_agent_does() {
    at_both_sizes("roster", |desk| {
        desk.stream("critic", Phase::Calling { tool: "conversation_search".into() }, "");
        desk.keys("<Esc>1jj");
    });
}

#[test]
fn enter_on_an_agent_opens_the_talk_with_it_and_escape_goes_back() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>1j<Enter>");
    assert_eq!(desk.app.model.place.address, Some(Recipient::Agent("agent-reporter".into())));
    desk.keys("<Esc>1<Esc>");
    assert_eq!(desk.app.model.place.address, Some(Recipient::Group("group-1".into())));
}

#[test]
fn enter_on_another_group_shows_its_conversation_and_unfolds_it() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>1G<Enter>");
    assert_eq!(desk.app.model.place.address, Some(Recipient::Group("group-2".into())));
    assert!(desk.text().contains("○ second"));
}

#[test]
fn the_selected_agents_own_blocks_stand_below_the_shared_ones() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>1jj");
    assert!(desk.text().contains("Own blocks of critic"), "{}", desk.text());
    desk.keys("gg");
    assert!(!desk.text().contains("Own blocks of"));
}

#[test]
fn a_background_agent_is_made_to_work_and_another_is_not() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>1jjjjR");
    assert!(matches!(asked(&mut desk), Request::RunJob { agent, .. } if agent == AgentId::from("agent-archivist")));
    desk.keys("kR");
    assert!(desk.asked.is_empty() && toast(&desk).contains("only background agents"), "{}", toast(&desk));
}

#[test]
fn an_agents_model_is_chosen_or_typed() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>1jjm");
    assert_screen!("set_model_120x40", desk.text());
    desk.keys("off<Enter>");
    let set = Request::SetModel { agent: "agent-critic".into(), model: Some("offline".into()) };
    assert_eq!(asked(&mut desk), set);
    assert!(desk.app.dialogs.is_empty());
    desk.keys("mnonsense<Enter>");
    assert!(desk.asked.is_empty() && toast(&desk).contains("provider/model"), "{}", toast(&desk));
    desk.keys("<C-u>local/jan-7b<Enter>");
    let set = Request::SetModel { agent: "agent-critic".into(), model: Some("local/jan-7b".into()) };
    assert_eq!(asked(&mut desk), set);
    desk.app.model.agents[0].model = Some("local/jan-7b-long".into());
    desk.keys("mlocal/jan-7b<Enter>");
    assert_eq!(asked(&mut desk), set, "before one that only contains it");
}

// Blocks.

const NEW: &str =
    "The story so far\n- Launch: 3 May, decided by the board\n- Mira keeps bees in Lucerne\n- Printers told";

#[test]
fn a_change_is_shown_as_one_until_the_next_key_or_a_while() {
    at_both_sizes("blocks_changed", |desk| {
        let (change, row) = story_edited(13, NEW);
        desk.committed(vec![change], vec![row]);
    });
    let mut desk = rich((120, 40));
    let (change, row) = story_edited(13, NEW);
    desk.committed(vec![change], vec![row]);
    assert!(desk.text().contains("+ - Printers told"));
    let end = desk.app.wake_at().expect("the end of the flash is waited for");
    assert!(end.duration_since(desk.now) <= SignedDuration::from_secs(8));
    desk.later(9);
    assert!(!desk.text().contains("+ - Printers told") && desk.text().contains("- Printers told"));

    let (change, row) = story_edited(14, "gone");
    desk.committed(vec![change], vec![row]);
    assert!(desk.text().contains("+ gone"));
    desk.keys("<Esc>3j");
    assert!(!desk.text().contains("+ gone"));
}

#[test]
fn a_hidden_change_is_told_by_a_badge_and_shown_when_one_looks() {
    let mut desk = rich((80, 24));
    desk.keys("<Esc>4");
    let (change, row) = story_edited(13, NEW);
    desk.committed(vec![change], vec![row]);
    assert!(desk.lines()[0].contains("Blocks ●"), "{}", desk.lines()[0]);
    desk.later(60);
    desk.keys("3");
    assert!(desk.text().contains("+ - Printers told"), "{}", desk.text());
}

#[test]
fn a_block_is_edited_in_place_and_saved_on_its_version() {
    at_both_sizes("blocks_edit", |desk| desk.keys("<Esc>3e<Down><End> by the board"));
    let mut desk = rich((120, 40));
    desk.keys("<Esc>3e<Down><End>!<C-s>");
    let Request::EditBlock { id, base, value, merge: true } = asked(&mut desk) else { panic!("another request") };
    assert_eq!((id, base), (BlockId::from("block-story"), 12));
    assert_eq!(value, "The story so far\n- Launch: 3 May, decided!\n- Mira keeps bees in Lucerne");
}

#[test]
fn saving_closes_the_editor_and_says_which_version_it_made() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>3ex<C-s>");
    answer(&mut desk, Ok(Reply::Block(Box::new(story(13, "xThe story")))));
    assert_eq!(desk.app.panes.blocks.draft(), None);
    assert!(toast(&desk).contains("v13"), "{}", toast(&desk));
}

#[test]
fn leaving_with_changes_asks_and_without_does_not() {
    let mut desk = rich((80, 24));
    desk.keys("<Esc>3e<Esc>");
    assert_eq!(desk.app.panes.blocks.draft(), None);
    desk.keys("ex<Esc>");
    assert_screen!("confirm_80x24", desk.text());
    desk.keys("<Esc>");
    assert!(desk.app.panes.blocks.draft().is_some_and(|text| text.starts_with('x')), "Esc destroys nothing");
    desk.keys("<Esc>d");
    assert_eq!(desk.app.panes.blocks.draft(), None);
    desk.keys("ey<Esc>s");
    assert!(matches!(asked(&mut desk), Request::EditBlock { .. }));
}

#[test]
fn a_value_over_the_limit_is_refused_before_it_is_sent() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>3e");
    desk.send(Msg::Paste("x".repeat(5_000)));
    desk.keys("<C-s>");
    assert!(desk.asked.is_empty());
    assert!(toast(&desk).contains("shorten it by 70"), "{}", toast(&desk));
}

#[test]
fn what_others_change_meanwhile_is_told_while_editing() {
    at_both_sizes("blocks_edit_others", |desk| {
        desk.keys("<Esc>3e<Down><Down><End> and Bern");
        let (change, row) = story_edited(13, "The story so far\n- Launch: 4 May\n- Mira keeps bees in Lucerne");
        desk.committed(vec![change], vec![row]);
    });
}

/// An edit of the second line against another edit of it.
fn clashing(size: (u16, u16)) -> Desk {
    let mut desk = rich(size);
    desk.keys("<Esc>3e<Down><End> by me");
    let (change, row) = story_edited(13, "The story so far\n- Launch: 4 May\n- Mira keeps bees in Lucerne");
    desk.committed(vec![change], vec![row]);
    desk.keys("<C-s>");
    desk
}

#[test]
fn a_clash_is_settled_piece_by_piece_and_saved_on_their_version() {
    for (name, size) in SIZES {
        assert_screen!(format!("merge_{name}"), clashing(size).text());
    }
    let mut desk = clashing((120, 40));
    assert!(desk.asked.is_empty(), "nothing is sent before it is settled");
    desk.keys("<Enter>");
    assert!(desk.asked.is_empty(), "Enter takes no side by itself");
    desk.keys("tuyub");
    assert_screen!("merge_settled_120x40", desk.text());
    desk.keys("<Enter>");
    let Request::EditBlock { base, value, .. } = asked(&mut desk) else { panic!("another request") };
    assert_eq!(base, 13);
    let both = "The story so far\n- Launch: 4 May\n- Launch: 3 May, decided by me\n- Mira keeps bees in Lucerne";
    assert_eq!(value, both);
}

#[test]
fn leaving_a_clash_keeps_the_whole_draft() {
    let mut desk = clashing((80, 24));
    desk.keys("t<Esc>");
    assert!(desk.app.dialogs.is_empty());
    assert!(desk.app.panes.blocks.draft().is_some_and(|text| text.contains("by me")));
}

#[test]
fn a_settled_clash_closes_the_editor_only_when_it_is_saved() {
    let mut desk = clashing((120, 40));
    desk.keys("y<Enter>");
    assert!(desk.app.panes.blocks.draft().is_some());
    let current = story(14, "The story so far\n- Launch: 5 May\n- Mira keeps bees in Lucerne");
    let conflict = Some(Box::new(Conflict::Block { current: Box::new(current) }));
    answer(&mut desk, Err(RequestError { text: "it moved on".into(), conflict }));
    assert!(desk.text().contains("changed it again"), "{}", desk.text());
    desk.keys("y<Enter>");
    assert!(matches!(&desk.asked.last().unwrap().1, Request::EditBlock { base: 14, .. }));
    answer(&mut desk, Ok(Reply::Block(Box::new(story(15, "settled")))));
    assert!(desk.app.dialogs.is_empty());
    assert_eq!(desk.app.panes.blocks.draft(), None);
}

#[test]
fn a_clash_the_engine_finds_first_opens_the_same_dialog() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>3e<Down><End> by me<C-s>");
    let current = story(13, "The story so far\n- Launch: 4 May\n- Mira keeps bees in Lucerne");
    let conflict = Some(Box::new(Conflict::Block { current: Box::new(current) }));
    answer(&mut desk, Err(RequestError { text: "block story is at version 13 now".into(), conflict }));
    assert!(desk.text().contains("conflict 1 of 1"), "{}", desk.text());
}

#[test]
fn a_piece_can_be_edited_by_hand() {
    let mut desk = clashing((120, 40));
    desk.keys("e<C-u><C-k><C-k><C-k>- Launch: in May<C-s><Enter>");
    let Request::EditBlock { value, .. } = asked(&mut desk) else { panic!("another request") };
    assert!(value.contains("- Launch: in May"), "{value}");
}

#[test]
fn a_block_is_copied_as_it_is() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>3y");
    let what = "block story".to_owned();
    let text = "The story so far\n- Launch: 3 May, decided\n- Mira keeps bees in Lucerne".to_owned();
    assert_eq!(desk.effects, [Effect::Copy { text, what }]);
}

#[test]
fn the_external_editor_gets_the_draft_and_gives_it_back() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>3ex<C-g>");
    let Some(Effect::Editor { owner, text }) = desk.effects.pop() else { panic!("no editor") };
    assert!(text.starts_with("xThe story"));
    desk.send(Msg::Edited(owner, Ok("written elsewhere\n".into())));
    assert_eq!(desk.app.panes.blocks.draft().as_deref(), Some("written elsewhere"));
}

// Jobs.

#[test]
fn jobs_tell_what_runs_what_came_of_it_and_what_can_be_done() {
    at_both_sizes("jobs", |desk| desk.keys("<Esc>4"));
}

#[test]
fn ages_move_by_the_second_here_and_by_the_minute_over_a_slow_link() {
    let mut desk = rich((120, 40));
    desk.send(Msg::Renewed(Box::new(rich_overview(4))));
    assert!(desk.text().contains("1 min 04 s") && desk.text().contains("next try in 12 s"), "{}", desk.text());
    assert_eq!(desk.app.wake_at(), Some(desk.now + SignedDuration::from_secs(1)));
    desk.later(1);
    assert!(desk.text().contains("1 min 05 s") && desk.text().contains("next try in 11 s"), "{}", desk.text());

    desk.app.look.over_ssh = true;
    desk.send(Msg::Renewed(Box::new(rich_overview(4))));
    assert!(desk.text().contains(" 1 min\n") && desk.text().contains("next try at"), "{}", desk.text());
    assert_eq!(desk.app.wake_at(), Some(nine() + SignedDuration::from_secs(56)));
}

#[test]
fn a_job_that_waits_for_a_budget_says_for_which_and_until_when() {
    let why = "archivist has used its 100 tokens of today (max_tokens_per_day of archivist)".to_owned();
    let run_at = nine() + SignedDuration::from_hours(15);
    let mut overview = rich_overview(4);
    overview.jobs = vec![job("job-5", 10, JobState::Scheduled { run_at, why })];
    let mut desk = Desk::new(overview, said(), (120, 40));
    desk.keys("<Esc>4z");
    let screen = desk.text();
    let told = "archivist has used its 100 tokens of today (max_tokens_per_day of archivist), goes on at 00:41";
    assert!(screen.contains(told) && screen.contains("scheduled"), "{screen}");
    assert!(screen.contains("x cancel") && !screen.contains("r retry"), "{screen}");
    desk.keys("<Enter>");
    let dialog = desk.text();
    assert!(dialog.contains("max_tokens_per_day of archivist), goes on at 00:41"), "{dialog}");
}

#[test]
fn jobs_are_cancelled_retried_and_run_by_key() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>4x");
    assert!(desk.asked.is_empty(), "a running job is asked about");
    desk.keys("y");
    assert_eq!(asked(&mut desk), Request::CancelJob { id: "job-6".into() });
    desk.keys("jx");
    assert_eq!(asked(&mut desk), Request::CancelJob { id: "job-5".into() });
    desk.keys("r");
    assert_eq!(asked(&mut desk), Request::RetryJob { id: "job-5".into() });
    desk.keys("jr");
    assert_eq!(asked(&mut desk), Request::RetryJob { id: "job-4".into() });
    desk.keys("jr");
    assert!(desk.asked.is_empty() && toast(&desk).contains('R'), "{}", toast(&desk));
    desk.keys("R");
    assert!(matches!(asked(&mut desk), Request::RunJob { .. }));
}

fn detail() -> JobDetail {
    let step = |index: u32| Step {
        kept: None,
        instead_of: None,
        id: StepId(format!("step-{index}")),
        run: "run-job".into(),
        agent: "agent-archivist".into(),
        index,
        model: "offline".into(),
        queued_at: nine(),
        first_token_at: None,
        done_at: nine(),
        tokens_in: 600,
        tokens_out: 17,
        tokens_cached: 0,
        tokens_reasoning: 0,
        stop: None,
        retries: 0,
        saw: Vec::new(),
        calls: 1,
        upto: 44,
    };
    let call = |index: u32, name: &str, arguments: serde_json::Value, ok: bool, text: &str| Message {
        step: Some(StepId(format!("step-{index}"))),
        content: Content::Tool { call: "c".into(), name: name.into(), arguments, ok, text: text.into() },
        ..app_harness::message(index.into(), Some("archivist"), 9, app_harness::words(""))
    };
    let edit = |version: u64, step: u32, before: &str, value: &str| JobEdit {
        label: "story".into(),
        before: before.into(),
        revision: Revision {
            block: "block-story".into(),
            version,
            value: value.into(),
            editor: story(1, "").editor,
            run: None,
            step: Some(StepId(format!("step-{step}"))),
            calls: Vec::new(),
            reason: "memory_replace".into(),
        },
    };
    let label = || serde_json::json!({ "label": "story", "old_str": "spring" });
    JobDetail {
        job: jobs().into_iter().find(|job| job.id == JobId::from("job-2")).unwrap(),
        steps: vec![step(1), step(2), step(3)],
        notes: vec![
            call(1, "memory_replace", label(), true, "done"),
            call(2, "memory_replace", label(), false, "old_str does not stand verbatim in the block"),
            call(3, "memory_finish_edits", serde_json::json!({}), true, ""),
        ],
        edits: vec![edit(
            12,
            1,
            "The story so far\n- Launch: some time in spring",
            "The story so far\n- Launch: 3 May, decided",
        )],
    }
}

#[test]
fn an_opened_job_shows_its_window_its_steps_and_what_each_changed() {
    at_both_sizes("job_open", |desk| {
        desk.keys("<Esc>4jjj<Enter>");
        answer(desk, Ok(Reply::JobDetail(Box::new(detail()))));
    });
}

#[test]
fn an_opened_job_leads_to_its_place_in_the_conversation_and_undoes_what_it_did() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>4jjj<Enter>");
    answer(&mut desk, Ok(Reply::JobDetail(Box::new(detail()))));
    desk.keys("u");
    assert!(desk.text().contains("Undo 1 edit of this job in story?"), "{}", desk.text());
    desk.keys("y");
    let (_, Request::UndoJob { clashes: OnClash::Ask, .. }) = desk.asked.last().unwrap() else { panic!("another") };
    let undone = Reply::JobUndone { blocks: Vec::new(), clashes: Vec::new(), deleted: 1 };
    answer(&mut desk, Ok(undone));
    assert_eq!(toast(&desk), "undone: one block was deleted since");
    desk.keys("<Enter>");
    assert!(desk.app.dialogs.is_empty());
    assert_eq!(desk.app.pane, PaneId::Conversation);
}

#[test]
fn an_undo_that_conflicts_with_later_edits_is_resolved_and_closes_no_draft() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>4jjj<Enter>");
    answer(&mut desk, Ok(Reply::JobDetail(Box::new(detail()))));
    desk.keys("uy");
    let texts = UndoClash {
        edited: "The story so far\n- Launch: 3 May".to_owned(),
        current: "The story so far\n- Launch: 3 May, says Mira".to_owned(),
        before: "The story so far\n- Launch: some time in spring".to_owned(),
    };
    let block = Block { version: 13, value: texts.current.clone(), ..desk.app.model.blocks[0].clone() };
    let clashes = vec![BlockClash { block, texts }];
    answer(&mut desk, Ok(Reply::JobUndone { blocks: Vec::new(), clashes, deleted: 0 }));
    assert_screen!("merge_undo_120x40", desk.text());
    desk.keys("y<Enter>");
    let Request::EditBlock { base: 13, value, merge: true, .. } = asked(&mut desk) else { panic!("another request") };
    assert_eq!(value, "The story so far\n- Launch: some time in spring");
}

#[test]
fn an_opened_job_is_read_again_when_it_moves() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>4<Enter>");
    desk.asked.clear();
    let moved = job("job-6", 12, JobState::Completed { outcome: JobOutcome::Unchanged });
    desk.committed(Vec::new(), vec![RowUpdate::Job(moved)]);
    assert_eq!(asked(&mut desk), Request::JobDetail { id: "job-6".into() });
}

// Help, palette, models.

#[test]
fn help_and_palette_list_search_and_run_commands() {
    at_both_sizes("help", |desk| desk.keys("<Esc>4?"));
    at_both_sizes("palette", |desk| desk.keys("<C-p>run"));
    let mut desk = rich((120, 40));
    desk.keys("<C-p>zoom<Enter>");
    assert!(desk.app.zoom && !desk.app.composing && desk.app.dialogs.is_empty());
    desk.keys("z4?retry<Enter>");
    assert!(desk.app.dialogs.is_empty());
    assert!(toast(&desk).contains("already running this job"), "{}", toast(&desk));
}

#[test]
fn a_model_is_written_tested_and_offered_to_agents_that_are_set_to_offline() {
    let mut desk = rich((120, 40));
    desk.app.model.agents[0].model = Some("offline".into());
    desk.keys("<F2>");
    assert_screen!("models_120x40", desk.text());
    desk.keys("<Enter>");
    assert!(desk.text().contains("the model is missing"), "{}", desk.text());
    desk.keys("<Tab><Tab><Tab>gpt-4.1-mini<Enter>");
    let Some(Effect::Connect(ticket, connect)) = desk.effects.pop() else { panic!("nothing is written") };
    assert_eq!((connect.name.as_str(), connect.model.as_deref()), ("openai", None));
    desk.send(Msg::Answered(ticket, Ok(Reply::Done)));
    assert_eq!(desk.asked.last().map(|(_, request)| request), Some(&Request::Reconfigure));
    answer(&mut desk, Ok(Reply::Done));
    assert_eq!(desk.asked.last().unwrap().1, Request::Probe { model: "openai/gpt-4.1-mini".into() });
    answer(&mut desk, Err(RequestError::new("OPENAI_API_KEY is not set: set it and start again")));
    assert_screen!("models_failed_120x40", desk.text());
    desk.keys("<C-s>");
    let Some(Effect::Connect(ticket, connect)) = desk.effects.pop() else { panic!("nothing is written") };
    assert_eq!(connect.model.as_deref(), Some("openai/gpt-4.1-mini"));
    desk.send(Msg::Answered(ticket, Ok(Reply::Done)));
    answer(&mut desk, Ok(Reply::Done));
    assert_eq!(desk.asked.last().unwrap().1, Request::Overview);
    assert_screen!("models_offered_120x40", desk.text());
    desk.asked.clear();
    desk.keys("y");
    let set = Request::SetModel { agent: "agent-reporter".into(), model: Some("openai/gpt-4.1-mini".into()) };
    assert_eq!(asked(&mut desk), set);
}

#[test]
fn models_at_80x24() {
    let mut desk = rich((80, 24));
    desk.keys("<F2><Right><Right><Right><Right><Tab>");
    assert_screen!("models_80x24", desk.text());
}

#[test]
fn what_the_configuration_says_of_parallel_calls_survives_connecting() {
    use nightdesk::testing::config::{Config, KeySource, Limits, Provider, ProviderKind};
    use nightdesk::testing::tui::effect::Connect;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, "[provider.local]\nkind = \"openai\"\nmax_parallel = 3\n").unwrap();
    let base_url = Some("http://127.0.0.1:9/v1".to_owned());
    let provider = Provider {
        kind: ProviderKind::OpenAi,
        base_url,
        key: KeySource::None,
        max_parallel: None,
        limits: Limits::default(),
    };
    let connect = Connect { name: "local".into(), provider, model: Some("local/x".into()) };
    connect.save(&path).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!((config.model.as_str(), config.provider["local"].max_parallel), ("local/x", Some(3)));
}

// Empty, plain, hostile.

#[test]
fn empty_panes_say_what_fills_them() {
    let empty = Overview { default_model: "offline".into(), ..Overview::default() };
    let desk = Desk::new(empty, Vec::new(), (120, 40));
    assert_screen!("empty_store_120x40", desk.text());
    let mut first = overview(0);
    first.blocks[0].value.clear();
    let desk = Desk::new(first, Vec::new(), (120, 40));
    assert_screen!("empty_group_120x40", desk.text());
}

#[test]
fn in_ascii_and_without_colour_everything_is_still_told() {
    let mut desk = rich((120, 40));
    desk.app.look.glyphs = &glyph::ASCII;
    desk.app.look.theme = look().theme.monochrome();
    desk.send(Msg::Renewed(Box::new(rich_overview(4))));
    let (change, row) = story_edited(13, NEW);
    desk.committed(vec![change], vec![row]);
    desk.keys("<Esc>4");
    assert_screen!("ascii_120x40", desk.picture());
    let side: String = desk.lines().iter().flat_map(|line| line.chars().skip(83)).collect();
    assert!(side.is_ascii(), "{side}");
    desk.keys("3e<Down><End> by me");
    let (change, row) = story_edited(14, "The story so far\n- Launch: 4 May\n- Mira keeps bees in Lucerne");
    desk.committed(vec![change], vec![row]);
    desk.keys("<C-s>");
    assert_screen!("ascii_merge_120x40", desk.picture());
}

#[test]
fn nothing_an_agent_writes_reaches_the_terminal_as_a_command() {
    const HOSTILE: &str = "\u{1b}]52;c;cHduZWQ=\u{7}\u{1b}[2J\u{202e}evil\u{200b}\tend\u{9b}31m";
    let mut overview = rich_overview(4);
    for agent in &mut overview.agents {
        agent.name = format!("{}{HOSTILE}", agent.name);
        agent.description = HOSTILE.into();
        agent.model = Some(format!("x/{HOSTILE}"));
    }
    for block in &mut overview.blocks {
        block.value = HOSTILE.into();
        block.label = format!("{}{HOSTILE}", block.label);
    }
    for job in &mut overview.jobs {
        if let JobState::Failed { error, .. } | JobState::Retryable { error, .. } = &mut job.state {
            *error = HOSTILE.into();
        }
    }
    overview.groups[0].name = HOSTILE.into();
    overview.default_model = HOSTILE.into();
    let mut desk = Desk::new(overview, said(), (120, 40));
    for keys in
        ["<Esc>1jj", "m", "<Esc>3", "e", "x", "<C-s>", "<Esc>", "d", "4", "<Enter>", "<Esc>", "<F2>", "<Esc>", "?"]
    {
        desk.keys(keys);
        let bytes = String::from_utf8_lossy(&desk.frame).into_owned();
        for bad in ["\u{1b}]", "\u{7}", "\u{1b}[2J", "\u{202e}", "\u{200b}", "\u{9b}", "\t"] {
            assert!(!bytes.contains(bad), "{bad:?} after {keys}");
        }
    }
}

/// The same while nothing is answered or worked off.
fn calm(size: (u16, u16)) -> Desk {
    let mut desk = rich(size);
    let mut overview = rich_overview(4);
    overview.runs.clear();
    desk.send(Msg::Renewed(Box::new(overview)));
    desk
}

#[test]
fn quitting_tells_of_unsaved_changes_and_the_next_start_opens_them_on_their_version() {
    let mut desk = calm((120, 40));
    desk.keys("<Esc>3ex<C-c>");
    assert!(desk.text().contains("changes to story are not saved"), "{}", desk.text());
    let kept = serde_json::to_string(&desk.app.session()).unwrap();
    let mut next = rich((120, 40));
    let (change, row) = story_edited(13, "The story so far\n- Launch: 3 May, decided\n- Mira keeps bees in Bern");
    next.committed(vec![change], vec![row]);
    next.app.restore(serde_json::from_str(&kept).unwrap());
    // What is typed first goes to the composer; Esc leads back to the block.
    next.keys("y");
    assert!(next.text().contains("your unsaved changes to story are open in the blocks (Alt-3)"), "{}", next.text());
    next.keys("<Esc>");
    assert!(next.app.panes.blocks.draft().is_some_and(|text| text.starts_with("xThe story")));
    assert!(next.text().contains("editing from v12"), "{}", next.text());
    assert!(next.text().contains("changed it to v13 while you edit"), "{}", next.text());
    next.keys("<C-s>");
    assert!(matches!(asked(&mut next), Request::EditBlock { base: 12, merge: true, .. }));
}

#[test]
fn a_question_that_is_longer_than_the_screen_is_wide_is_wrapped() {
    let mut desk = calm((40, 16));
    desk.keys("<Esc>3ex<C-c>");
    let text = desk.text();
    assert!(text.contains("next start opens") && text.contains("stay"), "{text}");
}

#[test]
fn only_the_conversation_offers_a_search() {
    let mut desk = rich((120, 40));
    desk.keys("<Esc>3/");
    assert_eq!(desk.app.context(), nightdesk::testing::tui::command::KeyContext::BLOCKS);
    desk.keys("2/");
    assert_eq!(desk.app.context(), nightdesk::testing::tui::command::KeyContext::SEARCH);
    desk.keys("<Esc>3?");
    assert!(!desk.text().contains("Searches"), "{}", desk.text());
}

#[test]
fn what_a_job_says_to_itself_is_no_new_message() {
    use nightdesk::testing::domain::{Conversation, ConversationOwner};
    let mut desk = rich((80, 24));
    let owner = ConversationOwner::Job(JobId::from("job-1"));
    let inner = Conversation { id: "conv-job".into(), owner, head: 3, asked: 0, turns: 0 };
    desk.committed(Vec::new(), vec![RowUpdate::Conversation(inner)]);
    assert!(!desk.lines()[0].contains("1 Agents ●"), "{}", desk.lines()[0]);
    let owner = ConversationOwner::Agent(AgentId::from("agent-critic"));
    let talk = Conversation { id: "conv-talk".into(), owner, head: 3, asked: 0, turns: 0 };
    desk.committed(Vec::new(), vec![RowUpdate::Conversation(talk)]);
    assert!(desk.lines()[0].contains("1 Agents ●"), "{}", desk.lines()[0]);
}

#[test]
fn stepping_through_the_agents_goes_on_into_the_next_group_and_back() {
    let mut desk = calm((120, 40));
    desk.keys("<Esc>1gjjjjj<Enter>");
    assert_eq!(desk.app.model.place.address, Some(Recipient::Group("group-2".into())));
    desk.keys("<Esc>1kk<Enter>");
    assert_eq!(desk.app.model.place.group, Some("group-1".into()));
}

#[test]
fn the_notice_of_a_scripted_model_leaves_the_turn_its_place_on_a_narrow_screen() {
    let mut desk = calm((80, 24));
    for agent in &mut desk.app.model.agents {
        agent.model = Some("scripted//teams/newsroom.toml".into());
    }
    desk.draw();
    let title = &desk.lines()[0];
    assert!(title.contains("scripted · F2") && title.contains("turn 4"), "{title}");
}

#[test]
fn beside_an_open_editor_its_keys_are_whole_or_left_out() {
    let mut desk = calm((120, 40));
    desk.keys("<Esc>3e<A-1>");
    let text = desk.text();
    assert!(text.contains("editing from v12") && !text.contains("Esc leave"), "{text}");
    desk.keys("<A-3>");
    assert!(desk.lines().last().unwrap().contains("Esc leave"), "{}", desk.text());
}
