//! The owner's socket beside clients that are slow, hostile, many, old or gone, and an owner that is suspended.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use nightdesk::testing::domain::{Content, ConversationId, Group, Ids};
use rustix::process::{Signal, Uid};
use serde_json::{Value, json};

use crate::support::large;
use crate::support::script::{Script, When};
use crate::support::shell::{DEADLINE, Running, Shell};
use crate::{desk, desk_with, hanging, script};

/// A program that speaks the protocol by hand.
struct Client(BufReader<UnixStream>);

impl Client {
    fn connect(shell: &Shell) -> Self {
        let stream = UnixStream::connect(shell.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Connects and exchanges hellos.
    fn joined(shell: &Shell) -> Self {
        let mut client = Self::connect(shell);
        client.says(&json!({"hello": {"version": 4}}));
        assert_eq!(client.hears(), Some(json!({"hello": {"version": 4, "program": "worker"}})));
        client
    }

    fn says(&mut self, line: &Value) {
        writeln!(self.0.get_mut(), "{line}").unwrap();
    }

    fn asks(&mut self, id: u64, request: &Value) {
        self.says(&json!({"ask": {"id": id, "request": request}}));
    }

    /// The next line; `None` at the end, also in the middle of a line.
    fn hears(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.ends_with('\n').then(|| serde_json::from_str(&line).unwrap())
    }

    fn fault(&mut self) -> String {
        self.hears().expect("a line")["fault"]["text"].as_str().expect("a fault").to_owned()
    }
}

fn answers(shell: &Shell) {
    assert!(shell.ok(&["send", "desk", "hello"]).contains("Ann heard: hello"), "it goes on");
}

#[test]
fn a_slow_request_holds_up_no_other_of_its_connection() {
    let shell = desk_with(&Script::of([]).or(When::any().text("Hm").hang_after(0)));
    let _work = shell.work();
    let mut client = Client::joined(&shell);
    let model = format!("scripted/{}", shell.path("script.toml").display());
    client.asks(1, &json!({"ask": "probe", "model": model}));
    client.asks(2, &json!({"ask": "due"}));
    assert_eq!(client.hears(), Some(json!({"begun": {"id": 1}})));
    assert_eq!(client.hears(), Some(json!({"begun": {"id": 2}})));
    let reply = client.hears().unwrap();
    assert_eq!(reply["reply"]["id"], 2, "{reply}");
}

#[test]
fn a_program_of_another_version_is_told_so() {
    let shell = desk();
    let _work = shell.work();
    for line in [json!({"hello": {"version": 99, "more": true}}), json!({"ask": "overview"}), json!({"follow": 0})] {
        let mut client = Client::connect(&shell);
        client.says(&line);
        let fault = client.fault();
        assert!(fault.contains("different versions of nightdesk"), "{fault}");
        assert_eq!(client.hears(), None);
    }
    answers(&shell);
}

/// Connects to the owner as another user and reads its first line; `None` where these tests may be no other user.
fn heard_by_another_user(shell: &Shell) -> Option<String> {
    let home = shell.path("");
    for path in shell.socket().ancestors().take_while(|path| path.starts_with(&home)) {
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let socket = shell.socket();
    // A user is of a thread; this one ends at once.
    let connect = move || {
        let other = Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(other, other, other).ok()?;
        UnixStream::connect(socket).ok()
    };
    let stream = std::thread::spawn(connect).join().unwrap()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Some(Client(BufReader::new(stream)).fault())
}

#[test]
fn a_program_of_another_user_is_told_so_and_served_nothing() {
    let shell = desk();
    let _work = shell.work();
    match heard_by_another_user(&shell) {
        Some(fault) => assert_eq!(fault, "the store is open in a program of another user"),
        None => println!("left out: only root can be another user"),
    }
    answers(&shell);
}

#[test]
fn a_line_without_end_costs_no_memory_and_ends_its_connection() {
    let shell = desk();
    let work = shell.work();
    for hello in [true, false] {
        let mut client = if hello { Client::joined(&shell) } else { Client::connect(&shell) };
        let piece = vec![b'x'; 1024 * 1024];
        let mut sent = 0;
        while sent < 1024 && client.0.get_mut().write_all(&piece).is_ok() {
            sent += 1;
        }
        assert!(sent < 64, "{sent} MiB were taken");
        let fault = client.fault();
        assert!(fault.contains("longer than 8 MiB"), "{fault}");
    }
    let peak = work.peak();
    assert!(peak < 128, "{peak} MiB");
    answers(&shell);
    shell.folds();
}

#[test]
fn clients_beyond_the_limit_are_told_so_and_the_others_are_served() {
    let shell = desk();
    let _work = shell.work();
    let mut clients: Vec<Client> = (0..256).map(|_| Client::joined(&shell)).collect();
    let mut refused = Client::connect(&shell);
    let fault = refused.fault();
    assert!(fault.contains("256 connections, its limit"), "{fault}");
    assert!(shell.refused(&["group", "delete", "desk"]).contains("256 connections"));
    clients[255].asks(7, &json!({"ask": "due"}));
    assert_eq!(clients[255].hears(), Some(json!({"begun": {"id": 7}})));
    clients.truncate(200);
    shell.until("there is room again", |shell| (shell.run(&["send", "desk", "hello"]).code == Some(0)).then_some(()));
    shell.folds();
}

#[test]
fn too_many_open_files_are_waited_out() {
    let shell = desk();
    let plain = shell.command(&["work"]);
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "ulimit -n 48; exec \"$0\" work"]).arg(plain.get_program()).env_clear();
    limited.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let work = Running::start(limited);
    let client = shell.until("work listens", |shell| UnixStream::connect(shell.socket()).ok());
    let fds = || std::fs::read_dir(format!("/proc/{}/fd", work.child.id())).unwrap().count();
    let crowd: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(shell.socket()).unwrap()).collect();
    shell.until("its files are used up", |_| (fds() >= 44).then_some(()));
    drop((client, crowd));
    answers(&shell);
    shell.folds();
}

