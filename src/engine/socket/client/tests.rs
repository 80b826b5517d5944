//! The client beside an owner that a test plays, line by line.

use std::time::Duration;

use futures::poll;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedReadHalf;

use super::*;
use crate::engine::protocol::{LiveUpdate, Phase};

/// The owner's end of a connection.
struct Peer {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Peer {
    /// Accepts a connection and its hello.
    async fn accept(listener: &UnixListener) -> Self {
        let (read, write) = listener.accept().await.unwrap().0.into_split();
        let mut peer = Self { lines: BufReader::new(read).lines(), write };
        assert_eq!(peer.hears().await, json!({"hello": {"version": VERSION}}));
        peer.says(&FromOwner::Hello { version: VERSION, program: Program::Worker }).await;
        peer
    }

    async fn hears(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().expect("the client has left")).unwrap()
    }

    async fn says(&mut self, line: &FromOwner) {
        self.write.write_all(&wire::line(line).unwrap()).await.unwrap();
    }

    /// Waits for a request and says that it is begun; its id.
    async fn begins(&mut self) -> u64 {
        let id = self.hears().await["ask"]["id"].as_u64().unwrap();
        self.says(&FromOwner::Begun { id }).await;
        id
    }
}

fn place() -> (tempfile::TempDir, PathBuf, UnixListener) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("owner");
    let listener = UnixListener::bind(&path).unwrap();
    (dir, path, listener)
}

async fn both(path: &Path, listener: &UnixListener) -> (Client, Peer) {
    let (client, peer) = tokio::join!(Client::connect(path), Peer::accept(listener));
    (client.unwrap(), peer)
}

#[tokio::test]
async fn a_request_that_was_given_up_leaves_its_reply_to_no_other() {
    let (_dir, path, listener) = place();
    let (client, mut owner) = both(&path, &listener).await;
    let mut given_up = Box::pin(client.ask(Request::Due));
    assert!(poll!(&mut given_up).is_pending());
    let first = owner.begins().await;
    drop(given_up);
    let mut asks = Box::pin(client.ask(Request::Reconfigure));
    assert!(poll!(&mut asks).is_pending());
    let second = owner.begins().await;
    owner.says(&FromOwner::Reply { id: first, reply: Reply::Due { due: true, scheduled: None } }).await;
    owner.says(&FromOwner::Reply { id: second, reply: Reply::Done }).await;
    assert_eq!(asks.await.unwrap(), Reply::Done);
}

#[tokio::test]
async fn replies_find_their_requests_in_any_order() {
    let (_dir, path, listener) = place();
    let (client, mut owner) = both(&path, &listener).await;
    let slow = client.ask(Request::Probe { model: "offline".to_owned() });
    let quick = client.ask(Request::Due);
    let plays = async {
        let (slow, quick) = (owner.begins().await, owner.begins().await);
        owner.says(&FromOwner::Reply { id: quick, reply: Reply::Due { due: false, scheduled: None } }).await;
        owner.says(&FromOwner::Refused { id: slow, fault: RequestError::new("no answer") }).await;
    };
    let (slow, quick, ()) = tokio::join!(slow, quick, plays);
    assert_eq!(quick.unwrap(), Reply::Due { due: false, scheduled: None });
    assert_eq!(slow.unwrap_err().text, "no answer");
}

#[tokio::test]
async fn a_lost_connection_ends_what_waits_and_the_next_request_makes_another() {
    let (_dir, path, listener) = place();
    let (client, mut owner) = both(&path, &listener).await;
    let lost = async {
        owner.begins().await;
        drop(owner);
    };
    let (ended, ()) = tokio::join!(client.ask(Request::Due), lost);
    assert_eq!(ended.unwrap_err(), gone());
    let again = async {
        let mut owner = Peer::accept(&listener).await;
        let id = owner.begins().await;
        owner.says(&FromOwner::Reply { id, reply: Reply::Done }).await;
        owner
    };
    let (reply, _owner) = tokio::join!(client.ask(Request::Reconfigure), again);
    assert_eq!(reply.unwrap(), Reply::Done);
    drop(listener);
}

#[tokio::test]
async fn an_owner_of_another_version_is_named_as_one() {
    let (_dir, path, listener) = place();
    for answer in [
        "{\"hello\":{\"version\":99}}\n",
        // One that knows no hello.
        "{\"fault\":{\"text\":\"the request cannot be read: no variant\"}}\n",
        "what?\n",
    ] {
        let owner = async {
            let (_read, mut write) = listener.accept().await.unwrap().0.into_split();
            write.write_all(answer.as_bytes()).await.unwrap();
        };
        let (joined, ()) = tokio::join!(Client::connect(&path), owner);
        let Err(JoinError::Refused(fault)) = joined else { panic!("joined") };
        assert!(fault.text.contains("different versions of nightdesk"), "{fault}");
    }
}

