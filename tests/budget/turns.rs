//! What a turn costs, whoever speaks in it and however long the talk is: commits, each of which waits for the disk
//! once, statements, changes of threads, threads.

use nightdesk::testing::domain::{
    Actor, Commit, Content, Conversation, ConversationOwner, Ids, Message, MessageId, RunId,
};
use nightdesk::testing::engine::protocol::Update;
use nightdesk::testing::store::Lane;

use super::*;
use crate::support::child;

/// A kind of turn, and what one may cost.
struct Kind {
    name: &'static str,
    manager_type: ManagerType,
    text: &'static str,
    /// It is said to ann alone, in her own conversation.
    is_direct: bool,
    commits: u64,
    statements: u64,
    /// Changes of threads that it asks for, with room for a busy machine.
    switches: u64,
}

const SINGLE: Kind = Kind {
    name: "single",
    manager_type: ManagerType::RoundRobin,
    text: "hello",
    is_direct: true,
    commits: 2,
    statements: 40,
    switches: 20,
};

const KINDS: [Kind; 4] = [
    SINGLE,
    Kind { name: "round robin of three", is_direct: false, commits: 4, statements: 80, switches: 40, ..SINGLE },
    Kind {
        name: "supervisor with two workers",
        manager_type: ManagerType::Supervisor,
        text: "delegate it",
        is_direct: false,
        commits: 6,
        statements: 145,
        switches: 70,
    },
    Kind {
        name: "dynamic of three",
        manager_type: ManagerType::Dynamic,
        is_direct: false,
        commits: 7,
        statements: 160,
        switches: 70,
        ..SINGLE
    },
];

fn script() -> Script {
    Script::of([
        When::agent("boss").contains("delegate it").step(1).delegates(&[("ann", "write it"), ("bob", "check it")]),
        When::agent("boss").step(2).text("Here it is."),
        When::agent("boss").contains("ann speaks").chooses("bob", "he knows better"),
        When::agent("boss").contains("bob speaks").chooses("cid", "he knows best"),
        When::agent("boss").chooses("ann", "she began it"),
    ])
    .otherwise("{agent} speaks")
}

impl Kind {
    /// A group of three of this kind.
    async fn world(&self, mode: Mode) -> World {
        let manager_type = self.manager_type;
        let manager = manager_type.has_manager().then_some("boss");
        World::new(Plan { script: script(), manager_type, manager, mode, ..Plan::default() }).await
    }

    fn owner(&self) -> ConversationOwner {
        if self.is_direct {
            ConversationOwner::Agent(engine_harness::agent_id("ann"))
        } else {
            ConversationOwner::Group(engine_harness::group_id())
        }
    }

    /// Plays a turn to its end without asking the store for anything.
    async fn play(&self, world: &World) {
        let mut following = world.handle.follow(*world.store().head().borrow()).await.unwrap();
        let to = match self.owner() {
            ConversationOwner::Agent(agent) => Recipient::Agent(agent),
            ConversationOwner::Group(group) => Recipient::Group(group),
            ConversationOwner::Job(job) => panic!("{job:?}"),
        };
        let asked = Request::Send { to, text: self.text.to_owned() };
        let Reply::Sent { run, .. } = world.ask(asked).await.unwrap() else { panic!("it was not sent") };
        while !ends(&following.next().await.unwrap(), &run) {}
    }

    /// The commits and statements of a turn.
    async fn cost(&self, world: &World) -> (u64, u64) {
        let before = world.store().counters();
        self.play(world).await;
        world.idle().await;
        // The last look at what is due.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = world.store().counters();
        (after.transactions - before.transactions, after.statements - before.statements)
    }