#[test]
fn what_its_client_gave_up_is_not_begun_by_an_owner_that_was_suspended() {
    let shell = desk();
    let work = shell.work();
    let groups = shell.json(&["group", "list", "--json"]);
    let group = groups[0]["id"].as_str().unwrap();
    let mut client = Client::joined(&shell);
    work.signal(Signal::STOP);
    client.asks(1, &json!({"ask": "delete", "what": {"group": group}, "really": true}));
    drop(client);
    let begun = Instant::now();
    let refused = shell.refused(&["group", "delete", "desk", "--yes"]);
    assert!(begun.elapsed() < Duration::from_secs(3), "a second, and two for a busy machine");
    assert!(refused.contains(&format!("process {} ", work.child.id())), "{refused}");
    work.signal(Signal::CONT);
    answers(&shell);
    assert_eq!(shell.json(&["group", "list", "--json"])[0]["id"], group);
    shell.folds();
}

#[test]
fn every_command_that_writes_names_an_owner_that_is_suspended_and_what_to_do() {
    let shell = desk_with(&hanging());
    let named = |owner: &Running, command: &[&str]| {
        let refused = shell.refused(command);
        let pid = owner.child.id();
        let parts = [format!("process {pid} "), "is suspended".to_owned(), format!("`kill -CONT {pid}`")];
        assert!(parts.iter().all(|part| refused.contains(part)), "{command:?}: {refused}");
    };
    let team = shell.path("team.toml").display().to_string();
    let commands: [&[&str]; 6] = [
        &["send", "desk", "hello"],
        &["apply", &team],
        &["work"],
        &["work", "--drain"],
        &["group", "delete", "desk"],
        &["mail", "send", "ann", "hello"],
    ];
    let work = shell.work();
    work.signal(Signal::STOP);
    for command in commands {
        named(&work, command);
    }
    let checks = shell.run(&["doctor"]);
    assert!(checks.code == Some(1) && checks.out.contains("is suspended"), "{checks:?}");
    shell.json(&["job", "list", "--json"]);
    work.signal(Signal::KILL);
    work.wait();
    // One that does not listen, too.
    let send = shell.start(&["send", "desk", "hello", "--json"]);
    send.line_with("delta");
    send.signal(Signal::STOP);
    named(&send, &["send", "desk", "more"]);
    named(&send, &["work", "--drain"]);
    send.signal(Signal::CONT);
}

