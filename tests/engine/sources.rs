//! Sources: the new text of files becomes the input of jobs, each line once, whatever ends the program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::support::engine_harness::{Plan, World, agent_id, group_id};
use crate::support::kill::{End, PLACE, Session, play, rounds, runtime, store_of};
use crate::support::script::{Script, When};
use nightdesk::testing::domain::{
    CauseKind, Conversation, Group, GroupStatus, Job, Reading, Source, SourceMark, Trigger, TriggerSpec, Value,
    When as Fires,
};
use nightdesk::testing::engine::Engine;
use nightdesk::testing::engine::protocol::{GroupForm, Recipient, Reply, Request};
use nightdesk::testing::store::{self, Store};

/// A folder with files, which a source reads.
struct Notes {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Notes {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("notes");
        std::fs::create_dir(&path).unwrap();
        Self { _dir: dir, path }
    }

    /// The source of its files, which looks every minute or is told of changes.
    fn source(&self, every: Option<u32>) -> TriggerSpec {
        let source = Source::of_file(&format!("{}/*.md", self.path.display())).unwrap();
        Fires::Source { source: Source { every, ..source } }.into()
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.path.join(name), text);
    }
}

fn append(path: &Path, text: &str) {
    std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn quick() -> Script {
    Script::of([When::in_job().finishes()]).otherwise("{agent} speaks")
}

fn plan(source: TriggerSpec) -> Plan {
    Plan { script: quick(), members: &["ann"], background: &["cleo"], triggers: vec![source], ..Plan::default() }
}

async fn trigger(world: &World) -> Trigger {
    world.store().all::<Trigger>().await.unwrap().rows.remove(0)
}

/// All that was read, in order.
async fn read(store: &Store) -> String {
    let readings = store.all::<Reading>().await.unwrap().rows;
    readings.iter().flat_map(|reading| &reading.pieces).map(|piece| piece.text.as_str()).collect()
}

/// Waits until so much was read.
async fn read_by(world: &World, text: &str) {
    world.when(async |world| (read(world.store()).await == text).then_some(())).await;
}

/// Waits until all jobs are over.
async fn all_over(world: &World) {
    world.when(async |world| world.jobs().await.iter().all(|job| job.state.is_final()).then_some(())).await;
    world.idle().await;
}

/// What an agent was told at each call.
fn told(world: &World, agent: &str) -> Vec<String> {
    world.asked_of(agent).iter().map(|prompt| format!("{:?}", prompt.entries)).collect()
}

fn bytes(job: &Job) -> u32 {
    let bytes = |kind: &CauseKind| if let CauseKind::Source { bytes, .. } = kind { *bytes } else { 0 };
    job.causes.iter().map(|cause| bytes(&cause.kind)).sum()
}

#[tokio::test(start_paused = true)]
async fn a_job_gets_the_file_first_and_then_only_what_was_added_to_it() {
    let notes = Notes::new();
    notes.append("a.md", "one\n</note>\n");
    let task = Some("File the notes.".to_owned());
    let world = World::new(plan(TriggerSpec { task, ..notes.source(Some(60)) })).await;
    let silent = world.when(async |world| trigger(world).await.why_not).await;
    assert_eq!(silent, "test has said nothing yet");
    assert_eq!(read(world.store()).await, "", "nothing is taken before it can be given");
    world.send("hello").await;
    let job = world.job_over().await;
    assert_eq!((job.causes[0].of.as_ref(), job.depth), (Some(&trigger(&world).await.id), 1));
    assert_eq!(trigger(&world).await.why_not, None);
    notes.append("a.md", "two\n");
    world.jobs_over(2).await;
    let told = told(&world, "cleo");
    assert!(told[0].contains("Your task: File the notes."), "{}", told[0]);
    assert!(told[0].contains("\\nThe file notes/a.md is new:\\n  one\\n  <\\\\/note>"), "{}", told[0]);
    assert!(told[1].contains("\\nNew lines of notes/a.md:\\n  two"), "{}", told[1]);
    assert!(!told[1].contains("one"), "{}", told[1]);
    // Nothing more comes, and nothing is written while nothing happens.
    let head = *world.store().head().borrow();
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!((world.jobs().await.len(), *world.store().head().borrow()), (2, head));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_worked_off_by_jobs_of_a_limited_size_and_nothing_is_left_out() {
    let notes = Notes::new();
    let all = (0..20_000).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
    notes.append("a.md", &all);
    let world = World::new(plan(notes.source(Some(60)))).await;
    world.send("hello").await;
    read_by(&world, &all).await;
    all_over(&world).await;
    let jobs = world.jobs().await;
    assert!(jobs.iter().all(|job| bytes(job) <= 64 << 10), "{jobs:?}");
    assert_eq!(jobs.iter().map(bytes).sum::<u32>() as usize, all.len());
    assert!(jobs.len() > 2, "{}", jobs.len());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn new_text_is_added_to_the_job_that_waits_and_each_agent_gets_it() {
    let notes = Notes::new();
    let slow = Script::of([When::in_job().finishes().first_delay_ms(60_000)]).otherwise("{agent} speaks");
    let world = World::new(Plan { script: slow, background: &["cleo", "dan"], ..plan(notes.source(Some(10))) }).await;
    world.send("hello").await;
    for line in ["one\n", "two\n", "three\n"] {
        let so_far = read(world.store()).await;
        notes.append("a.md", line);
        read_by(&world, &format!("{so_far}{line}")).await;
    }
    let jobs = world.jobs().await;
    let mut causes: Vec<(&str, usize)> =
        jobs.iter().map(|job| (job.agent().unwrap().as_str(), job.causes.len())).collect();
    causes.sort_unstable();
    assert_eq!(causes, [("agent-cleo", 1), ("agent-cleo", 2), ("agent-dan", 1), ("agent-dan", 2)]);
    world.jobs_over(4).await;
    for agent in ["cleo", "dan"] {
        let told = told(&world, agent);
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("  one") && told[1].contains("  two") && told[1].contains("  three"), "{told:?}");
    }
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_twice_or_left_out_whenever_the_program_ends() {
    let notes = Notes::new();
    let mut world = World::new(plan(notes.source(Some(60)))).await;
    world.send("hello").await;
    let mut all = String::new();
    for round in 0..6 {
        let line = format!("line {round}\n");
        notes.append("a.md", &line);
        all.push_str(&line);
        if round % 2 == 0 {
            read_by(&world, &all).await;
        }
        world = world.restart_after(Duration::from_secs(round * 50)).await;
    }
    read_by(&world, &all).await;
    all_over(&world).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_source_reads_nothing_and_goes_on_where_it_was() {
    let notes = Notes::new();
    let world = World::new(plan(notes.source(Some(60)))).await;
    world.send("hello").await;
    notes.append("a.md", "one\n");
    read_by(&world, "one\n").await;
    let id = trigger(&world).await.id;
    world.ask(Request::PauseTrigger { id: id.clone(), paused: true }).await.unwrap();
    notes.append("a.md", "two\n");
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(read(world.store()).await, "one\n");
    world.ask(Request::PauseTrigger { id: id.clone(), paused: false }).await.unwrap();
    read_by(&world, "one\ntwo\n").await;

    // A group that is paused takes nothing either.
    let status = |status: GroupStatus| {
        let form = GroupForm::default().set("status", Value::from(<&'static str>::from(status)));
        Request::UpdateGroup { id: group_id(), form: Box::new(form) }
    };
    world.ask(status(GroupStatus::Paused)).await.unwrap();
    notes.append("a.md", "three\n");
    let why = world.when(async |world| trigger(world).await.why_not).await;
    assert_eq!((why.as_str(), read(world.store()).await.as_str()), ("test is paused", "one\ntwo\n"));
    world.ask(status(GroupStatus::Active)).await.unwrap();
    read_by(&world, "one\ntwo\nthree\n").await;

    // A person who fires it does not wait for the next look.
    world.jobs_over(3).await;
    let since = tokio::time::Instant::now();
    notes.append("a.md", "four\n");
    world.ask(Request::FireTrigger { id }).await.unwrap();
    read_by(&world, "one\ntwo\nthree\nfour\n").await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    all_over(&world).await;
    world.close().await;
}

/// How many watches this process has on a folder.
#[cfg(target_os = "linux")]
fn watches(folder: &Path) -> usize {
    use std::os::unix::fs::MetadataExt as _;
    let node = format!(" ino:{:x} ", std::fs::metadata(folder).unwrap().ino());
    let about = |file: std::fs::DirEntry| std::fs::read_to_string(file.path()).unwrap_or_default();
    let all = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten().map(about);
    all.map(|about| about.lines().filter(|line| line.starts_with("inotify") && line.contains(&node)).count()).sum()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_folder_of_a_source_is_watched_only_while_the_source_may_fire() {
    let notes = Notes::new();
    let world = World::new(plan(notes.source(None))).await;
    world.send("hello").await;
    let watched = async |count: usize| {
        let until = async {
            while watches(&notes.path) != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), until).await.expect("it is watched as often as it should be");
    };
    watched(1).await;
    let id = trigger(&world).await.id;
    world.ask(Request::PauseTrigger { id: id.clone(), paused: true }).await.unwrap();
    watched(0).await;
    world.ask(Request::PauseTrigger { id, paused: false }).await.unwrap();
    watched(1).await;
    all_over(&world).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn marks_stay_when_the_task_changes_and_go_with_the_source() {
    let notes = Notes::new();
    notes.append("a.md", "one\n");
    let world = World::new(plan(notes.source(Some(60)))).await;
    world.send("hello").await;
    read_by(&world, "one\n").await;
    let update = async |sources: Vec<TriggerSpec>| {
        let form = GroupForm::default().set("source", Value::Triggers(sources));
        world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await.unwrap();
    };
    let before = trigger(&world).await;
    update(vec![TriggerSpec { task: Some("File it.".to_owned()), ..notes.source(Some(30)) }]).await;
    assert_ne!(trigger(&world).await.id, before.id);
    notes.append("a.md", "two\n");
    read_by(&world, "one\ntwo\n").await;
    update(Vec::new()).await;
    assert_eq!(world.store().all::<SourceMark>().await.unwrap().rows, []);
    all_over(&world).await;
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_folder_is_missing_says_so_and_finds_it_by_itself() {
    let notes = Notes::new();
    let elsewhere = notes.path.with_file_name("elsewhere");
    std::fs::rename(&notes.path, &elsewhere).unwrap();
    for every in [Some(60), None] {
        let world = World::new(plan(notes.source(every))).await;
        world.send("hello").await;
        let why = world.when(async |world| trigger(world).await.why_not).await;
        assert_eq!(why, format!("there is no folder {}", notes.path.display()));
        let since = tokio::time::Instant::now();
        std::fs::rename(&elsewhere, &notes.path).unwrap();
        notes.append("a.md", "one\n");
        world.when(async |world| read(world.store()).await.ends_with("one\n").then_some(())).await;
        let wait = Duration::from_secs(every.unwrap_or(Source::FALLBACK).into());
        assert!(since.elapsed() <= wait + Duration::from_secs(2), "{:?}", since.elapsed());
        assert_eq!(trigger(&world).await.why_not, None);
        all_over(&world).await;
        world.close().await;
        std::fs::rename(&notes.path, &elsewhere).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn outside_its_hours_a_source_waits() {
    let notes = Notes::new();
    notes.append("a.md", "one\n");
    let mut source = notes.source(Some(60));
    let Fires::Source { source: files } = &mut source.when else { unreachable!() };
    files.between = Some("11:30-12:00".to_owned().try_into().unwrap());
    let world = World::new(plan(source)).await;
    world.send("hello").await;
    read_by(&world, "one\n").await;
    let at = world.store().clock().now();
    assert_eq!(at.strftime("%H:%M").to_string(), "11:30");
    world.job_over().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_tells_of_a_change_long_before_the_next_look() {
    let notes = Notes::new();
    let world = World::new(plan(notes.source(None))).await;
    world.send("hello").await;
    let mut all = String::new();
    for round in 0..3 {
        let line = format!("line {round}\n");
        notes.append("a.md", &line);
        all.push_str(&line);
        // A tenth of the time after which it looks by itself.
        tokio::time::timeout(Duration::from_mins(1), read_by(&world, &all)).await.unwrap();
    }
    // Another folder in its place is watched as well.
    std::fs::rename(&notes.path, notes.path.with_file_name("old")).unwrap();
    tokio::time::timeout(Duration::from_mins(1), world.when(async |world| trigger(world).await.why_not)).await.unwrap();
    all_over(&world).await;
    world.close().await;
}

fn crash_plan(place: &Path) -> Plan {
    let source = Source::of_file(&format!("{}/notes/*.md", place.canonicalize().unwrap().display())).unwrap();
    plan(Fires::Source { source: Source { every: Some(1), ..source } }.into())
}

/// The lines that the session writes.
const LINES: [&str; 2] = ["one\n", "two\n"];

/// The process the others end: writes one line after the other, each when the one before was read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let own = tempfile::tempdir().unwrap();
    let place = std::env::var_os(PLACE).map_or_else(|| own.path().to_owned(), Into::into);
    std::fs::create_dir_all(place.join("notes")).unwrap();
    let session = Session::open(&place, &crash_plan(&place)).await;
    let (engine, handle) = (&session.engine, &session.handle);
    if engine.store().find::<Conversation>(group_id().as_str()).await.unwrap().is_empty() {
        let to = Recipient::Group(group_id());
        handle.ask(Request::Send { to, text: "hello".to_owned() }).await.unwrap();
    }
    let file = place.join("notes/a.md");
    let mut all = String::new();
    for line in LINES {
        all.push_str(line);
        if !std::fs::read_to_string(&file).is_ok_and(|text| text.starts_with(&all)) {
            append(&file, line);
        }
        until_read(engine, &all).await;
    }
    session.end(async |engine, _| over(engine).await).await;
}

/// Waits until at least this was read.
async fn until_read(engine: &Engine, text: &str) {
    let mut head = engine.store().head();
    loop {
        head.borrow_and_update();
        if read(engine.store()).await.len() >= text.len() {
            return;
        }
        head.changed().await.unwrap();
    }
}

/// Waits until all jobs are over.
async fn over(engine: &Engine) {
    let mut head = engine.store().head();
    loop {
        head.borrow_and_update();
        let jobs = engine.store().jobs(None, 100).await.unwrap().rows;
        if engine.store().turn_runs().await.unwrap().is_empty() && jobs.iter().all(|job| job.state.is_final()) {
            return;
        }
        head.changed().await.unwrap();
    }
}

#[test]
fn f1_ended_at_every_point_of_every_commit_each_line_is_the_input_of_one_job() {
    let hits = Mutex::new(Vec::new());
    rounds(store::POINTS.len() as u64, |number| {
        let point = store::POINTS[usize::try_from(number).unwrap()];
        let runtime = runtime();
        // Every fifth passage, another one at each point: each commit is reached at one of them.
        for passage in (1 + number % 5..).step_by(5) {
            let place = tempfile::tempdir().unwrap();
            let first = play(module_path!(), place.path(), "", &End::Probe(point, passage));
            let mut acks = first.acks;
            if !first.done {
                acks.extend(play(module_path!(), place.path(), "", &End::Never).acks);
            }
            runtime.block_on(async {
                let (store, _) = store_of(place.path(), &acks).await;
                assert_eq!(read(&store).await, LINES.concat(), "{point}:{passage}");
                let readings = store.all::<Reading>().await.unwrap().rows;
                let jobs: Vec<Job> = store.jobs(None, 100).await.unwrap().rows;
                for reading in &readings {
                    let id = &reading.id;
                    let has =
                        |kind: &CauseKind| matches!(kind, CauseKind::Source { reading: Some(of), .. } if of == id);
                    let count = jobs.iter().flat_map(|job| &job.causes).filter(|cause| has(&cause.kind)).count();
                    assert_eq!(count, 1, "{point}:{passage}");
                }
            });
            if first.done {
                hits.lock().unwrap().push((point, passage));
                break;
            }
        }
    });
    let hits = hits.into_inner().unwrap();
    println!("ends by point: {hits:?}");
    assert!(hits.iter().all(|(_, count)| *count >= 10), "{hits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_source_is_one_agents_and_a_second_one_of_the_same_files_is_refused() {
    let notes = Notes::new();
    notes.append("a.md", "one\n");
    let own = TriggerSpec { agent: Some(agent_id("dan")), ..notes.source(Some(60)) };
    let world = World::new(Plan { background: &["cleo", "dan"], ..plan(own.clone()) }).await;
    world.send("hello").await;
    assert_eq!(world.job_over().await.agent(), Some(&agent_id("dan")));
    let twice = vec![own.clone(), TriggerSpec { task: Some("File it.".to_owned()), ..own }];
    let form = GroupForm::default().set("source", Value::Triggers(twice));
    let refused = world.ask(Request::UpdateGroup { id: group_id(), form: Box::new(form) }).await.unwrap_err().text;
    assert!(refused.contains("has two sources of the same files for one agent"), "{refused}");
    let group: Group = world.store().row(group_id().as_str()).await.unwrap().unwrap();
    assert_eq!(group.sleeptime.unwrap().triggers.len(), 1);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_read_goes_when_the_jobs_that_needed_it_are_gone_and_its_text_leaves_the_log() {
    let notes = Notes::new();
    let world = World::new(plan(notes.source(Some(60)))).await;
    world.send("one").await;
    for (at, text) in ["secret line\n", "second line\n"].into_iter().enumerate() {
        notes.append("a.md", text);
        tokio::time::advance(Duration::from_secs(61)).await;
        world.jobs_over(at + 1).await;
    }
    all_over(&world).await;
    let logged = async |world: &World| format!("{:?}", world.store().log(0, usize::MAX).await.unwrap());
    assert!(logged(&world).await.contains("secret line"));
    let clear = Request::ClearJobs { completed: Some(86_400), others: None };
    world.ask(clear.clone()).await.unwrap();
    assert_eq!(read(world.store()).await, "secret line\nsecond line\n", "the jobs ended just now");
    world.set_clock(jiff::SignedDuration::from_hours(48));
    let Reply::Expired(gone) = world.ask(clear).await.unwrap() else { panic!() };
    assert_eq!(gone.jobs, 1, "the newest job stays, with what it was told");
    assert_eq!(read(world.store()).await, "second line\n");
    let log = logged(&world).await;
    assert!(!log.contains("secret line") && log.contains("second line"));
    world.close().await;
}
