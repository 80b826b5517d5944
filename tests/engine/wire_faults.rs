//! One member's provider failing, hanging or answering garbage leaves the others' answers intact, in every pattern.
//!
//! The providers are real sockets. The clock is paused and stands still: it moves on only where nothing is left to
//! do but wait for the one that fails, so nothing here takes the time it speaks of.

use std::sync::mpsc;
use std::time::Duration;

use crate::support::engine_harness::{Plan, World, agent_id, lines, story};
use crate::support::order::assert_in_order;
use crate::support::wire::{Behaviour, Call, Request, WireServer};
use nightdesk::testing::config::ProviderKind;
use nightdesk::testing::domain::{
    Content, Conversation, Job, JobOutcome, JobState, ManagerType, Run, RunId, RunState, StopReason,
};
use nightdesk::testing::engine::protocol::{Phase, Update};
use serde_json::{Value, json};
use tokio::sync::watch;

/// What a provider does to the one that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// 500, until the retries are spent.
    Fails,
    /// Not a byte.
    Hangs,
    /// A stream that stops being JSON.
    Garbage,
    /// A call whose arguments are no object.
    NoObject,
    /// A connection that breaks in the middle of a call.
    TornDown,
}

/// Every fault, each over a protocol; what each does over all of them stands with the adapters.
const FAULTS: [(Fault, ProviderKind); 6] = [
    (Fault::Fails, ProviderKind::OpenAi),
    (Fault::Hangs, ProviderKind::OpenAi),
    (Fault::Hangs, ProviderKind::Anthropic),
    (Fault::Garbage, ProviderKind::Anthropic),
    (Fault::NoObject, ProviderKind::OpenAi),
    (Fault::TornDown, ProviderKind::Ollama),
];

impl Fault {
    fn behaviour(self) -> Behaviour {
        let text = "half a".to_owned();
        let call = Call { id: "call-0".into(), name: "memory_insert".into(), arguments: "[1, 2]".into() };
        match self {
            Self::Fails => Behaviour::status(500, r#"{"error": {"message": "it burns"}}"#),
            Self::Hangs => Behaviour::Silent,
            Self::Garbage => Behaviour::Garbage { text },
            Self::NoObject => Behaviour::Calls { text, calls: vec![call] },
            Self::TornDown => Behaviour::CutInCall,
        }
    }

    /// What is told of it.
    fn sentence(self) -> &'static str {
        match self {
            Self::Fails => "500 from desk: it burns",
            Self::Hangs => "desk sent nothing for 120 s",
            Self::Garbage => "is no JSON",
            Self::NoObject => "desk sent a malformed tool call: malformed arguments for memory_insert",
            Self::TornDown => "the answer of desk was cut short",
        }
    }

    /// How often a speech asks before it gives up.
    fn tries(self) -> usize {
        if self == Self::Hangs { 1 } else { 4 }
    }
}

/// A desk one of whose agents has this fault's provider.
struct Desk {
    world: World,
    server: WireServer,
    protocol: ProviderKind,
    fault: Fault,
    failing: &'static str,
    /// How often the server has begun to say nothing.
    silences: watch::Receiver<usize>,
    /// Dropped, it lets the clock go on by itself.
    clock: Option<mpsc::Sender<()>>,
}

