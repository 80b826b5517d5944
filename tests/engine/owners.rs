//! A store has one owner: one that has lost it writes nothing any more and says so (F8).

use crate::support::script::{Script, When};
use nightdesk::testing::engine::protocol::{Recipient, Request, Update};

use crate::support::engine_harness::{Plan, World, group_id};

const LOST: &str =
    "saving: another program has become the owner of the store, so this one no longer writes to it; close it";

#[tokio::test(start_paused = true)]
async fn an_owner_that_lost_the_store_stops_writing_and_says_so_once() {
    let script = Script::of([]).or(When::any().text("{agent} speaks").first_delay_ms(5_000));
    let world = World::new(Plan { script, max_turns: Some(2), ..Plan::default() }).await;
    let mut following = world.handle.follow(*world.store().head().borrow()).await.unwrap();
    let run = world.post("hello").await;
    world.live(|live| live.name == "ann").await;
    let other = world.beside().await;
    other.finished(&run).await;
    let head = other.store().last_change().await.unwrap();

    let refused = world.ask(Request::Send { to: Recipient::Group(group_id()), text: "and now?".to_owned() }).await;
    assert_eq!(refused.unwrap_err().text, LOST);
    world.idle().await;
    assert_eq!(other.store().last_change().await.unwrap(), head, "nothing of it was written");
    let mut told = Vec::new();
    while let Ok(Ok(update)) = tokio::time::timeout(std::time::Duration::from_hours(1), following.next()).await {
        if let Update::Trouble { text } = update {
            told.push(text);
        }
    }
    assert_eq!(told, [LOST]);
    world.engine.stop().await;
    other.send("go on").await;
    other.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_of_an_owner_that_lost_the_store_ends() {
    let script = Script::of([When::in_job().first_delay_ms(5_000).finishes()]).otherwise("{agent} speaks");
    let plan = Plan { script, members: &["ann"], background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    world.send("one").await;
    world.live(|live| live.name == "cleo").await;
    let other = world.beside().await;
    other.engine.stop().await;
    world.idle().await;
    world.engine.stop().await;
    other.close().await;
}
