//! Groups and agents made, changed and deleted from the workbench: keys in, requests out.

use crate::support::app_harness::{Desk, overview, said, story};
use nightdesk::testing::domain::ManagerType;
use nightdesk::testing::domain::state::Kind;
use std::collections::BTreeMap;

use nightdesk::testing::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Editor, Group, GroupId, Rule};
use nightdesk::testing::engine::protocol::{
    AgentForm, GroupForm, Overview, Recipient, Reply, Request, RequestError, RowUpdate,
};
use nightdesk::testing::tui::effect::{Effect, Msg};

const USUAL: (u16, u16) = (120, 40);
const HOSTILE: &str = "\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{202e}evil\u{9b}31m";

/// The newsroom with a second group, a critic of many settings, and roles.
fn rich() -> Overview {
    let mut overview = overview(4);
    let room = &mut overview.groups[0];
    room.roles.insert("agent-critic".into(), "doubts".into());
    let review = Group {
        members: vec!["agent-second".into(), "agent-critic".into()],
        manager_agent: Some("agent-third".into()),
        max_turns: Some(9),
        termination_token: Some("ENOUGH".into()),
        ..Group::new("group-2".into(), "review", ManagerType::Dynamic)
    };
    overview.groups.push(review);
    for name in ["second", "third"] {
        overview.agents.push(Agent::new(AgentId(format!("agent-{name}")), name, "group-2".into()));
    }
    let persona = Block {
        id: BlockId::from("block-persona"),
        label: "persona".into(),
        owner: BlockOwner::Agent(AgentId::from("agent-critic")),
        editor: Editor::File,
        ..story(4, "I doubt what I am told.")
    };
    overview.blocks.push(persona);
    let critic = overview.agents.iter_mut().find(|agent| agent.name == "critic").unwrap();
    critic.blocks = vec![BlockId::from("block-persona")];
    critic.model = Some("openai/gpt-4.1-mini".into());
    critic.max_steps = Some(7);
    critic.rules = vec![Rule::RequiresApproval { tool_name: "memory_replace".into() }];
    overview
}

fn desk() -> Desk {
    let mut desk = Desk::new(rich(), said(), USUAL);
    desk.keys("<Esc>1");
    desk
}

/// The only request there is, taken, without the row that the person saw.
fn asked(desk: &mut Desk) -> Request {
    assert_eq!(desk.asked.len(), 1, "{:?}", desk.asked);
    let mut request = desk.asked.pop().unwrap().1;
    match &mut request {
        Request::UpdateGroup { form, .. } => form.read = None,
        Request::UpdateAgent { form, .. } => form.read = None,
        _ => {}
    }
    request
}

fn answer(desk: &mut Desk, reply: Result<Reply, RequestError>) {
    let (ticket, _) = desk.asked.pop().expect("nothing was asked");
    desk.send(Msg::Answered(ticket, reply));
}

fn toast(desk: &Desk) -> &str {
    desk.app.toast.as_ref().map_or("", |(toast, _)| toast.text.as_str())
}

fn update(id: &str, form: GroupForm) -> Request {
    Request::UpdateGroup { id: GroupId::from(id), form: Box::new(form) }
}

fn update_agent(form: AgentForm) -> Request {
    Request::UpdateAgent { id: AgentId::from("agent-critic"), form: Box::new(form) }
}

/// The text of the row the caret's field begins in.
fn field(desk: &Desk) -> String {
    let lines = desk.lines();
    let line = lines.iter().find(|line| line.contains("│›")).cloned().unwrap_or_default();
    line.split("│›").nth(1).unwrap_or_default().chars().take(15).collect::<String>().trim().to_owned()
}

// New groups.