impl Desk {
    /// `answer` says what the others do, and the failing one where `fails` is false.
    async fn new(
        (fault, protocol): (Fault, ProviderKind),
        failing: &'static str,
        fails: impl Fn(&Request) -> bool + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Behaviour + Send + Sync + 'static,
        plan: Plan,
    ) -> Self {
        let (silent, silences) = watch::channel(0);
        let script = move |request: &Request| {
            if !request.is_of(failing) || !fails(request) {
                return answer(request);
            }
            if fault == Fault::Hangs {
                silent.send_modify(|count| *count += 1);
            }
            fault.behaviour()
        };
        let server = WireServer::start(protocol, script).await;
        let mut config = server.config("desk");
        for provider in config.provider.values_mut() {
            provider.max_parallel = Some(8);
            provider.limits.first_token_timeout = Some(120);
        }
        let world = World::new(Plan { model: Some("desk/newsroom-1"), config, ..plan }).await;
        // A paused clock jumps to the next timer where only sockets are waited for, but not while a thread is at
        // work: this one is until it is told, or until the test has hung for a minute.
        let (clock, told) = mpsc::channel();
        tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_mins(1)));
        Self { world, server, protocol, fault, failing, silences, clock: Some(clock) }
    }

    /// Sends, and moves the clock for the failing one until the turn is over.
    async fn send(&mut self, text: &str) -> Run {
        let head = *self.world.store().head().borrow();
        let run = self.world.post(text).await;
        self.until(head, async |world| finished(world, &run).await).await
    }

    /// Moves the clock on whenever only the failing one is at work and waits, until there is something.
    async fn until<T>(&mut self, head: u64, look: impl AsyncFn(&World) -> Option<T>) -> T {
        let mut following = self.world.handle.follow(head).await.unwrap();
        let mut wait = None;
        loop {
            if let Some(found) = look(&self.world).await {
                return found;
            }
            if let Some(time) = wait
                && self.others_are_done().await
            {
                tokio::time::advance(time).await;
                wait = None;
            }
            tokio::select! {
                update = following.next() => match update.unwrap() {
                    Update::Live(live) if matches!(live.phase, Phase::Retrying { .. }) => {
                        assert_eq!(live.name, self.failing);
                        wait = Some(Duration::from_secs(4));
                    }
                    _ => {}
                },
                silence = self.silences.changed() => {
                    silence.unwrap();
                    wait = Some(Duration::from_secs(121));
                }
            }
        }
    }

    async fn others_are_done(&self) -> bool {
        let open = self.world.store().open_runs().await.unwrap();
        let mut at_work = open.iter().filter(|run| run.state == RunState::Running).filter_map(Run::agent);
        at_work.all(|agent| *agent == agent_id(self.failing))
    }

    /// The line is the failing one's, and says what happened.
    #[track_caller]
    fn assert_told(&self, line: &str, begin: &str) {
        let fits = line.contains(begin) && line.contains(self.fault.sentence());
        assert!(fits, "{:?} over {:?}: {line}", self.fault, self.protocol);
    }

    /// How often this agent was asked.
    fn asked(&self, agent: &str) -> usize {
        self.server.requests().iter().filter(|request| request.is_of(agent)).count()
    }

    async fn close(mut self) {
        self.clock.take();
        for request in &self.server.requests() {
            assert_in_order(self.protocol, request);
        }
        let messages = self.world.messages(&self.world.conversation().await.id).await;
        assert!(!messages.iter().any(|message| message.text().contains("half a")), "{messages:?}");
        assert_eq!(self.world.block(&story()).await.version, 1 + u64::from(self.kept().await));
        self.world.close().await;
    }

    /// How many jobs have changed something.
    async fn kept(&self) -> u32 {
        let changed = |job: &&Job| job.state == JobState::Completed { outcome: JobOutcome::Changed };
        u32::try_from(self.world.jobs().await.iter().filter(changed).count()).unwrap()
    }
}

async fn finished(world: &World, run: &RunId) -> Option<Run> {
    world.store().row::<Run>(run.as_str()).await.unwrap().filter(Run::is_finished)
}

fn calls(calls: &[(&str, Value)]) -> Behaviour {
    let call = |(at, (name, arguments)): (usize, &(&str, Value))| Call::new(&format!("call-{at}"), name, arguments);
    Behaviour::Calls { text: String::new(), calls: calls.iter().enumerate().map(call).collect() }
}

/// A member that is well.
fn speaks(request: &Request) -> Behaviour {
    let name = ["ann", "bob", "cid"].into_iter().find(|name| request.is_of(name)).unwrap();
    Behaviour::say(&format!("{name} speaks"))
}

fn always(_: &Request) -> bool {
    true
}

fn ended(stop_reason: StopReason) -> RunState {
    RunState::Finished { stop_reason, error: None }
}

fn failed(error: &str) -> RunState {
    RunState::Finished { stop_reason: StopReason::Error, error: Some(error.to_owned()) }
}

#[tokio::test(start_paused = true)]
async fn in_a_round_robin_the_others_answers_are_intact() {
    for fault in FAULTS {
        let mut desk = Desk::new(fault, "bob", always, speaks, Plan::default()).await;
        let run = desk.send("hello").await;
        assert_eq!(run.state, ended(StopReason::MaxTurns), "{fault:?}");
        let lines = desk.world.transcript().await;
        assert_eq!((lines.len(), &lines[0][..], &lines[1][..]), (4, "user: hello", "ann: ann speaks"), "{lines:?}");
        desk.assert_told(&lines[2], "(bob could not answer: ");
        assert_eq!(lines[3], "cid: cid speaks");
        assert_eq!(desk.asked("bob"), desk.fault.tries(), "{fault:?}");
        desk.close().await;
    }
}

/// The manager of a supervisor group asks all three.
fn delegates(request: &Request) -> Behaviour {
    if !request.is_of("boss") {
        return speaks(request);
    }
    if request.text().contains("ann answered: ") {
        return Behaviour::say("Here it is.");
    }
    let tasks = ["ann", "bob", "cid"].map(|agent| json!({"agent": agent, "task": "look it up"}));
    calls(&[("delegate", json!({"tasks": tasks}))])
}

fn supervisor() -> Plan {
    Plan { manager_type: ManagerType::Supervisor, manager: Some("boss"), ..Plan::default() }
}

