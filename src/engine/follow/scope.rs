//! Which changes, rows and live texts a [`Filter`] lets through.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::change::ChangeKind;
use crate::domain::state::Kind;
use crate::domain::{BlockOwner, Change, ConversationId, ConversationOwner, GroupId, LogEntry, Run, RunId};
use crate::engine::protocol::{Filter, LiveUpdate, RowUpdate};
use crate::store::{Store, StoreError};

/// The maximum number of runs to remember; beyond it they are read again when they are met.
const RUNS: usize = 4_096;

/// A filter, and what it has learned about runs: most changes name only their run.
pub(super) struct Scope {
    filter: Filter,
    runs: HashMap<RunId, Place>,
}

/// Where a run belongs.
struct Place {
    conversation: ConversationId,
    group: Option<GroupId>,
    /// True for the filter's run and those below it.
    inside: bool,
}

/// Where a change belongs, as far as it says so itself.
#[derive(Default)]
struct Facts {
    conversation: Option<ConversationId>,
    group: Option<GroupId>,
    run: Option<RunId>,
}

impl Facts {
    /// Takes over what is not known yet.
    fn or(self, other: Self) -> Self {
        Self {
            conversation: self.conversation.or(other.conversation),
            group: self.group.or(other.group),
            run: self.run.or(other.run),
        }
    }

    fn of_change(change: &Change) -> Self {
        let run = |run: &RunId| Self { run: Some(run.clone()), ..Self::default() };
        match change {
            Change::MessageAppended(message) => {
                Self { conversation: Some(message.conversation.clone()), run: message.run.clone(), group: None }
            }
            Change::RunCreated(created) => run(&created.id),
            Change::RunMoved { id, .. }
            | Change::RunChosen { id, .. }
            | Change::RunSignalled { id, .. }
            | Change::RunCancelled { id } => run(id),
            Change::StepFinished(step) => run(&step.run),
            Change::CallMade(call) => run(&call.run),
            Change::BlockEdited(revision) => Self { run: revision.run.clone(), ..Self::default() },
            _ => Self::default(),
        }
    }

    fn of_row(row: &RowUpdate) -> Self {
        match row {
            RowUpdate::Run(run) => Self { run: Some(run.id.clone()), ..Self::default() },
            RowUpdate::Call(call) => Self { run: Some(call.run.clone()), ..Self::default() },
            RowUpdate::Group(group) => Self { group: Some(group.id.clone()), ..Self::default() },
            RowUpdate::Agent(agent) => Self { group: Some(agent.group.clone()), ..Self::default() },
            RowUpdate::Block(block) => match &block.owner {
                BlockOwner::Group(group) => Self { group: Some(group.clone()), ..Self::default() },
                BlockOwner::Agent(_) => Self::default(),
            },
            RowUpdate::Conversation(conversation) => {
                let group = match &conversation.owner {
                    ConversationOwner::Group(group) => Some(group.clone()),
                    ConversationOwner::Agent(_) | ConversationOwner::Job(_) => None,
                };
                Self { conversation: Some(conversation.id.clone()), group, run: None }
            }
            RowUpdate::Job(job) => {
                Self { conversation: job.conversation.clone(), group: job.group().cloned(), run: job.run.clone() }
            }
            RowUpdate::Mail(mail) => {
                Self { group: mail.group.clone(), run: mail.root.clone().or(mail.run.clone()), conversation: None }
            }
            RowUpdate::Trigger(trigger) => Self { group: Some(trigger.group.clone()), ..Self::default() },
            RowUpdate::Gone { kind: Kind::Group, key } => Self { group: Some(key.as_str().into()), ..Self::default() },
            RowUpdate::Gone { .. } => Self::default(),
        }
    }
}

impl Scope {
    pub(super) fn new(filter: Filter) -> Self {
        Self { filter, runs: HashMap::new() }
    }

    /// True if the filter lets any live text through.
    pub(super) fn follows_live(&self) -> bool {
        self.filter.live
    }