#[test]
fn a_round_robin_of_two_new_agents_is_one_request_with_exactly_that() {
    let mut desk = desk();
    desk.keys("N<Tab>panel<Tab>weighs plans<Tab>");
    assert_eq!(field(&desk), "Members");
    desk.keys("optimist<Enter>pessimist<Enter><Up>sees risks<C-s>");
    let form =
        GroupForm { name: Some("panel".into()), manager_type: Some(ManagerType::RoundRobin), ..GroupForm::default() }
            .set("description", "weighs plans")
            .set("members", vec!["optimist".to_owned(), "pessimist".to_owned()])
            .set("roles", BTreeMap::from([("pessimist".to_owned(), "sees risks".to_owned())]));
    assert_eq!(asked(&mut desk), Request::CreateGroup { form: Box::new(form) });
}

#[test]
fn what_can_be_no_name_is_not_taken_for_a_new_agent() {
    let mut desk = desk();
    desk.keys("N<Tab>panel<Tab>weighs plans<Tab>knows the law<Enter>");
    assert!(desk.text().contains("Not a valid name: use letters, digits, - and _."), "{}", desk.text());
    desk.keys("<Esc>You<Enter>");
    assert!(desk.text().contains("Not a valid name: this name means the user"), "{}", desk.text());
    desk.keys("<Esc>optimist<Enter><C-s>");
    let Request::CreateGroup { form } = asked(&mut desk) else { panic!("it asks for something else") };
    assert_eq!(form.settings.get("members"), Some(Some(&vec!["optimist".to_owned()].into())));
}

#[test]
fn every_type_is_offered_with_what_it_is_best_for() {
    let mut desk = desk();
    desk.keys("N");
    let text = desk.text().replace(['\n', '│'], " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for kind in ManagerType::ALL {
        // Its first words: the rest may stand in the next row.
        let first: Vec<&str> = kind.best_for().split(' ').take(5).collect();
        assert!(text.contains(&format!("{} {}", kind.title(), first.join(" "))), "{text}");
    }
}

#[test]
fn dynamic_shows_its_own_fields_and_asks_for_the_manager() {
    let mut desk = desk();
    desk.keys("N");
    assert!(!desk.text().contains("Manager agent"));
    assert!(!desk.text().contains("End token"));
    desk.keys("<Right><Right>");
    for label in ["Manager agent", "End token", "Allow repeat", "Max turns"] {
        assert!(desk.text().contains(label), "{label}");
    }
    assert!(!desk.text().contains("Max rounds") && !desk.text().contains("Continue order"));
    desk.keys("<Tab>panel<Tab><Tab><Tab>critic<Enter><C-s>");
    assert!(desk.asked.is_empty());
    assert_eq!(field(&desk), "Manager agent");
    assert!(desk.text().contains("dynamic needs a manager agent"), "{}", desk.text());
    desk.keys("chair<Enter><C-s>");
    let form =
        GroupForm { name: Some("panel".into()), manager_type: Some(ManagerType::Dynamic), ..GroupForm::default() }
            .set("manager_agent", "chair")
            .set("members", vec!["newsroom/critic".to_owned()]);
    assert_eq!(asked(&mut desk), Request::CreateGroup { form: Box::new(form) });
}

#[test]
fn what_was_typed_for_another_type_is_not_sent() {
    let mut desk = desk();
    // A dynamic group's token and a round robin's order; then a sleep-time group has neither.
    desk.keys("N<Right><Right><Tab>notes<Tab><Tab>scribe<Enter><Tab>someone<Enter>");
    desk.keys(&("<Tab>".repeat(8) + "4<Tab>STOP<Tab><Space>"));
    desk.keys(&"<Tab>".repeat(8));
    assert_eq!(field(&desk), "Shared blocks");
    desk.keys("<Tab><Right><Tab><Tab><Tab><Tab>keeper<Enter><Tab><Tab><Tab>3<C-s>");
    let form =
        GroupForm { name: Some("notes".into()), manager_type: Some(ManagerType::Sleeptime), ..GroupForm::default() }
            .set("manager_agent", "scribe")
            .set("background", vec!["keeper".to_owned()])
            .set("every_turns", 3);
    assert_eq!(asked(&mut desk), Request::CreateGroup { form: Box::new(form) });
}