#[tokio::test(start_paused = true)]
async fn under_a_supervisor_the_other_workers_answers_are_intact_and_the_manager_is_told() {
    for fault in FAULTS {
        let mut desk = Desk::new(fault, "bob", always, delegates, supervisor()).await;
        let run = desk.send("hello").await;
        assert_eq!(run.state, ended(StopReason::EndTurn), "{fault:?}");
        let mut all = desk.world.transcript().await;
        assert_eq!(all.len(), 7, "{all:?}");
        all[2..5].sort();
        desk.assert_told(&all[2], "(bob could not answer: ");
        assert_eq!(all[3..5], ["ann: ann speaks", "cid: cid speaks"], "{fault:?}");
        assert_eq!(all[6], "boss: Here it is.");
        let messages = desk.world.messages(&desk.world.conversation().await.id).await;
        let result = messages.iter().find(|message| matches!(message.content, Content::Tool { ok: true, .. })).unwrap();
        let told: Vec<&str> = result.text().split("\n\n").collect();
        assert_eq!((told[0], told[2]), ("ann answered: ann speaks", "cid answered: cid speaks"), "{fault:?}");
        desk.assert_told(told[1], "bob did not answer: ");
        desk.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_whose_own_provider_fails_fails_the_turn_and_it_is_seen() {
    for fault in FAULTS {
        let mut desk = Desk::new(fault, "boss", always, delegates, supervisor()).await;
        let run = desk.send("hello").await;
        assert_eq!(run.state, failed("boss could not answer"));
        let lines = desk.world.transcript().await;
        assert_eq!(lines.len(), 2, "{lines:?}");
        desk.assert_told(&lines[1], "(boss could not answer: ");
        assert_eq!(desk.asked("ann"), 0);
        desk.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_fails_once_all_have_answered_leaves_their_answers_intact() {
    for fault in FAULTS {
        let answered = |request: &Request| request.text().contains("ann answered: ");
        let mut desk = Desk::new(fault, "boss", answered, delegates, supervisor()).await;
        let run = desk.send("hello").await;
        assert_eq!(run.state, failed("boss could not answer"), "the others could");
        let mut lines = desk.world.transcript().await;
        lines[2..5].sort();
        assert_eq!(lines[2..5], ["ann: ann speaks", "bob: bob speaks", "cid: cid speaks"], "{fault:?}");
        assert_eq!(lines[5], "boss delegate ok: ann answered: ann speaks");
        desk.assert_told(&lines[6], "(boss could not answer: ");
        assert_eq!(lines.len(), 7, "{lines:?}");
        desk.close().await;
    }
}

/// The chair of a dynamic group goes through the members, whether they have spoken or failed.
fn chairs(request: &Request) -> Behaviour {
    if !request.is_of("chair") {
        return speaks(request);
    }
    let sent = request.text();
    let over = |name: &str| sent.contains(&format!("{name} speaks")) || sent.contains(&format!("{name} could not"));
    let next = ["ann", "bob", "cid"].into_iter().find(|name| !over(name)).unwrap_or("done");
    calls(&[("choose_next_speaker", json!({"agent": next, "reason": ""}))])
}

fn dynamic() -> Plan {
    Plan { manager_type: ManagerType::Dynamic, manager: Some("chair"), max_turns: Some(9), ..Plan::default() }
}

#[tokio::test(start_paused = true)]
async fn in_a_dynamic_turn_the_others_answers_are_intact_and_the_manager_chooses_on() {
    for fault in FAULTS {
        let mut desk = Desk::new(fault, "bob", always, chairs, dynamic()).await;
        let run = desk.send("hello").await;
        assert_eq!(run.state, ended(StopReason::EndTurn), "{fault:?}");
        let lines = desk.world.transcript().await;
        assert_eq!(lines[..4], ["user: hello", "(chose ann)", "ann: ann speaks", "(chose bob)"], "{fault:?}");
        desk.assert_told(&lines[4], "(bob could not answer: ");
        assert_eq!(lines[5..], ["(chose cid)", "cid: cid speaks", "(chose to end the turn)"], "{fault:?}");
        desk.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_manager_of_a_dynamic_group_fails_the_members_speak_in_order() {
    for fault in FAULTS {
        let plan = Plan { max_turns: Some(3), ..dynamic() };
        let mut desk = Desk::new(fault, "chair", always, chairs, plan).await;
        let run = desk.send("hello").await;
        assert_eq!(run.state, ended(StopReason::MaxTurns), "{fault:?}");
        let lines = desk.world.transcript().await;
        for (at, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
            desk.assert_told(&lines[1 + 2 * at], "(chair could not choose: ");
            assert!(lines[1 + 2 * at].ends_with(&format!("; {name} speaks, the next in order)")), "{lines:?}");
            assert_eq!(lines[2 + 2 * at], format!("{name}: {name} speaks"));
        }
        assert_eq!(desk.asked("chair"), 3 * desk.fault.tries(), "{fault:?}");
        desk.close().await;
    }
}

/// The background agents of a sleep-time group; the one that is well notes something.
fn keeps(request: &Request) -> Behaviour {
    if !request.is_of("dan") {
        return speaks(request);
    }
    if request.text().contains("- noted") {
        return calls(&[("memory_finish_edits", json!({}))]);
    }
    calls(&[("memory_insert", json!({"label": "story", "new_str": "- noted"}))])
}

fn sleeptime() -> Plan {
    Plan {
        manager_type: ManagerType::Sleeptime,
        manager: Some("ann"),
        members: &[],
        background: &["cleo", "dan"],
        every_turns: Some(1),
        ..Plan::default()
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_sleep_time_group_the_answer_and_the_other_background_agents_work_are_intact() {
    for fault in FAULTS {
        let mut desk = Desk::new(fault, "cleo", always, keeps, sleeptime()).await;
        let head = *desk.world.store().head().borrow();
        let run = desk.send("hello").await;
        assert_eq!(run.state, ended(StopReason::EndTurn), "{fault:?}");
        let jobs = async |world: &World| {
            let jobs = world.jobs().await;
            let rests = |job: &Job| job.state.is_final() || matches!(job.state, JobState::Retryable { .. });
            (jobs.len() == 2 && jobs.iter().all(rests)).then_some(jobs)
        };
        let jobs = desk.until(head, jobs).await;
        let of = |agent: &str| jobs.iter().find(|job| job.agent() == Some(&agent_id(agent))).unwrap().state.clone();
        let JobState::Retryable { error, .. } = of("cleo") else { panic!("{jobs:?}") };
        desk.assert_told(&error, "");
        assert_eq!(of("dan"), JobState::Completed { outcome: JobOutcome::Changed }, "{fault:?}");
        assert_eq!(desk.world.transcript().await, ["user: hello", "ann: ann speaks"], "{fault:?}");
        desk.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleep_time_group_whose_speaker_fails_fails_the_turn_and_it_is_seen_and_the_next_one_is_answered() {
    for fault in FAULTS {
        let first = |request: &Request| !request.text().contains("and now?");
        let mut desk = Desk::new(fault, "ann", first, keeps, Plan { background: &["dan"], ..sleeptime() }).await;
        assert_eq!(desk.send("hello").await.state, failed("ann could not answer"), "{fault:?}");
        assert!(desk.world.jobs().await.is_empty(), "there is nothing to work on");
        let head = *desk.world.store().head().borrow();
        assert_eq!(desk.send("and now?").await.state, ended(StopReason::EndTurn), "{fault:?}");
        let lines = desk.world.transcript().await;
        desk.assert_told(&lines[1], "(ann could not answer: ");
        assert_eq!(lines[2..], ["user: and now?", "ann: ann speaks"], "{fault:?}");
        let over = async |world: &World| world.jobs().await.pop().filter(|job| job.state.is_final());
        let job = desk.until(head, over).await;
        assert_eq!(job.state, JobState::Completed { outcome: JobOutcome::Changed }, "{fault:?}");
        desk.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_mail_gets_the_answers_there_are_and_the_fault_of_the_other() {
    const TOOL: &str = "send_message_to_all_agents_in_group";
    let writes = |request: &Request| match request.is_of("ann") {
        false => speaks(request),
        true if request.text().contains("cid answered: ") => Behaviour::say("I have asked."),
        true => calls(&[(TOOL, json!({"message": "Is it true?"}))]),
    };
    for fault in FAULTS {
        let plan = Plan { tools: &[TOOL], ..Plan::default() };
        let mut desk = Desk::new(fault, "bob", always, writes, plan).await;
        let run = desk.send("@ann go").await;
        assert_eq!(run.state, ended(StopReason::EndTurn), "{fault:?}");
        let messages = desk.world.messages(&desk.world.conversation().await.id).await;
        assert_eq!(messages.len(), 3, "{messages:?}");
        let (bob, cid) = messages[1].text().split_once("\n\n").unwrap();
        desk.assert_told(bob, "bob did not answer: ");
        assert_eq!(cid, "cid answered: cid speaks", "{fault:?}");
        assert_eq!(messages[2].text(), "I have asked.");
        let talk = desk.world.store().find::<Conversation>(agent_id("bob").as_str()).await.unwrap().remove(0);
        let heard = lines(&desk.world.messages(&talk.id).await);
        assert_eq!((heard.len(), &heard[0][..]), (2, "ann: Is it true?"), "{heard:?}");
        desk.assert_told(&heard[1], "(bob could not answer: ");
        desk.close().await;
    }
}