#[test]
fn a_follower_hears_an_answer_while_it_streams_and_when_it_is_over() {
    let shell = desk_with(&hanging());
    let _work = shell.work();
    let mut follower = Client::joined(&shell);
    follower.says(&json!({"follow": {"after": 0}}));
    let _send = shell.start(&["send", "desk", "hello"]);
    let (mut heard, mut text) = (Value::Null, String::new());
    while text != "Ann begin" {
        let line = follower.hears().expect("an update");
        if line["update"]["update"] == "live" {
            heard = line["update"].clone();
            text += heard["text"].as_str().unwrap_or_default();
        }
    }
    let mut other = Client::joined(&shell);
    other.asks(1, &json!({"ask": "cancel", "conversation": heard["conversation"]}));
    let mut said = false;
    loop {
        let line = follower.hears().expect("an update");
        said |= line["update"]["update"] == "committed" && line.to_string().contains("Ann begin");
        if line["update"]["update"] == "over" {
            assert_eq!(line["update"]["step"], heard["step"]);
            break;
        }
    }
    assert!(said, "what was said is committed before it is over");
}

#[test]
fn what_fails_while_no_screen_is_there_is_told_by_the_command_that_is_configured_without_keys() {
    let shell = desk_with(&Script::of([When::in_job().status(400)]).then(script()));
    let told = shell.path("told");
    std::fs::create_dir_all(shell.path("config/nightdesk")).unwrap();
    let script = format!("printf '%s|%s\\n' \"$1\" \"$OPENAI_API_KEY\" >> {}", told.display());
    shell.write("config/nightdesk/config.toml", &format!("alert_command = [\"sh\", \"-c\", {script:?}, \"alert\"]\n"));
    shell.ok(&["send", "desk", "hello"]);
    let mut command = shell.command(&["work"]);
    let mut work = command.env("OPENAI_API_KEY", "sk-0123456789abcdef0123").spawn().unwrap();
    shell.until("it works", |shell| (shell.signed_owner() == Some(work.id())).then_some(()));
    let trigger = shell.json(&["trigger", "list", "desk", "--json"])[0]["id"].as_str().unwrap().to_owned();
    let fails = |times: usize| {
        shell.ok(&["trigger", "fire", &trigger]);
        shell.until("the job has failed", |shell| {
            let jobs = shell.json(&["job", "list", "desk", "--json"]);
            let failed = jobs.as_array().unwrap().iter().filter(|job| job["state"] == "failed").count();
            (failed == times).then_some(())
        });
    };
    let lines = || std::fs::read_to_string(&told).unwrap_or_default().lines().count();
    fails(1);
    shell.until("it is told", |_| (lines() == 1).then_some(()));
    let line = std::fs::read_to_string(&told).unwrap();
    assert!(line.starts_with("the job of keeper in desk failed: ") && line.ends_with("|\n"), "{line}");

    let mut screen = Client::joined(&shell);
    screen.says(&json!({"follow": {"after": 0}}));
    screen.hears().expect("an update");
    fails(2);
    fails(3);
    drop(screen);
    fails(4);
    shell.until("it is told again", |_| (lines() > 1).then_some(()));
    assert_eq!(lines(), 2, "what a screen has shown is not told");
    rustix::process::kill_process(rustix::process::Pid::from_child(&work), rustix::process::Signal::TERM).unwrap();
    assert!(work.wait().unwrap().success());
}

