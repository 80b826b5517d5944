//! What a message costs in the file, with its turn, its step and its place in the index.

use std::path::Path;

use nightdesk::testing::domain::Conversation;

use super::*;

/// Bytes in use in the file, and messages in the group's conversation.
async fn used(world: &World, path: &Path) -> (u64, u64) {
    let file = rusqlite::Connection::open(path).unwrap();
    let bytes = file.query_row("SELECT sum(pgsize - unused) FROM dbstat", [], |row| row.get(0)).unwrap();
    let talk = world.store().find::<Conversation>(engine_harness::group_id().as_str()).await.unwrap().remove(0);
    (bytes, talk.head)
}

#[tokio::test(start_paused = true)]
async fn a_message_costs_few_bytes_of_the_file_besides_its_words() {
    let world = World::new(Plan { members: &["ann"], ..Plan::default() }).await;
    let path = world.setting.dir.path().join("desk.db");
    let words = "word ".repeat(24);
    let mut seen = Vec::new();
    for _ in 0..2 {
        for _ in 0..60 {
            world.send(&words).await;
        }
        world.idle().await;
        seen.push(used(&world, &path).await);
    }
    let each = (seen[1].0 - seen[0].0) / (seen[1].1 - seen[0].1);
    budget("bytes of the file a message of 121 bytes, in a turn of two", each, 2_500);
    world.close().await;
}
