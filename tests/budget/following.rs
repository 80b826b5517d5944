//! What a commit costs those who follow: nothing in the store, however many they are.

use nightdesk::testing::engine::protocol::Update;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_commit_costs_the_same_statements_beside_a_hundred_followers() {
    let world = World::new(Plan::default()).await;
    world.send("warm up").await;
    world.idle().await;
    let mut cost = [0; 2];
    for (at, cost) in cost.iter_mut().enumerate() {
        let mut followers = Vec::new();
        for _ in 0..at * 100 {
            followers.push(world.handle.follow(*world.store().head().borrow()).await.unwrap());
        }
        let before = world.store().counters().statements;
        world.edit(|value| format!("{value}.")).await;
        world.idle().await;
        let head = *world.store().head().borrow();
        for mut follower in followers {
            loop {
                match follower.next().await.unwrap() {
                    Update::Committed { upto, .. } if upto == head => break,
                    _ => {}
                }
            }
        }
        *cost = world.store().counters().statements - before;
    }
    println!("statements a commit, alone and beside 100 followers: {cost:?}");
    assert!(cost[0].abs_diff(cost[1]) <= SOME_LOOKS, "{cost:?}");
    world.close().await;
}
