//! Small nouns to test a store with: one newsroom.

use jiff::Timestamp;
use nightdesk::testing::domain::run::RunKind;
use nightdesk::testing::domain::{
    Actor, Agent, AgentId, Block, BlockId, BlockOwner, Change, Commit, Content, Conversation, ConversationId,
    ConversationOwner, Editor, Group, GroupId, ManagerType, Message, MessageId, PersonId, Revision, Run, RunId,
    RunState, Sleeptime, Step, StepId,
};

pub const GROUP: &str = "group-newsroom";
pub const TALK: &str = "conversation-newsroom";
pub const BLOCK: &str = "block-style";

pub fn agent(name: &str) -> Agent {
    Agent { temperature: Some(0.1), ..Agent::new(AgentId(format!("agent-{name}")), name, GROUP.into()) }
}

pub fn group(members: &[&str], background: &[&str], every_turns: u32) -> Group {
    let ids = |names: &[&str]| names.iter().map(|name| AgentId(format!("agent-{name}"))).collect::<Vec<_>>();
    let sleeptime = Sleeptime { every_turns: Some(every_turns), ..Sleeptime::new(ids(background)) };
    Group {
        members: ids(members),
        sleeptime: (!background.is_empty()).then_some(sleeptime),
        ..Group::new(GROUP.into(), "newsroom", ManagerType::RoundRobin)
    }
}

pub fn block(id: &str, label: &str, value: &str) -> Block {
    Block {
        id: id.into(),
        label: label.to_owned(),
        description: String::new(),
        value: value.to_owned(),
        limit: 1_000,
        read_only: false,
        tags: Vec::new(),
        owner: BlockOwner::Group(GroupId::from(GROUP)),
        version: 0,
        editor: Editor::Person(PersonId::local()),
        edited_at: Timestamp::UNIX_EPOCH,
        from_file: None,
        access: Vec::new(),
        local_only: false,
    }
}

pub fn talk() -> Conversation {
    Conversation::new(TALK.into(), ConversationOwner::Group(GROUP.into()))
}

pub fn said(conversation: &str, agent: Option<&str>, text: &str) -> Change {
    let (id, talk) = (MessageId(format!("message-{text}")), ConversationId::from(conversation));
    Change::MessageAppended(Message {
        agent: agent.map(|name| AgentId(format!("agent-{name}"))),
        name: agent.unwrap_or_default().to_owned(),
        ..Message::without_run(id, talk, Content::said(text), Timestamp::UNIX_EPOCH)
    })
}

pub fn edit(block: &str, version: u64, value: &str) -> Change {
    Change::BlockEdited(Revision {
        block: BlockId::from(block),
        version,
        value: value.to_owned(),
        editor: Editor::Person(PersonId::local()),
        run: None,
        step: None,
        calls: Vec::new(),
        reason: "edited".to_owned(),
    })
}

pub fn run(id: &str, conversation: &str, kind: RunKind, parent: Option<&str>) -> Run {
    let fresh = Run::new(RunId::from(id), ConversationId::from(conversation), kind, RunState::Queued);
    Run { parent: parent.map(RunId::from), root: RunId::from(parent.unwrap_or(id)), ..fresh }
}

fn turn_kind() -> RunKind {
    RunKind::Turn { group: Some(GROUP.into()), only: None }
}

/// A turn that is on at once; its message comes right after it.
pub fn turn(id: &str) -> Change {
    Change::RunCreated(Run { state: RunState::Running, ..run(id, TALK, turn_kind(), None) })
}

/// A turn that waits for the one before, with what was said.
pub fn queued_turn(id: &str, text: &str) -> Change {
    Change::RunCreated(Run { queued: Some(text.to_owned()), ..run(id, TALK, turn_kind(), None) })
}

pub fn speech(id: &str, parent: &str, agent: &str) -> Change {
    let kind = RunKind::Speech { agent: AgentId(format!("agent-{agent}")), group: Some(GROUP.into()), index: 0 };
    Change::RunCreated(run(id, TALK, kind, Some(parent)))
}

pub fn moved(id: &str, to: RunState) -> Change {
    Change::RunMoved { id: id.into(), to }
}

pub fn step(run: &str, agent: &str, index: u32, saw: Vec<(BlockId, u64)>) -> Change {
    Change::StepFinished(Step {
        kept: None,
        instead_of: None,
        id: StepId(format!("step-{run}-{index}")),
        run: run.into(),
        agent: AgentId(format!("agent-{agent}")),
        index,
        model: "offline".to_owned(),
        queued_at: Timestamp::UNIX_EPOCH,
        first_token_at: None,
        done_at: Timestamp::UNIX_EPOCH,
        tokens_in: 10,
        tokens_out: 2,
        tokens_cached: 0,
        tokens_reasoning: 0,
        stop: None,
        retries: 0,
        saw,
        calls: 0,
        upto: 0,
    })
}

pub fn by_person(changes: Vec<Change>) -> Commit {
    Commit::new(Actor::Person(PersonId::local()), changes)
}

/// The newsroom: writers ann and ben, archivist cleo in the background at every turn, one shared block, a talk.
pub fn newsroom() -> Commit {
    let mut group = group(&["ann", "ben"], &["cleo"], 1);
    group.shared_blocks = vec![BLOCK.into()];
    by_person(vec![
        Change::BlockCreated(block(BLOCK, "style", "first")),
        Change::AgentPut(agent("ann")),
        Change::AgentPut(agent("ben")),
        Change::AgentPut(agent("cleo")),
        Change::GroupPut(group),
        Change::ConversationOpened(talk()),
    ])
}