    /// Keeps the entries the filter lets through, and the rows they touched.
    ///
    /// # Errors
    /// [`StoreError`] if a run that an entry names cannot be read.
    pub(super) async fn keep(
        &mut self,
        store: &Store,
        entries: &mut Vec<LogEntry>,
        rows: &mut Vec<RowUpdate>,
    ) -> Result<(), StoreError> {
        if self.is_everywhere() && self.filter.kinds.is_empty() {
            return Ok(());
        }
        let by_key: BTreeMap<(Kind, String), &RowUpdate> = rows.iter().map(|row| (row.key(), row)).collect();
        let mut found = Vec::new();
        for entry in std::mem::take(entries) {
            if !self.filter.kinds.is_empty() && !self.filter.kinds.contains(&ChangeKind::from(&entry.change)) {
                continue;
            }
            let touched = entry.change.touches();
            let known = touched.iter().filter_map(|place| by_key.get(place));
            let facts = known.fold(Facts::of_change(&entry.change), |facts, row| facts.or(Facts::of_row(row)));
            found.push((entry, touched, facts));
        }
        let named = rows.iter().filter_map(|row| if let RowUpdate::Run(run) = row { Some(run) } else { None });
        self.learn(store, named, found.iter().filter_map(|(.., facts)| facts.run.clone())).await?;
        found.retain(|(.., facts)| self.lets(facts));
        let touched: BTreeSet<&(Kind, String)> = found.iter().flat_map(|(_, touched, _)| touched).collect();
        rows.retain(|row| touched.contains(&row.key()));
        *entries = found.into_iter().map(|(entry, ..)| entry).collect();
        Ok(())
    }

    /// True if the filter, which lets live text through, lets this one through.
    ///
    /// # Errors
    /// [`StoreError`] if its run cannot be read.
    pub(super) async fn lets_live(&mut self, store: &Store, live: &LiveUpdate) -> Result<bool, StoreError> {
        if self.is_everywhere() {
            return Ok(true);
        }
        self.learn(store, std::iter::empty(), [live.run.clone()]).await?;
        Ok(self.lets(&Facts {
            conversation: Some(live.conversation.clone()),
            run: Some(live.run.clone()),
            group: None,
        }))
    }

    fn is_everywhere(&self) -> bool {
        let Filter { conversation, group, run, kinds: _, live: _ } = &self.filter;
        conversation.is_none() && group.is_none() && run.is_none()
    }

    fn lets(&self, facts: &Facts) -> bool {
        let Filter { conversation, group, run, .. } = &self.filter;
        let place = facts.run.as_ref().and_then(|run| self.runs.get(run));
        let of_run = place.map(|place| &place.conversation);
        (conversation.is_none() || facts.conversation.as_ref().or(of_run) == conversation.as_ref())
            && (group.is_none()
                || facts.group.as_ref().or(place.and_then(|place| place.group.as_ref())) == group.as_ref())
            && (run.is_none() || facts.run == *run || place.is_some_and(|place| place.inside))
    }

    /// Learns where these runs belong, and those that are only named, from the store by one statement.
    async fn learn<'a>(
        &mut self,
        store: &Store,
        given: impl Iterator<Item = &'a Run>,
        named: impl IntoIterator<Item = RunId>,
    ) -> Result<(), StoreError> {
        if self.is_everywhere() {
            return Ok(());
        }
        if self.runs.len() > RUNS {
            self.runs.clear();
        }
        let given: Vec<&Run> = given.collect();
        // Twice, because a run may come before the one it is below.
        for run in given.iter().chain(&given) {
            self.place(run);
        }
        let unknown: BTreeSet<String> =
            named.into_iter().filter(|run| !self.runs.contains_key(run)).map(|run| run.0).collect();
        if !unknown.is_empty() {
            let found = store.rows::<Run>(unknown.into_iter().collect()).await?;
            for run in found.iter().chain(&found) {
                self.place(run);
            }
        }
        Ok(())
    }

    fn place(&mut self, run: &Run) {
        let wanted = self.filter.run.as_ref();
        let above = |id: &RunId| wanted == Some(id) || self.runs.get(id).is_some_and(|place| place.inside);
        let inside = above(&run.id) || above(&run.root) || run.parent.as_ref().is_some_and(above);
        let place = Place { conversation: run.conversation.clone(), group: run.group().cloned(), inside };
        self.runs.insert(run.id.clone(), place);
    }
}