#[test]
fn a_number_that_is_none_is_told_at_its_field_and_not_sent() {
    let mut desk = desk();
    desk.keys("N<Tab>panel<Tab><Tab>a<Enter><Tab><Tab><Tab><Tab><Tab><Tab><Tab><Tab>many<C-s>");
    assert!(desk.asked.is_empty());
    assert_eq!(field(&desk), "Max turns");
    assert!(desk.text().contains("many is not a valid number"), "{}", desk.text());
    desk.keys("<C-u>4");
    assert!(!desk.text().contains("is not a valid number"), "typing takes the fault away");
    desk.keys("<C-s>");
    let Request::CreateGroup { form } = asked(&mut desk) else { panic!() };
    assert_eq!(form.settings.get("max_turns"), Some(Some(&4.into())));
}

#[test]
fn the_new_group_is_shown_once_it_is_there() {
    let mut desk = desk();
    desk.keys("N<Tab>panel<Tab><Tab>a<Enter><C-s>");
    let group = Group::new("group-9".into(), "panel", ManagerType::RoundRobin);
    desk.committed(Vec::new(), vec![RowUpdate::Group(group.clone())]);
    answer(&mut desk, Ok(Reply::Group(Box::new(group))));
    assert!(desk.app.dialogs.is_empty());
    assert_eq!(desk.app.model.place.address, Some(Recipient::Group("group-9".into())));
    assert_eq!(toast(&desk), "panel is created");
}

#[test]
fn a_group_can_be_made_in_an_empty_store() {
    let mut desk = Desk::new(Overview { default_model: "offline".into(), ..Overview::default() }, Vec::new(), USUAL);
    assert!(desk.text().contains("N creates one here"), "{}", desk.text());
    desk.keys("<Esc>1e");
    assert!(toast(&desk).contains("N creates one"));
    desk.keys("N<Tab>first<Tab><Tab>a<Enter><C-s>");
    assert!(matches!(asked(&mut desk), Request::CreateGroup { .. }));
}

// Changed groups.

#[test]
fn an_edit_sends_only_what_changed_and_what_was_emptied_is_cleared() {
    let mut desk = desk();
    desk.keys("e");
    assert_eq!(field(&desk), "Name");
    // Out to the number of speeches, which is taken away.
    desk.keys("<Tab><Tab><Tab><Tab><Tab><Tab><Tab><Tab>");
    assert_eq!(field(&desk), "Max turns");
    desk.keys("<C-u><C-s>");
    let form = GroupForm::default().clear("max_turns");
    assert_eq!(asked(&mut desk), update("group-1", form));
}

#[test]
fn a_form_names_the_row_it_was_opened_with_whatever_came_since() {
    let mut desk = desk();
    let group = desk.app.model.group(&"group-1".into()).unwrap().clone();
    desk.keys("e!");
    let meanwhile = Group { max_turns: Some(40), ..group.clone() };
    desk.committed(Vec::new(), vec![RowUpdate::Group(meanwhile)]);
    desk.keys("<C-s>");
    let Request::UpdateGroup { form, .. } = desk.asked.pop().unwrap().1 else { panic!("another request") };
    assert_eq!(form.read.as_deref(), Some(&group));
}

#[test]
fn what_is_emptied_in_a_dynamic_group_is_cleared_and_its_type_is_fixed() {
    let mut desk = desk();
    desk.keys("Ge");
    assert!(desk.text().contains("fixed") || desk.text().contains("dynamic"), "{}", desk.text());
    desk.keys("<BackTab>");
    assert_eq!(field(&desk), "Manager type");
    desk.keys("<Right><Space>");
    assert!(desk.text().contains("open talk among experts"), "{}", desk.text());
    desk.keys(&"<BackTab>".repeat(11));
    assert_eq!(field(&desk), "End token");
    desk.keys("<C-u><Tab><Space><Tab><Tab><Right><C-s>");
    let form = GroupForm::default().clear("termination_token").set("allow_repeat", true).set("status", "paused");
    assert_eq!(asked(&mut desk), update("group-2", form));
}

