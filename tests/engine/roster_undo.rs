//! The last change of groups and agents is taken back, unless what it changed has moved on.

use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};
use crate::support::script::Script;
use nightdesk::testing::domain::block::{Grantee, Level};
use nightdesk::testing::domain::{Agent, Basis, Block, Change, Conversation, Group, Trigger};
use nightdesk::testing::engine::protocol::{
    AgentForm, BlockChange, BlockForm, BlockRequest, GroupForm, Recipient, Reply, Request, RequestError,
};

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

fn access(level: Level) -> Change {
    let (id, who, reason) = (story(), Grantee::Everybody, "a file says so".to_owned());
    Change::BlockAccessSet { id, who, level: Some(level), before: None, by: None, reason }
}

/// Applies changes of the block that rest on it as it is now.
async fn apply(world: &World, changes: Vec<Change>) {
    let read = vec![Basis::Block(world.block(&story()).await)];
    world.ask(Request::Apply { changes, read }).await.unwrap();
}

async fn change_block(world: &World, change: BlockChange) {
    let request = BlockRequest::Change { id: story(), change, really: true };
    world.ask(Request::Block(Box::new(request))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rules_of_access_that_a_change_set_are_taken_back_with_it() {
    let world = World::new(desk()).await;
    apply(&world, vec![access(Level::Read)]).await;
    let read = roster(&world).await;
    let described = Change::configured(Block { description: "theirs".to_owned(), ..world.block(&story()).await });
    apply(&world, vec![access(Level::None), described, access(Level::Admin)]).await;
    assert_eq!(world.block(&story()).await.access.len(), 1);
    let (title, lines) = undo(&world, true).await.unwrap();
    assert_eq!(
        (title.as_str(), lines.as_slice()),
        ("changed blocks", &["block story has its rules of access of before again".to_owned()][..])
    );
    assert_eq!(roster(&world).await, read);
    undo(&world, true).await.unwrap();
    assert!(world.block(&story()).await.access.is_empty());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_block_that_were_changed_since_are_not_taken_back_unseen() {
    let rename = BlockForm { label: Some("plot".to_owned()), ..BlockForm::default() };
    let keep_here = BlockForm { local_only: Some(true), ..BlockForm::default() };
    let closed = BlockChange::Access { who: Grantee::Everybody, level: Some(Level::None), reason: String::new() };
    for since in [BlockChange::Configure { form: rename }, BlockChange::Configure { form: keep_here }, closed] {
        let world = World::new(desk()).await;
        let described = Change::configured(Block { description: "new".to_owned(), ..world.block(&story()).await });
        apply(&world, vec![described]).await;
        change_block(&world, since).await;
        let now = roster(&world).await;
        for really in [false, true] {
            let fault = undo(&world, really).await.unwrap_err();
            let label = world.block(&story()).await.label;
            let text = format!("you changed blocks, and block {label} was changed since; take that back first");
            assert_eq!(fault.text, text);
        }
        assert_eq!(roster(&world).await, now);
        world.close().await;
    }
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
