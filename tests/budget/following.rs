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

#[tokio::test(start_paused = true)]
async fn an_overview_costs_the_same_statements_whether_two_agents_have_spoken_or_twelve() {
    let mut cost = Vec::new();
    for members in [&["a", "b"][..], &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"][..]] {
        let world = World::new(Plan { members, ..Plan::default() }).await;
        world.send("warm up").await;
        world.idle().await;
        assert_eq!(world.overview().await.seen.len(), members.len());
        let before = world.store().counters().statements;
        world.overview().await;
        cost.push(world.store().counters().statements - before);
        world.close().await;
    }
    println!("statements of an overview, of two agents and of twelve: {cost:?}");
    assert_eq!(cost[0], cost[1]);
}
