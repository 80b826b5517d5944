//! The edits of a job are taken back, and what others wrote since is never lost with them (J10).

use crate::support::script::{Script, When};
use nightdesk::testing::domain::{Block, Job};
use nightdesk::testing::engine::protocol::{BlockClash, OnClash, Reply, Request};

use super::{desk, job_over_after};
use crate::support::engine_harness::{World, story};

/// A job that has written two lines in two steps.
async fn worked() -> (World, Job, String) {
    let script = Script::of([
        When::in_job().step(1).inserts("story", "- first"),
        When::in_job().step(2).inserts("story", "\n- second"),
        When::in_job().finishes(),
    ]);
    let world = World::new(desk(script.otherwise("{agent} speaks"))).await;
    let before = world.block(&story()).await.value;
    let job = job_over_after(&world, "one").await;
    assert_eq!(job.edits, 2);
    (world, job, before)
}

async fn undo(world: &World, job: &Job, clashes: OnClash) -> Result<(Vec<Block>, Vec<BlockClash>), String> {
    match world.ask(Request::UndoJob { id: job.id.clone(), clashes }).await {
        Ok(Reply::JobUndone { blocks, clashes, deleted: 0 }) => Ok((blocks, clashes)),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.text),
    }
}

#[tokio::test(start_paused = true)]
async fn all_edits_of_a_job_are_undone_as_one_version_and_only_once() {
    let (world, job, before) = worked().await;
    let written = world.block(&story()).await;
    let (blocks, clashes) = undo(&world, &job, OnClash::Ask).await.unwrap();
    assert_eq!((blocks.len(), clashes.len()), (1, 0));
    let now = world.block(&story()).await;
    assert_eq!((&now.value, now.version), (&before, written.version + 1));
    let again = undo(&world, &job, OnClash::Ask).await.unwrap_err();
    assert!(again.starts_with("nothing is left to undo: "), "{again}");
    assert_eq!(world.block(&story()).await.version, now.version);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_wrote_beside_a_job_stays_when_it_is_undone() {
    let (world, job, before) = worked().await;
    world.edit(|text| format!("Mine.\n\n{text}")).await;
    let (_, clashes) = undo(&world, &job, OnClash::Ask).await.unwrap();
    assert!(clashes.is_empty());
    assert_eq!(world.block(&story()).await.value, format!("Mine.\n\n{before}"));
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn where_others_changed_lines_of_a_job_a_person_chooses_whose_stay() {
    for (choice, kept) in [(OnClash::Keep, "- second, says Mira"), (OnClash::Restore, "")] {
        let (world, job, before) = worked().await;
        world.edit(|text| text.replace("- second", "- second, says Mira")).await;
        let written = world.block(&story()).await;
        let (blocks, clashes) = undo(&world, &job, OnClash::Ask).await.unwrap();
        assert!(blocks.is_empty() && world.block(&story()).await == written, "it is left as it is");
        let [clash] = clashes.as_slice() else { panic!("{clashes:?}") };
        assert!(clash.texts.current.contains("- second, says Mira"), "{clash:?}");
        assert_eq!(clash.texts.before.trim_end(), before.trim_end());
        let chosen = undo(&world, &job, choice).await;
        assert_eq!(chosen.is_ok(), kept.is_empty(), "where all is kept, nothing is undone: {chosen:?}");
        let now = world.block(&story()).await.value;
        assert_eq!(now.contains("says Mira"), !kept.is_empty(), "{now}");
        assert!(now.contains(kept), "{now}");
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_changed_nothing_has_nothing_to_undo() {
    let script = Script::of([When::in_job().finishes()]).otherwise("{agent} speaks");
    let world = World::new(desk(script)).await;
    let job = job_over_after(&world, "one").await;
    let refused = undo(&world, &job, OnClash::Ask).await.unwrap_err();
    assert_eq!(refused, "the job changed nothing; there is nothing to undo");
    world.close().await;
}