#[test]
fn members_are_removed_moved_and_added_and_roles_change_with_them() {
    let mut desk = desk();
    desk.keys("e<Tab><Tab><Up><Up><Up>");
    assert_eq!(field(&desk), "Members");
    // reporter, critic (doubts), editor: the reporter goes, the editor comes first.
    desk.keys("<C-x><Down><A-Up><Down><C-u><Down>second<Enter><C-s>");
    let form = GroupForm::default()
        .set("members", vec!["editor".to_owned(), "critic".to_owned(), "review/second".to_owned()])
        .set("roles", BTreeMap::from([("critic".to_owned(), String::new())]));
    assert_eq!(asked(&mut desk), update("group-1", form));
}

#[test]
fn where_nobody_new_can_be_made_no_new_name_is_offered() {
    let mut desk = desk();
    desk.keys("e<Tab><Tab>nobody");
    assert!(desk.text().contains("n in the agents creates one"), "{}", desk.text());
    desk.keys("<Enter>");
    assert!(desk.text().contains("Find or type: nobody"), "{}", desk.text());
    desk.keys("<Esc><C-s>");
    assert!(desk.asked.is_empty(), "{:?}", desk.asked);
}

#[test]
fn nothing_changed_sends_nothing() {
    for keys in ["e<C-s>", "Ge<C-s>", "jje<C-s>"] {
        let mut desk = desk();
        desk.keys(keys);
        assert!(desk.asked.is_empty(), "{keys}: {:?}", desk.asked);
        assert!(desk.app.dialogs.is_empty(), "{keys}");
    }
}

#[test]
fn a_fault_stands_at_the_field_it_speaks_of_and_keeps_what_was_typed() {
    let faults = [
        ("max_turns is 900, over the limit of 100; give a smaller one", "Max turns"),
        ("newsroom/critic cannot be a member: it is there already", "Members"),
        ("there is no agent \"ghost\"; make it first", "Members"),
        ("there is a group panel already; choose another name", "Name"),
    ];
    for (text, label) in faults {
        let mut desk = desk();
        desk.keys("N<Tab>panel<Tab>weighs plans<Tab>ghost<Enter><C-s>");
        answer(&mut desk, Err(RequestError::new(text)));
        assert_eq!(field(&desk), label, "{text}");
        assert!(desk.text().contains(&text[..20]), "{}", desk.text());
        assert!(desk.text().contains("weighs plans"), "{}", desk.text());
        desk.keys("<C-s>");
        let Request::CreateGroup { form } = asked(&mut desk) else { panic!() };
        let members = vec!["ghost".to_owned()].into();
        assert_eq!((form.name.as_deref(), form.settings.get("members")), (Some("panel"), Some(Some(&members))));
    }
}

#[test]
fn a_fault_of_no_field_is_told_below_the_form() {
    let mut desk = desk();
    desk.keys("N<Tab>panel<Tab><Tab>ghost<Enter><C-s>");
    answer(&mut desk, Err(RequestError::new("the disk is full; free some space")));
    assert!(desk.text().contains("✗ the disk is full; free some space"), "{}", desk.text());
}

// Leaving.

#[test]
fn esc_on_a_changed_form_asks_and_destroys_nothing() {
    let mut desk = desk();
    desk.keys("N<Tab>panel<Esc>");
    assert!(desk.text().contains("without saving?"), "{}", desk.text());
    desk.keys("<Esc>");
    assert!(desk.text().contains("panel"), "the form stands");
    desk.keys("<Esc><Enter>");
    assert_eq!(desk.app.dialogs.len(), 1, "the first answer goes on");
    desk.keys("<Esc>l");
    assert!(desk.app.dialogs.is_empty());
    assert!(desk.asked.is_empty());
}

#[test]
fn esc_on_a_form_as_it_was_just_leaves() {
    for keys in ["N<Right><Esc>", "e<Tab><Tab><Esc>", "jje<Down><Esc>", "n<Esc>"] {
        let mut desk = desk();
        desk.keys(keys);
        assert!(desk.app.dialogs.is_empty(), "{keys}");
    }
}

