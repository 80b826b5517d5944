//! Isolation: whatever agents do, nothing that an agent gets holds text of a block that it may not read.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use nightdesk::testing::config::Config;
use nightdesk::testing::domain::block::{Grantee, Level};
use nightdesk::testing::domain::{Agent, AgentId, Block, BlockId, Change, Group, ManagerType, When};
use nightdesk::testing::engine::protocol::{BlockChange, BlockForm, BlockRequest, Recipient, Reply, Request};
use nightdesk::testing::llm::{ChatModel, Delta, Done, ModelError, Prompt, Stop, ToolCall};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support::engine_harness::{Plan, World, agent_id, group_id, story};

/// Turns of one world.
const TURNS: usize = 4;
/// The agents whose model runs elsewhere.
const ELSEWHERE: [&str; 2] = ["bob", "zoe"];
const LABELS: [&str; 4] = ["story", "red", "green", "diary"];

/// What the texts of a block, and all that is derived from them, have in them.
fn secret(label: &str) -> String {
    format!("SECRET{label}")
}

/// Does anything with any block: what it writes into a block is made from the texts that it has read.
struct Curious(Mutex<StdRng>);

impl Curious {
    fn calls(&self, prompt: &Prompt) -> Vec<ToolCall> {
        let mut rng = self.0.lock().unwrap();
        let call = |at: usize, name: &str, arguments: Value| ToolCall {
            id: format!("call-{at}"),
            name: name.to_owned(),
            arguments,
        };
        let count = if prompt.place.step > 3 { 0 } else { rng.random_range(0..4) };
        let mut calls = Vec::new();
        for at in 0..count {
            let Some(tool) = prompt.tools.choose(&mut *rng) else { break };
            let label = *LABELS.choose(&mut *rng).unwrap();
            let read = prompt.memory.iter().any(|block| block.label == label && block.value.contains(&secret(label)));
            let text = if read { format!("{} again", secret(label)) } else { "written blindly".to_owned() };
            let others = ["ann", "bob", "cid", "boss", "zoe"];
            let other = others.choose(&mut *rng).unwrap();
            calls.push(call(
                at,
                &tool.name,
                match tool.name.as_str() {
                    "memory_insert" => json!({"label": label, "new_str": text}),
                    "memory_replace" => json!({"label": label, "old_str": "one", "new_str": text}),
                    "memory_rethink" => json!({"label": label, "new_memory": text}),
                    "core_memory_append" => json!({"label": label, "content": text}),
                    "core_memory_replace" => json!({"label": label, "old_content": "one", "new_content": text}),
                    "memory_apply_patch" => {
                        let place = if read { format!(" {} one\n", secret(label)) } else { String::new() };
                        json!({"label": label, "patch": format!("@@\n{place}+{text}\n")})
                    }
                    "conversation_search" => json!({"query": "SECRET"}),
                    "send_message_to_agent_async" => json!({"message": "hello", "other_agent_id": other}),
                    "delegate" => json!({"tasks": [{"agent": other, "task": "look into it"}]}),
                    "send_message_to_all_agents_in_group" => json!({"message": "look into it"}),
                    "request_block_access" => json!({"label": label, "level": "read_write", "reason": "to see it"}),
                    "set_block_access" => json!({"label": label, "agent": other, "level": "read"}),
                    _ => json!({}),
                },
            ));
        }
        calls
    }
}

impl ChatModel for Curious {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Result<Delta, ModelError>> {
        let calls = self.calls(&prompt);
        let stop = if calls.is_empty() { Stop::End } else { Stop::Calls };
        let text = Delta::Text(format!("{} speaks.", prompt.agent));
        futures::stream::iter([Ok(text), Ok(Delta::Done(Done { stop, calls, ..Done::default() }))]).boxed()
    }
}

