//! Takes the last change of groups and agents back.

use super::people::RosterSnapshot;
use crate::domain::{Basis, Block, Change, Commit, Conflict, Precondition, RosterEdit, way_back};
use crate::engine::Engine;
use crate::engine::protocol::{Reply, RequestError};
use crate::store::{CommitError, Lane};

/// The changes, and the one that keeps what takes them back.
pub(super) fn with_way_back(people: &RosterSnapshot, mut changes: Vec<Change>) -> Vec<Change> {
    let edit = way_back(&people.groups, &people.agents, &people.blocks, &changes);
    changes.extend(edit.map(Change::RosterEdited));
    changes
}

impl Engine {
    /// Takes the last change of groups and agents back if `really`; only says what that does otherwise.
    pub(in crate::engine::requests) async fn undo_roster(&self, really: bool) -> Result<Reply, RequestError> {
        let _roster = self.roster.lock().await;
        let edits = self.store.all::<RosterEdit>().await?.rows;
        let Some(edit) = edits.into_iter().max_by_key(|edit| edit.number) else {
            return Err(RequestError::new("there is no change of groups and agents to take back"));
        };
        let moved = |title: &str| {
            RequestError::new(format!("you {}, and {title} was changed since; take that back first", edit.title))
        };
        let mut preconditions: Vec<Precondition> = Vec::new();
        let groups = edit.groups.iter().cloned().map(Basis::Group);
        for basis in groups.chain(edit.agents.iter().cloned().map(Basis::Agent)) {
            if !self.is_unchanged(&basis).await? {
                return Err(moved(&basis.title()));
            }
            preconditions.push(Precondition::unchanged(basis));
        }
        for left in &edit.blocks {
            match self.store.row::<Block>(left.id.as_str()).await? {
                // Not only its text: what a person said since about who gets it is not taken back unseen.
                Some(block) if RosterEdit::without_text(block.clone()) == *left => {
                    preconditions.push(Precondition::unchanged(Basis::Block(block)));
                }
                now => {
                    return Err(moved(&format!("block {}", now.map_or_else(|| left.label.clone(), |now| now.label))));
                }
            }
        }
        if really {
            let undone = Change::RosterUndone { number: edit.number };
            let changes = edit.back.iter().cloned().map(Change::from).chain([undone]).collect();
            let commit = Commit { preconditions, ..Commit::new(Self::asker(), changes) };
            match self.store.commit(Lane::Foreground, commit).await {
                Ok(_) => {}
                Err(CommitError::Conflict(Conflict::Changed { title })) => return Err(moved(&title)),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(Reply::RosterUndo { lines: edit.lines(), title: edit.title, at: edit.at, done: really })
    }

    async fn is_unchanged(&self, basis: &Basis) -> Result<bool, RequestError> {
        Ok(match basis {
            Basis::Group(group) => self.store.row(group.id.as_str()).await?.as_ref() == Some(group),
            Basis::Agent(agent) => self.store.row(agent.id.as_str()).await?.as_ref() == Some(agent),
            _ => false,
        })
    }
}