#[test]
fn the_question_can_save_too() {
    let mut desk = desk();
    desk.keys("e!<Esc>s");
    assert_eq!(
        asked(&mut desk),
        update("group-1", GroupForm { name: Some("newsroom!".into()), ..GroupForm::default() })
    );
}

#[test]
fn quitting_tells_of_a_form_that_is_filled_in() {
    let mut desk = Desk::new(Overview { default_model: "offline".into(), ..Overview::default() }, Vec::new(), USUAL);
    desk.keys("<Esc>1N<Tab>first<C-c>");
    assert!(desk.text().contains("The open form is not saved."), "{}", desk.text());
    assert!(!desk.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))));
}

// Agents.

#[test]
fn a_new_agent_is_one_request_with_what_was_said() {
    let mut desk = desk();
    desk.keys("n");
    assert_eq!(field(&desk), "Name");
    desk.keys("scout<Enter>finds things<Tab>I look.<Enter>I tell.<Tab>offline<Enter><Tab><Tab><Tab><Tab><Tab>memory_replace<Enter>");
    desk.keys("<Tab>second<Enter><Tab><Tab>9<C-s>");
    let form =
        AgentForm { name: Some("scout".into()), persona: Some("I look.\nI tell.".into()), ..AgentForm::default() }
            .set("description", "finds things")
            .set("model", "offline")
            .set("require_approval", vec!["memory_replace".to_owned()])
            .set("contacts", vec!["review/second".to_owned()])
            .set("max_steps", 9);
    assert_eq!(asked(&mut desk), Request::CreateAgent { group: "group-1".into(), form: Box::new(form) });
}

#[test]
fn an_agents_edit_sends_only_what_changed_and_clears_what_was_emptied() {
    let mut desk = desk();
    desk.keys("jje<BackTab><BackTab><BackTab><BackTab><BackTab><BackTab>");
    assert_eq!(field(&desk), "Max steps");
    desk.keys("<C-u><BackTab><BackTab><BackTab><Up><C-x><Up><Up><Up><Up><Up>");
    assert_eq!(field(&desk), "Model");
    desk.keys("<C-x><C-s>");
    let form = AgentForm::default().clear("model").clear("max_steps").clear("require_approval");
    assert_eq!(asked(&mut desk), update_agent(form));
}

#[test]
fn a_model_that_can_be_none_is_refused_where_it_is_typed() {
    let mut desk = desk();
    desk.keys("n<Tab><Tab><Tab>gpt-9<Enter>");
    assert!(desk.text().contains("A model is named provider/model"), "{}", desk.text());
    desk.keys("<C-u>openai/gpt-4.1<Enter><BackTab><BackTab><BackTab>scout<C-s>");
    let Request::CreateAgent { form, .. } = asked(&mut desk) else { panic!() };
    let model = form.settings.get("model").flatten();
    assert_eq!(model, Some(&"openai/gpt-4.1".into()), "although openai/gpt-4.1-mini is known");
}

#[test]
fn a_tag_with_blanks_is_sent_as_it_was_typed() {
    let mut desk = desk();
    desk.keys("n");
    (0..10).for_each(|_| desk.keys("<Tab>"));
    assert_eq!(field(&desk), "Tags");
    desk.keys("asks why<Enter><BackTab>");
    (0..9).for_each(|_| desk.keys("<BackTab>"));
    desk.keys("scout<C-s>");
    let Request::CreateAgent { form, .. } = asked(&mut desk) else { panic!() };
    assert_eq!(form.settings.get("tags").flatten(), Some(&vec!["asks why".to_owned()].into()));
}

#[test]
fn a_persona_is_saved_on_the_version_it_was_opened_at_and_before_the_rest() {
    let mut desk = desk();
    desk.keys("jje<Tab>doubts<Tab>Kindly, <C-s>");
    let value = "Kindly, I doubt what I am told.";
    let edit = Request::EditBlock { id: "block-persona".into(), base: 4, value: value.into(), merge: true };
    let (ticket, request) = desk.asked.pop().unwrap();
    assert_eq!(request, edit);
    let saved = Block { id: "block-persona".into(), label: "persona".into(), ..story(6, value) };
    desk.send(Msg::Answered(ticket, Ok(Reply::Block(Box::new(saved)))));
    let form = AgentForm::default().set("description", "doubts");
    assert_eq!(asked(&mut desk), update_agent(form));
}