    /// Makes its conversation as long as that, and plays a turn in it.
    async fn fill(&self, world: &World, messages: u64) {
        let (ids, owner) = (Ids::seeded(messages), self.owner());
        self.play(world).await;
        let talk = world.store().find::<Conversation>(owner.key()).await.unwrap().remove(0);
        let at = world.store().clock().now();
        let said = || Message::without_run(MessageId::fresh(&ids), talk.id.clone(), Content::said("some words"), at);
        let left: Vec<u64> = (talk.head..messages).collect();
        for some in left.chunks(1_000) {
            let changes = some.iter().map(|_| Change::MessageAppended(said())).collect();
            world.store().commit(Lane::Foreground, Commit::new(Actor::Engine, changes)).await.unwrap();
        }
        self.play(world).await;
        world.idle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn ends(update: &Update, turn: &RunId) -> bool {
    let Update::Committed { changes, .. } = update else { return false };
    changes
        .iter()
        .any(|logged| matches!(&logged.change, Change::RunMoved { id, to: RunState::Finished { .. } } if id == turn))
}

#[tokio::test(start_paused = true)]
async fn a_turn_costs_a_commit_for_its_message_and_one_for_each_step_and_few_statements_however_long_the_talk() {
    for kind in KINDS {
        let world = kind.world(Mode::Inline).await;
        let mut costs = Vec::new();
        for messages in [100, 100_000] {
            kind.fill(&world, messages).await;
            let (commits, statements) = kind.cost(&world).await;
            budget(&format!("commits a turn at {messages} messages, {}", kind.name), commits, kind.commits);
            budget(&format!("statements a turn at {messages} messages, {}", kind.name), statements, kind.statements);
            costs.push((commits, statements));
        }
        let ([few, many], name) = ([costs[0], costs[1]], kind.name);
        assert!(few.0 == many.0 && few.1.abs_diff(many.1) <= SOME_LOOKS, "{name}, short and long talk: {costs:?}");
        world.close().await;
    }
}

/// The kind of turn that the counted program plays.
const KIND: &str = "NIGHTDESK_TURN_KIND";
/// Turns counted together, and how often.
const TURNS: u64 = 10;
const ROUNDS: u64 = 8;

/// What the system counts for a process: the changes of threads that its threads ask for, and the threads there are.
/// Those that the system makes by itself tell of the machine. `None` where it does not say.
fn threads() -> Option<(u64, u64)> {
    let (mut switches, mut threads) = (0, 0);
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let Ok(status) = std::fs::read_to_string(task.ok()?.path().join("status")) else { continue };
        let counted = status.lines().filter_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        switches += counted.filter_map(|count| count.trim().parse::<u64>().ok()).sum::<u64>();
        threads += 1;
    }
    Some((switches, threads))
}

/// Does nothing unless it is the counted program of the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counted() {
    let Ok(at) = std::env::var(KIND) else { return };
    let kind = &KINDS[at.parse::<usize>().unwrap()];
    let world = kind.world(Mode::Threads).await;
    kind.play(&world).await;
    let mut least = u64::MAX;
    for _ in 0..ROUNDS {
        let before = threads().unwrap().0;
        for _ in 0..TURNS {
            kind.play(&world).await;
        }
        least = least.min((threads().unwrap().0 - before) / TURNS);
    }
    child::say(&format!("{least} {}", threads().unwrap().1));
    world.close().await;
}

#[test]
fn a_turn_changes_threads_a_few_times_and_needs_few_of_them() {
    if threads().is_none() {
        println!("the system does not count them: nothing is asserted");
        return;
    }
    for (at, kind) in KINDS.iter().enumerate() {
        let output = child::command(module_path!(), "counted").env(KIND, at.to_string()).output().unwrap();
        child::assert_passed(&output);
        let text = String::from_utf8_lossy(&output.stdout);
        let said = text.lines().find_map(child::heard).unwrap();
        let (switches, threads) = said.split_once(' ').unwrap();
        budget(&format!("changes of threads a turn, {}", kind.name), switches.parse().unwrap(), kind.switches);
        budget(&format!("threads, {}", kind.name), threads.parse().unwrap(), 8);
    }
}