fn plan(manager_type: ManagerType, seed: u64) -> Plan {
    let managed = matches!(manager_type, ManagerType::Supervisor | ManagerType::Dynamic);
    Plan {
        manager_type,
        members: &["ann", "bob", "cid"],
        manager: managed.then_some("boss"),
        background: &["zoe"],
        every_turns: Some(1),
        triggers: vec![When::BlockChanged { label: "diary".to_owned(), any: false }.into()],
        tools: &["memory_rethink", "core_memory_append", "core_memory_replace", "memory_apply_patch"],
        max_steps: Some(5),
        chat: Some(Arc::new(Curious(Mutex::new(StdRng::seed_from_u64(seed))))),
        also: &["cloud/m"],
        config: Config::parse(
            "[provider.cloud]\nkind = \"openai\"\nbase_url = \"https://models.example/v1\"\n",
            "c.toml",
        )
        .unwrap(),
        ..Plan::default()
    }
}

async fn block_request(world: &World, request: BlockRequest) -> Option<Block> {
    match world.ask(Request::Block(Box::new(request))).await {
        Ok(Reply::BlockChanged { block, .. }) => block.map(|block| *block),
        Ok(other) => panic!("{other:?}"),
        // A rule that is not there cannot be removed, and so on.
        Err(_) => None,
    }
}

async fn change(world: &World, id: &BlockId, change: BlockChange) {
    block_request(world, BlockRequest::Change { id: id.clone(), change, really: true }).await;
}

/// The blocks with their secrets, and the models of the agents.
async fn prepare(world: &World) -> Vec<BlockId> {
    for name in ["ann", "bob", "cid", "boss", "zoe"] {
        let Some(agent) = world.store().row::<Agent>(agent_id(name).as_str()).await.unwrap() else { continue };
        let model = ELSEWHERE.contains(&name).then(|| "cloud/m".to_owned()).or(agent.model.clone());
        world.apply(vec![Change::AgentPut(Agent { model, ..agent })]).await.unwrap();
    }
    let mut ids = vec![story()];
    world.edit(|_| format!("{0} one\n{0} two", secret("story"))).await;
    for label in &LABELS[1..] {
        let value = Some(format!("{0} one\n{0} two", secret(label)));
        let form = BlockForm { label: Some((*label).to_owned()), value, ..BlockForm::default() };
        let owner = match *label {
            "diary" => Recipient::Agent(agent_id("ann")),
            _ => Recipient::Group(group_id()),
        };
        ids.push(block_request(world, BlockRequest::Create { owner, form, really: true }).await.unwrap().id);
    }
    ids
}

/// Changes who may do what, at random.
async fn shuffle(world: &World, ids: &[BlockId], rng: &mut StdRng) {
    let levels =
        [None, Some(Level::None), Some(Level::None), Some(Level::Read), Some(Level::ReadWrite), Some(Level::Admin)];
    for id in ids {
        for _ in 0..2 {
            let who = match ["ann", "bob", "cid", "zoe", "boss", "*"].choose(rng).unwrap() {
                &"*" => Grantee::Everybody,
                name => Grantee::Agent(agent_id(name)),
            };
            let level = *levels.choose(rng).unwrap();
            // A grant to an agent without the block would give it the diary.
            if *id == ids[3] && level >= Some(Level::Read) {
                continue;
            }
            change(world, id, BlockChange::Access { who, level, reason: String::new() }).await;
        }
        let local_only = Some(rng.random_bool(0.3));
        change(world, id, BlockChange::Configure { form: BlockForm { local_only, ..BlockForm::default() } }).await;
    }
    let group = Recipient::Group(group_id());
    if rng.random_bool(0.5) {
        change(world, &ids[2], BlockChange::Detach { from: group }).await;
    } else {
        change(world, &ids[2], BlockChange::Attach { to: group }).await;
    }
    let (edited, block) = (&ids[3], world.block(&ids[3]).await);
    let value = format!("{}\n{}", block.value, secret("diary"));
    let edit = Request::EditBlock { id: edited.clone(), base: block.version, value, merge: true };
    world.ask(edit).await.unwrap();
}