#[test]
fn a_persona_that_cannot_be_merged_stays_in_the_form_and_nothing_else_is_sent() {
    let mut desk = desk();
    desk.keys("jje<Tab>doubts<Tab>Kindly, <C-s>");
    answer(&mut desk, Err(RequestError::new("persona was changed by critic meanwhile")));
    assert_eq!(field(&desk), "Persona");
    assert!(desk.asked.is_empty());
    assert!(desk.text().contains("Kindly, I doubt what I am told."), "{}", desk.text());
}

#[test]
fn the_persona_can_be_written_in_the_external_editor() {
    let mut desk = desk();
    desk.keys("n<Tab><Tab>I look.<C-g>");
    let Some(Effect::Editor { owner, text }) = desk.effects.pop() else { panic!("{:?}", desk.effects) };
    assert_eq!(text, "I look.");
    desk.send(Msg::Edited(owner, Ok("I look.\nFar.\n".into())));
    desk.keys("<BackTab><BackTab>scout<C-s>");
    let Request::CreateAgent { form, .. } = asked(&mut desk) else { panic!() };
    assert_eq!(form.persona.as_deref(), Some("I look.\nFar."));
}

// Members by key.

#[test]
fn plus_adds_an_agent_there_is_by_its_full_name() {
    let mut desk = desk();
    desk.keys("+third<Enter>");
    let form = GroupForm { add: vec!["review/third".into()], ..GroupForm::default() };
    assert_eq!(desk.asked.last().unwrap().1, update("group-1", form));
    answer(&mut desk, Err(RequestError::new("review/third manages review")));
    assert!(desk.text().contains("review/third manages review"), "{}", desk.text());
    desk.keys("<Enter>");
    let group = Group::new("group-1".into(), "newsroom", ManagerType::RoundRobin);
    answer(&mut desk, Ok(Reply::Group(Box::new(group))));
    assert_eq!(toast(&desk), "review/third joins newsroom");
    assert!(desk.app.dialogs.is_empty());
}

#[test]
fn plus_with_a_new_name_opens_the_form_of_a_new_agent() {
    let mut desk = desk();
    desk.keys("j+scout<Enter>");
    assert!(desk.text().contains("New agent in newsroom"), "{}", desk.text());
    desk.keys("<C-s>");
    let form = AgentForm { name: Some("scout".into()), ..AgentForm::default() };
    assert_eq!(asked(&mut desk), Request::CreateAgent { group: "group-1".into(), form: Box::new(form) });
}

#[test]
fn minus_asks_and_takes_the_member_out_of_this_group() {
    let mut desk = desk();
    desk.keys("jj-");
    assert!(desk.text().contains("Remove critic from newsroom?"), "{}", desk.text());
    desk.keys("<Esc>");
    assert!(desk.asked.is_empty());
    desk.keys("-y");
    let form = GroupForm { remove: vec!["critic".into()], ..GroupForm::default() };
    assert_eq!(asked(&mut desk), update("group-1", form));
    // The archivist works in the background: the policy goes with its last agent.
    desk.keys("jj-y");
    let form = GroupForm::default().set("background", Vec::new());
    assert_eq!(asked(&mut desk), update("group-1", form));
}

#[test]
fn a_manager_agent_is_not_taken_out_but_replaced() {
    let mut desk = desk();
    desk.keys("Gl<Enter><Esc>1Gkk-");
    assert!(desk.asked.is_empty(), "{:?}", desk.asked);
    assert!(toast(&desk).contains("third is the manager agent of review"), "{}", toast(&desk));
}

// Deleting.

