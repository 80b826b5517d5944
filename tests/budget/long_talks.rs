//! What a step costs in a long conversation: what it costs in a short one.

use nightdesk::testing::domain::{Actor, Commit, Content, Conversation, Ids, Message, MessageId};
use nightdesk::testing::store::Lane;

use super::*;

/// A team whose group has this many messages of 11 bytes.
async fn world_of(messages: u64) -> World {
    let world = World::new(Plan::default()).await;
    world.send("warm up").await;
    world.idle().await;
    let talk = world.store().find::<Conversation>(engine_harness::group_id().as_str()).await.unwrap().remove(0);
    let (ids, at) = (Ids::seeded(7), Timestamp::UNIX_EPOCH);
    let said = |_| {
        let content = Content::said("hello world");
        Change::MessageAppended(Message::without_run(MessageId::fresh(&ids), talk.id.clone(), content, at))
    };
    let mut left = messages;
    while left > 0 {
        let part = left.min(1_000);
        let commit = Commit::new(Actor::Engine, (0..part).map(said).collect());
        world.store().commit(Lane::Foreground, commit).await.unwrap();
        left -= part;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_turn_costs_the_same_at_a_hundred_and_at_a_hundred_thousand_short_messages() {
    let mut costs = Vec::new();
    for messages in [100, 100_000] {
        let world = world_of(messages).await;
        world.send("again").await;
        world.idle().await;
        let before = world.store().counters();
        world.send("hello").await;
        world.idle().await;
        let after = world.store().counters();
        costs.push((
            after.statements - before.statements,
            after.messages - before.messages,
            after.message_bytes - before.message_bytes,
        ));
        let prompt = world.asked().pop().unwrap();
        budget("entries of a prompt", prompt.entries.len() as u64, 2_100);
    }
    println!("statements, messages read and their bytes, of a turn at 100 and at 100,000 messages: {costs:?}");
    assert!(costs[0].0.abs_diff(costs[1].0) <= SOME_LOOKS, "{costs:?}");
    assert!(costs[0].1.abs_diff(costs[1].1) <= 8 && costs[0].2.abs_diff(costs[1].2) <= 2_000, "{costs:?}");
}