/// The labels of the blocks that each agent may read, by its name.
async fn readable(world: &World, ids: &[BlockId]) -> Vec<(String, Vec<&'static str>)> {
    let group: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    let mut all = Vec::new();
    for id in group.agents().into_iter().cloned().collect::<Vec<AgentId>>() {
        let agent: Agent = world.store().row(id.as_str()).await.unwrap().unwrap();
        let mut labels = Vec::new();
        for (id, label) in ids.iter().zip(LABELS) {
            let block = world.block(id).await;
            let kept_here = block.local_only && ELSEWHERE.contains(&agent.name.as_str());
            if block.level(&agent, Some(&group)) >= Level::Read && !kept_here {
                labels.push(label);
            }
        }
        all.push((agent.name, labels));
    }
    all
}

/// Decides on all that waits, until nothing is unfinished.
async fn settle(world: &World, rng: &mut StdRng) {
    loop {
        let overview = world.overview().await;
        if let Some(call) = overview.calls.iter().find(|call| call.is_open() && call.asks_for_access().is_some()) {
            let (step, ordinal) = (call.step.clone(), call.ordinal);
            // The diary stays with ann.
            let approve = rng.random_bool(0.5) && call.arguments["label"] != "diary";
            let decision = |approve| Request::Decide {
                step: step.clone(),
                ordinal,
                approve,
                for_run: false,
                reason: String::new(),
            };
            if world.ask(decision(approve)).await.is_err() {
                let _ = world.ask(decision(false)).await;
            }
            continue;
        }
        let head = *world.store().head().borrow();
        let jobs = world.jobs().await.iter().all(|job| job.state.is_final());
        if jobs && world.is_at_rest().await && world.engine.is_idle() {
            return;
        }
        let mut following = world.handle.follow(head).await.unwrap();
        // The task of what has ended may still be there.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), following.next()).await;
    }
}

async fn stays_secret(manager_type: ManagerType, seed: u64) -> (usize, usize) {
    let world = World::new(plan(manager_type, seed)).await;
    let ids = prepare(&world).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut asked, mut shown, mut hidden) = (0, 0, 0);
    for turn in 0..TURNS {
        shuffle(&world, &ids, &mut rng).await;
        settle(&world, &mut rng).await;
        // What was asked before the turn had these levels or less.
        let before = readable(&world, &ids).await;
        world.post(&format!("turn {turn}")).await;
        settle(&world, &mut rng).await;
        // Within a turn, access is only given.
        let after = readable(&world, &ids).await;
        let prompts = world.asked();
        for prompt in &prompts[asked..] {
            let all = format!("{} {:?} {:?} {:?}", prompt.system, prompt.memory, prompt.entries, prompt.kept);
            let may = |levels: &[(String, Vec<&'static str>)], label: &&str| {
                levels.iter().any(|(name, labels)| *name == prompt.agent && labels.contains(label))
            };
            for label in LABELS {
                let allowed = may(&before, &label) || may(&after, &label);
                let holds = all.contains(&secret(label));
                assert!(allowed || !holds, "{manager_type:?} {seed}, turn {turn}: {} got {label}: {all}", prompt.agent);
                shown += usize::from(holds);
                hidden += usize::from(!allowed);
            }
        }
        asked = prompts.len();
    }
    world.close().await;
    (shown, hidden)
}

#[tokio::test(start_paused = true)]
async fn no_agent_gets_text_of_a_block_that_it_may_not_read_in_any_pattern() {
    let (mut shown, mut hidden) = (0, 0);
    for manager_type in [ManagerType::RoundRobin, ManagerType::Supervisor, ManagerType::Dynamic] {
        for seed in 0..2 {
            let (one, other) = stays_secret(manager_type, seed).await;
            shown += one;
            hidden += other;
        }
    }
    assert!(shown > 50 && hidden > 50, "{shown} blocks were shown and {hidden} were to be hidden");
}