/// Messages of 40 KB each: 40 MB.
const MESSAGES: u64 = 1_000;

/// Puts so many messages of 40 KB into the group's conversation, which it returns.
async fn fill(shell: &Shell, messages: u64) -> ConversationId {
    let store = large::open(&shell.store());
    let group = store.all::<Group>().await.unwrap().rows.remove(0).id;
    // Reasoning is in no index, which would take its time.
    let content = |_| Content::Text { text: "x".to_owned(), reasoning: "x".repeat(40_000), cancelled: false };
    large::append(&store, &Ids::seeded(4), group, (messages, 100), content).await
}

/// Reads updates of a follower as far as they go: the number of the last change, each of which comes once, and whether
/// the end was told.
fn read_on(client: &mut Client, mut last: u64, upto: u64) -> (u64, bool) {
    while last < upto {
        let Some(line) = client.hears() else { return (last, false) };
        if line["cut_off"]["text"].is_string() {
            assert!(line["cut_off"]["text"].as_str().unwrap().contains("follow again after the last update"), "{line}");
            return (last, true);
        }
        for change in line["update"]["changes"].as_array().into_iter().flatten() {
            assert_eq!(change["n"].as_u64(), Some(last + 1), "a gap or a repetition");
            last += 1;
        }
    }
    (last, false)
}

#[tokio::test]
async fn a_hundred_followers_that_do_not_read_40_mb_cost_little_and_come_back_by_their_cursors() {
    let shell = desk();
    fill(&shell, MESSAGES).await;
    let work = shell.work();
    let follow = |after: u64| {
        let mut client = Client::joined(&shell);
        client.says(&json!({"follow": {"after": after}}));
        client
    };
    let fds = || std::fs::read_dir(format!("/proc/{}/fd", work.child.id())).unwrap().count();
    let alone = fds();
    // Each was greeted; on a busy machine the first may have been cut off when the last comes.
    let mut stalled: Vec<Client> = (0..100).map(|_| follow(0)).collect();
    let upto = MESSAGES;
    assert!(read_on(&mut follow(0), 0, upto).0 >= upto, "who reads is not held up");
    shell.until("they are cut off", |_| (fds() < alone + 10).then_some(()));
    let peak = work.peak();
    println!("{peak} MiB at the most");
    assert!(peak < 128, "{peak} MiB");
    for client in &mut stalled[..3] {
        let (last, _) = read_on(client, 0, upto);
        assert!(last < upto, "it was cut off");
        assert!(read_on(&mut follow(last), last, last + 30).0 >= last + 30);
    }
    let mut rest = Vec::new();
    stalled.remove(3).0.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 1024 * 1024, "{} bytes", rest.len());
    shell.folds();
}

#[tokio::test]
async fn clients_that_ask_for_much_at_once_and_do_not_read_cost_little() {
    let shell = desk();
    let conversation = fill(&shell, 200).await;
    let work = shell.work();
    let connections = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", work.child.id())).unwrap();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    let alone = connections();
    let asks = json!({"ask": "messages", "conversation": conversation, "from": 1, "to": 200, "newest": false});
    let asks: Vec<Value> = (0..8).map(|id| json!({"ask": {"id": id, "request": asks}})).collect();
    let asks: Vec<String> = asks.iter().map(|line| format!("{line}\n")).collect();
    let clients: Vec<Client> = (0..4).map(|_| Client::joined(&shell)).collect();
    for client in &clients {
        client.0.get_ref().write_all(asks.concat().as_bytes()).unwrap();
    }
    // 32 replies of 8 MB each.
    shell.until("who does not read has lost the connection", |_| (connections() <= alone).then_some(()));
    let peak = work.peak();
    println!("{peak} MiB at the most");
    assert!(peak < 200, "{peak} MiB");
    answers(&shell);
}