#[tokio::test]
async fn a_follower_that_was_cut_off_comes_back_by_its_cursor() {
    let (_dir, path, listener) = place();
    let (client, _owner) = both(&path, &listener).await;
    let live = |text: &str| {
        Update::Live(LiveUpdate {
            step: "step-1".into(),
            run: "run-1".into(),
            root: "run-1".into(),
            conversation: "conversation-1".into(),
            agent: "agent-ann".into(),
            name: "ann".to_owned(),
            phase: Phase::Speaking,
            text: text.to_owned(),
            reasoning: String::new(),
        })
    };
    let committed = |upto| Update::Committed { upto, changes: Vec::new(), rows: Vec::new() };
    let filter = Filter { live: true, ..Filter::default() };
    let plays = async {
        let mut first = Peer::accept(&listener).await;
        assert_eq!(first.hears().await["follow"]["after"], 3);
        for update in [committed(7), live("One")] {
            first.says(&FromOwner::Update(update)).await;
        }
        first.says(&FromOwner::CutOff { text: "cut off".to_owned() }).await;
        drop(first);
        let mut second = Peer::accept(&listener).await;
        assert_eq!(second.hears().await["follow"]["after"], 7);
        second.says(&FromOwner::Update(live("One, two"))).await;
        // The connection ends in the middle of a line.
        second.write.write_all(b"{\"update\":{\"update\":\"comm").await.unwrap();
        drop(second);
        let mut third = Peer::accept(&listener).await;
        assert_eq!(third.hears().await["follow"]["after"], 7);
        third.says(&FromOwner::Update(committed(8))).await;
        third
    };
    let follows = async {
        let mut updates = client.follow(3, filter).await.unwrap();
        let mut got = Vec::new();
        for _ in 0..6 {
            got.push(updates.next().await.unwrap());
        }
        (got, updates)
    };
    let ((got, mut updates), third) = tokio::join!(follows, plays);
    let over = || Update::Over { step: "step-1".into() };
    assert_eq!(got, [committed(7), live("One"), over(), live("One, two"), over(), committed(8)]);
    drop((third, listener));
    std::fs::remove_file(&path).unwrap();
    let ended = tokio::time::timeout(Duration::from_mins(1), updates.next()).await.unwrap();
    assert_eq!(ended.unwrap_err(), gone());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_begun_may_take_its_time_and_one_that_is_not_is_given_up_for_good() {
    let (_dir, path, listener) = place();
    let (client, mut owner) = both(&path, &listener).await;
    let takes_time = async {
        let id = owner.begins().await;
        tokio::time::sleep(Duration::from_mins(5)).await;
        owner.says(&FromOwner::Reply { id, reply: Reply::Done }).await;
    };
    let (reply, ()) = tokio::join!(client.ask(Request::Reconfigure), takes_time);
    assert_eq!(reply.unwrap(), Reply::Done);
    let asks = tokio::time::timeout(Duration::from_mins(1), client.ask(Request::Due));
    let (given_up, _) = tokio::join!(asks, owner.hears());
    let given_up = given_up.expect("it was waited for").unwrap_err();
    assert!(given_up.text.contains("does not answer"), "{given_up}");
    let left = tokio::time::timeout(Duration::from_mins(1), owner.lines.next_line()).await;
    assert!(matches!(left, Ok(Ok(None))), "without its connection it cannot be begun later");
}

/// Listens at `path` as another user; `None` where these tests may be no other user.
fn listen_as_another_user(path: &Path) -> Option<std::os::unix::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = path.to_owned();
    // A user is of a thread; this one ends at once.
    let listen = move || {
        let other = rustix::process::Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(other, other, other).ok()?;
        std::os::unix::net::UnixListener::bind(path).ok()
    };
    std::thread::spawn(listen).join().unwrap()
}

#[tokio::test]
async fn an_owner_of_another_user_is_not_joined() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("owner");
    // Only root can be another user.
    let Some(_listener) = listen_as_another_user(&path) else { return };
    let Err(JoinError::Refused(fault)) = Client::connect(&path).await else { panic!("joined") };
    assert!(fault.text.ends_with("is of the user 65534; it is not joined"), "{fault}");
}

#[tokio::test]
async fn a_request_that_its_owner_had_not_begun_is_told_from_one_that_it_had() {
    let (_dir, path, listener) = place();
    for begins in [false, true] {
        let (client, mut owner) = both(&path, &listener).await;
        assert_eq!(client.owner().1, Program::Worker);
        let lost = async {
            if begins {
                owner.begins().await;
            } else {
                owner.hears().await;
            }
            drop(owner);
        };
        let (ended, ()) = tokio::join!(client.try_ask(Request::Reconfigure), lost);
        let Err(AskError::Interrupted { begun, .. }) = ended else { panic!("{ended:?}") };
        assert_eq!(begun, begins);
        client.ended().await;
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_owner_and_not_before() {
    let (_dir, path, listener) = place();
    let (client, owner) = both(&path, &listener).await;
    let ended = client.ended();
    tokio::pin!(ended);
    assert!(poll!(ended.as_mut()).is_pending(), "its owner is there");
    drop(owner);
    ended.await;
}
