//! The last change of groups and agents is taken back, unless what it changed has moved on.

use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};
use crate::support::script::Script;
use nightdesk::testing::domain::{Agent, Block, Conversation, Group, Trigger};
use nightdesk::testing::engine::protocol::{AgentForm, GroupForm, Recipient, Reply, Request, RequestError};

/// Everything that a person sees of groups and agents.
#[derive(Debug, PartialEq)]
struct Roster {
    groups: Vec<Group>,
    agents: Vec<Agent>,
    blocks: Vec<Block>,
    triggers: usize,
}

async fn roster(world: &World) -> Roster {
    let (mut groups, mut agents) =
        (world.store().all::<Group>().await.unwrap().rows, world.store().all::<Agent>().await.unwrap().rows);
    let mut blocks = world.store().all::<Block>().await.unwrap().rows;
    // What comes back is a new row, and so the last.
    groups.sort_by(|one, other| one.id.cmp(&other.id));
    agents.sort_by(|one, other| one.id.cmp(&other.id));
    blocks.sort_by(|one, other| one.id.cmp(&other.id));
    Roster { groups, agents, blocks, triggers: world.store().all::<Trigger>().await.unwrap().rows.len() }
}

async fn undo(world: &World, really: bool) -> Result<(String, Vec<String>), RequestError> {
    match world.ask(Request::UndoRoster { really }).await? {
        Reply::RosterUndo { title, lines, done, .. } => {
            assert_eq!(done, really);
            Ok((title, lines))
        }
        other => panic!("{other:?}"),
    }
}

fn desk() -> Plan {
    Plan {
        script: Script::always("{agent} speaks"),
        members: &["ann", "bob"],
        background: &["cleo"],
        every_turns: Some(9),
        ..Plan::default()
    }
}

async fn change(world: &World, form: GroupForm) {
    world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_group_comes_back_with_its_agents_blocks_and_conversation_under_their_ids() {
    let world = World::new(desk()).await;
    world.send("one").await;
    let before = roster(&world).await;
    world.ask(Request::Delete { what: Recipient::Group(group_id()), really: true }).await.unwrap();
    assert!(roster(&world).await.groups.is_empty());
    let head = *world.store().head().borrow();
    let (title, lines) = undo(&world, false).await.unwrap();
    assert_eq!(title, "deleted group test");
    for line in ["group test comes back", "agent ann comes back", "agent cleo comes back", "block story comes back"] {
        assert!(lines.iter().any(|known| known == line), "{line}: {lines:?}");
    }
    assert_eq!(*world.store().head().borrow(), head, "it was only said");
    undo(&world, true).await.unwrap();
    assert_eq!(roster(&world).await, before);
    // Its memory goes on where it was, and so does what is said.
    world.edit(|text| format!("{text}\nMore.")).await;
    world.send("two").await;
    let talk = world.store().find::<Conversation>(group_id().as_str()).await.unwrap().remove(0);
    assert_eq!(talk.turns, 2);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn changes_are_taken_back_one_by_one_the_newest_first() {
    let world = World::new(desk()).await;
    let start = roster(&world).await;
    let form =
        AgentForm { name: Some("dan".to_owned()), persona: Some("I am Dan.".to_owned()), ..AgentForm::default() };
    world.ask(Request::CreateAgent { group: group_id(), form: Box::new(form) }).await.unwrap();
    let hired = roster(&world).await;
    assert_eq!(hired.agents.len(), start.agents.len() + 1);
    change(&world, GroupForm { remove: vec!["bob".to_owned()], ..GroupForm::default() }).await;
    let left = roster(&world).await;
    let model = Request::SetModel { agent: agent_id("ann"), model: Some("offline".to_owned()) };
    world.ask(model).await.unwrap();
    for (title, then) in [("changed agent ann", &left), ("changed group test", &hired), ("created agent dan", &start)] {
        assert_eq!(undo(&world, true).await.unwrap().0, title);
        assert_eq!(roster(&world).await, *then, "{title}");
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_moved_on_is_named_and_nothing_is_undone() {
    let world = World::new(desk()).await;
    let form =
        AgentForm { name: Some("dan".to_owned()), persona: Some("I am Dan.".to_owned()), ..AgentForm::default() };
    world.ask(Request::CreateAgent { group: group_id(), form: Box::new(form) }).await.unwrap();
    let blocks = world.store().all::<Block>().await.unwrap().rows;
    let persona = blocks.iter().find(|block| block.label == "persona").unwrap();
    let edit = Request::EditBlock { id: persona.id.clone(), base: 1, value: "I am Daniel.".to_owned(), merge: true };
    world.ask(edit).await.unwrap();
    let now = roster(&world).await;
    let fault = undo(&world, true).await.unwrap_err();
    assert_eq!(fault.text, "you created agent dan, and block persona was changed since; take that back first");
    assert_eq!(roster(&world).await, now);
    assert_eq!(world.block(&story()).await.version, 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_last_twenty_are_kept_and_a_restart_keeps_them() {
    let world = World::new(desk()).await;
    for at in 0..25 {
        change(&world, GroupForm::default().set("description", format!("the {at}th"))).await;
    }
    let world = world.restart().await;
    for _ in 0..20 {
        undo(&world, true).await.unwrap();
    }
    let group = world.store().row::<Group>(group_id().as_str()).await.unwrap().unwrap();
    assert_eq!(group.description, "the 4th");
    let fault = undo(&world, true).await.unwrap_err();
    assert_eq!(fault.text, "there is no change of groups and agents to take back");
    world.close().await;
}