#[test]
fn a_deletion_is_shown_before_it_happens() {
    let mut desk = desk();
    desk.keys("D");
    let what = Recipient::Group("group-1".into());
    assert_eq!(desk.asked.last().unwrap().1, Request::Delete { what: what.clone(), really: false });
    let lines = vec!["4 messages go".to_owned(), "agent critic goes with 1 block".to_owned()];
    answer(&mut desk, Ok(Reply::Deletion { lines: lines.clone(), done: false }));
    for line in &lines {
        assert!(desk.text().contains(line), "{}", desk.text());
    }
    desk.keys("<Enter>");
    assert!(desk.asked.is_empty(), "the first answer keeps it");
    desk.keys("D");
    answer(&mut desk, Ok(Reply::Deletion { lines: lines.clone(), done: false }));
    desk.keys("d");
    assert_eq!(desk.asked.last().unwrap().1, Request::Delete { what, really: true });
    answer(&mut desk, Ok(Reply::Deletion { lines, done: true }));
    assert_eq!(toast(&desk), "deleted; u takes it back");
}

#[test]
fn what_was_deleted_is_left_for_what_there_is() {
    let mut desk = desk();
    let gone = |kind, key: &str| RowUpdate::Gone { kind, key: key.into() };
    desk.committed(Vec::new(), vec![gone(Kind::Group, "group-1")]);
    assert_eq!(desk.app.model.place.address, Some(Recipient::Group("group-2".into())));
    assert!(!desk.text().contains("newsroom"), "{}", desk.text());
    desk.keys("Gk<Enter>");
    desk.committed(Vec::new(), vec![gone(Kind::Group, "group-2")]);
    assert_eq!(desk.app.model.place.address, None);
    assert!(desk.text().contains("N creates one here"), "{}", desk.text());
}

#[test]
fn a_deletion_that_takes_more_than_the_screen_holds_still_shows_its_answers() {
    let mut desk = Desk::new(rich(), said(), (40, 12));
    desk.keys("<Esc>1D");
    let lines = (0..60).map(|n| format!("block {n} goes")).collect();
    answer(&mut desk, Ok(Reply::Deletion { lines, done: false }));
    assert!(desk.text().contains("keep it") && desk.text().contains("delete it"), "{}", desk.text());
    assert!(desk.text().contains("more lines"), "{}", desk.text());
}

// What others write.

#[test]
fn names_and_texts_of_others_cannot_control_the_terminal() {
    let mut overview = rich();
    overview.groups[0].name = HOSTILE.into();
    overview.groups[0].description = HOSTILE.into();
    overview.groups[0].roles.insert("agent-critic".into(), HOSTILE.into());
    for agent in &mut overview.agents {
        agent.name = format!("{}{HOSTILE}", agent.name);
        agent.description = HOSTILE.into();
        agent.model = Some(HOSTILE.into());
        agent.tools = vec![HOSTILE.into()];
    }
    for block in &mut overview.blocks {
        block.value = HOSTILE.into();
    }
    overview.default_model = HOSTILE.into();
    let mut desk = Desk::new(overview, said(), USUAL);
    desk.keys("<Esc>1");
    let scripts =
        ["e", "<Tab><Tab>", "x", "<Esc>", "<Esc><Esc>l", "jje", "<Tab><Tab><Tab>", "x", "<Esc><Tab><Tab><Tab>x"];
    for keys in scripts.into_iter().chain(["<Esc><Esc>l", "n", "<Esc>", "+", "<Esc>", "-", "<Esc>", "ggD"]) {
        desk.keys(keys);
        let frame = String::from_utf8(desk.frame.clone()).unwrap();
        assert!(!frame.contains("\u{1b}]") && !frame.contains("\u{1b}[2J"), "{keys}: {frame:?}");
        assert!(!frame.contains(['\u{202e}', '\u{9b}', '\u{7}']), "{keys}: {frame:?}");
    }
    answer(&mut desk, Ok(Reply::Deletion { lines: vec![HOSTILE.into()], done: false }));
    let frame = String::from_utf8(desk.frame.clone()).unwrap();
    assert!(!frame.contains("\u{1b}]") && !frame.contains(['\u{202e}', '\u{7}']), "{frame:?}");
}
