//! Takes the edits of a job back out of its blocks.

use super::TRIES;
use crate::domain::text_edit::{Undo, undo};
use crate::domain::{Block, BlockId, Change, Commit, Conflict, Job, JobId, Revision};
use crate::engine::protocol::{BlockClash, JobEdit, OnClash, Reply, RequestError};
use crate::engine::{Engine, read};
use crate::store::{CommitError, Lane, StoreError};

/// What an undo changes, and what it leaves to a person.
#[derive(Default)]
struct Undone {
    changes: Vec<Change>,
    clashes: Vec<BlockClash>,
    deleted: usize,
}

impl Engine {
    /// Undoes the edits of a job: one new version of each block, in one commit.
    pub(super) async fn undo_job(&self, id: &JobId, on_clash: OnClash) -> Result<Reply, RequestError> {
        for _ in 0..TRIES {
            let edits = read::job_edits(&self.store, id).await?;
            if edits.is_empty() {
                if self.store.row::<Job>(id.as_str()).await?.is_none() {
                    return Err(RequestError::new(format!(
                        "there is no job {id}; one that changed nothing goes some days after its end"
                    )));
                }
                return Err(RequestError::new("the job changed nothing; there is nothing to undo"));
            }
            let Undone { changes, clashes, deleted } = self.undone(id, &edits, on_clash).await?;
            let blocks: Vec<String> = changes.iter().map(|change| change.subject().to_owned()).collect();
            if changes.is_empty() && clashes.is_empty() {
                return Err(RequestError::new(
                    "nothing is left to undo: what the job wrote is undone already, was changed by others since, or went \
                     with its block",
                ));
            }
            if changes.is_empty() {
                return Ok(Reply::JobUndone { blocks: Vec::new(), clashes, deleted });
            }
            match self.store.commit(Lane::Foreground, Commit::new(Self::asker(), changes)).await {
                Ok(_) => return Ok(Reply::JobUndone { blocks: self.store.rows(blocks).await?, clashes, deleted }),
                // Edited in between: plan again from what is there now.
                Err(CommitError::Conflict(Conflict::Block { .. })) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(RequestError::new("the blocks change faster than the job can be undone; try again"))
    }

    async fn undone(&self, job: &JobId, edits: &[JobEdit], on_clash: OnClash) -> Result<Undone, StoreError> {
        let mut found = Undone::default();
        for (id, edits) in by_block(edits) {
            let Some(block) = self.store.row::<Block>(id.as_str()).await? else {
                found.deleted += 1;
                continue;
            };
            let value = match (undo(&block.value, &edits), on_clash) {
                (Undo::Clean(value), _) => value,
                (Undo::Clash(texts), OnClash::Keep) => texts.current,
                (Undo::Clash(texts), OnClash::Restore) => texts.before,
                (Undo::Clash(texts), OnClash::Ask) => {
                    found.clashes.push(BlockClash { block, texts: *texts });
                    continue;
                }
            };
            if value != block.value {
                let revision = Revision::by_person(block.id, block.version + 1, value, format!("undid {job}"));
                found.changes.push(Change::BlockEdited(revision));
            }
        }
        Ok(found)
    }
}

/// The edits of each block as `(before, after)`, oldest first.
fn by_block(edits: &[JobEdit]) -> Vec<(&BlockId, Vec<(&str, &str)>)> {
    let mut blocks: Vec<(&BlockId, Vec<(&str, &str)>)> = Vec::new();
    for JobEdit { before, revision, .. } in edits {
        let edit = (before.as_str(), revision.value.as_str());
        match blocks.iter_mut().find(|(id, _)| **id == revision.block) {
            Some((_, known)) => known.push(edit),
            None => blocks.push((&revision.block, vec![edit])),
        }
    }
    blocks
}
