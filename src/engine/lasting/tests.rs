//! Sessions of several programs, here in one: their locks are of their files, not of the process.

use super::*;
use crate::domain::{Actor, Change, Commit, Person, PersonId};
use crate::engine::Engine;
use crate::engine::protocol::{Request, Update};
use crate::store::Lane;
use std::path::Path;

fn opening(path: &Path) -> Opening {
    let setup = || Ok((Config::default(), Models::new(Config::default(), |_| None)));
    let options = Options { jobs: false, ..Options::default() };
    Opening { path: path.to_owned(), options, setup: Box::new(setup) }
}

async fn attached(path: &Path) -> LastingSession {
    let session = opening(path).open().await.unwrap();
    assert!(session.owner_elsewhere().is_some());
    LastingSession::keep(session, opening(path))
}

/// Commits this many changes through the engine of the owner, as it commits.
async fn commit(engine: &Engine, count: u64) {
    for n in 0..count {
        let named = Change::PersonPut(Person { id: PersonId::local(), name: format!("name {n}") });
        engine.store.commit(Lane::Foreground, Commit::new(Actor::Engine, vec![named])).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_program_takes_over_and_following_goes_on_with_nothing_lost_or_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let owner = opening(&path).open().await.unwrap();
    let desk = attached(&path).await;
    let mut following = desk.handle().follow(0).await.unwrap();
    let mut numbers: Vec<u64> = Vec::new();
    let mut connection = desk.connection();
    for _ in 0..2 {
        // What is committed while nobody reads is read after the next program has taken over.
        commit(owner.engine().unwrap(), 3).await;
    }
    let Update::Committed { changes, .. } = following.next().await.unwrap() else { panic!() };
    numbers.extend(changes.iter().map(|entry| entry.n));
    owner.close().await;
    connection.wait_for(|now| now.engine == EngineAt::Here).await.unwrap();
    let upto = desk.handle().overview().await.unwrap().upto;
    while numbers.last() < Some(&upto) {
        let Update::Committed { changes, .. } = following.next().await.unwrap() else { continue };
        numbers.extend(changes.iter().map(|entry| entry.n));
    }
    assert_eq!(numbers, (1..=upto).collect::<Vec<_>>());
    assert_eq!(desk.close().await, EngineAt::Here);
    assert!(Session::owner(&path).is_none(), "it has released the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_that_take_over_at_once_one_does_and_requests_meanwhile_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let owner = opening(&path).open().await.unwrap();
    let desks = [attached(&path).await, attached(&path).await, attached(&path).await];
    owner.close().await;
    let asked = desks.iter().map(|desk| desk.handle().ask(Request::Due));
    for reply in futures::future::join_all(asked).await {
        reply.unwrap();
    }
    let mut here = 0;
    for desk in &desks {
        let mut connection = desk.connection();
        let now = connection.wait_for(|now| !matches!(now.engine, EngineAt::Lost { .. })).await.unwrap();
        here += usize::from(now.engine == EngineAt::Here);
    }
    assert_eq!(here, 1);
    for desk in desks {
        desk.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_replaced_meanwhile_is_told_from_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("desk.db");
    let owner = opening(&path).open().await.unwrap();
    let desk = attached(&path).await;
    let mut connection = desk.connection();
    // Another file in its place, while nobody can take over.
    let copy = dir.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    owner.close().await;
    let now = connection.wait_for(|now| now.engine == EngineAt::Here).await.unwrap().clone();
    assert_eq!(now.replaced, 1);
    desk.close().await;
}
