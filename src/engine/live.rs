//! What is being made now: the live text and phase of every step that is not committed.
//!
//! A latest-wins value a step, with a doorbell: watchers take what they have not seen when they come to it, so
//! a stalled one never stops the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::wire::{LiveUpdate, Phase, Update};
use crate::domain::{AgentId, ConversationId, RunId, StepId};

/// The steps being made. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    state: Arc<Mutex<State>>,
    bell: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    steps: BTreeMap<StepId, LiveStep>,
    /// The last fault of the engine itself, counted.
    trouble: Option<(u64, String)>,
}

struct LiveStep {
    about: About,
    phase: Phase,
    text: String,
    reasoning: String,
    /// Counts the model calls: text of an earlier one is void.
    asked: u32,
    /// Rises with every change, so that a watcher knows whether it has seen this.
    version: u64,
}

/// What does not change while a step is made.
#[derive(Debug, Clone)]
pub struct About {
    /// Its run.
    pub run: RunId,
    /// The turn or job the run belongs to.
    pub root: RunId,
    /// Where its message will go.
    pub conversation: ConversationId,
    /// Who.
    pub agent: AgentId,
    /// The short name.
    pub name: String,
}

/// One step being made; dropping it takes it off the screens.
pub struct LiveGuard {
    live: Live,
    step: StepId,
}

impl Default for Live {
    fn default() -> Self {
        Self { state: Arc::default(), bell: Arc::new(watch::Sender::new(0)) }
    }
}

impl Live {
    /// A step begins.
    #[must_use]
    pub fn begin(&self, step: StepId, about: About, phase: Phase) -> LiveGuard {
        self.with(|state| {
            let fresh = LiveStep { about, phase, text: String::new(), reasoning: String::new(), asked: 0, version: 1 };
            state.steps.insert(step.clone(), fresh);
        });
        LiveGuard { live: self.clone(), step }
    }

    /// The doorbell: rings at every change, carries nothing that counts.
    #[must_use]
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// True while this step is being made.
    #[must_use]
    pub fn has(&self, step: &StepId) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).steps.contains_key(step)
    }

    /// A fault of the engine itself, told to everybody who watches.
    pub fn trouble(&self, text: String) {
        self.with(|state| {
            let number = state.trouble.as_ref().map_or(1, |(number, _)| number + 1);
            state.trouble = Some((number, text));
        });
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.send_modify(|rings| *rings += 1);
    }
}

impl LiveGuard {
    /// The step's id.
    #[must_use]
    pub fn step(&self) -> &StepId {
        &self.step
    }

    /// What was said is void: the model is asked again.
    pub fn restart(&self) {
        self.change(|live| {
            live.asked += 1;
            live.text.clear();
            live.reasoning.clear();
        });
    }

    /// The step is in another phase.
    pub fn phase(&self, phase: Phase) {
        self.change(|live| live.phase = phase);
    }

    /// More text.
    pub fn text(&self, more: &str) {
        self.change(|live| {
            live.phase = Phase::Speaking;
            live.text.push_str(more);
        });
    }

    /// More reasoning.
    pub fn reasoning(&self, more: &str) {
        self.change(|live| {
            live.phase = Phase::Speaking;
            live.reasoning.push_str(more);
        });
    }

    /// All text so far was reasoning.
    pub fn text_was_reasoning(&self) {
        self.change(|live| {
            let text = std::mem::take(&mut live.text);
            live.reasoning.push_str(&text);
            // A watcher reads both from the beginning again.
            live.asked += 1;
        });
    }

    fn change(&self, change: impl FnOnce(&mut LiveStep)) {
        self.live.with(|state| {
            if let Some(live) = state.steps.get_mut(&self.step) {
                change(live);
                live.version += 1;
            }
        });
    }
}

impl Drop for LiveGuard {
    fn drop(&mut self) {
        self.live.with(|state| {
            state.steps.remove(&self.step);
        });
    }
}

/// What one watcher has seen of the live steps.
#[derive(Default)]
pub struct Seen {
    steps: BTreeMap<StepId, SeenStep>,
    troubles: u64,
}

#[derive(Default, Clone, Copy)]
struct SeenStep {
    version: u64,
    asked: u32,
    text: usize,
    reasoning: usize,
}

impl Seen {
    /// What is new to this watcher, steps that are over first.
    pub fn news(&mut self, live: &Live) -> Vec<Update> {
        let state = live.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        self.steps.retain(|step, seen| {
            let stays = state.steps.get(step).is_some_and(|live| live.asked == seen.asked);
            if !stays {
                news.push(Update::Over { step: step.clone() });
            }
            stays
        });
        for (id, step) in &state.steps {
            let seen = self.steps.entry(id.clone()).or_default();
            if seen.version == step.version {
                continue;
            }
            let About { run, root, conversation, agent, name } = step.about.clone();
            news.push(Update::Live(LiveUpdate {
                step: id.clone(),
                run,
                root,
                conversation,
                agent,
                name,
                phase: step.phase.clone(),
                text: step.text[seen.text..].to_owned(),
                reasoning: step.reasoning[seen.reasoning..].to_owned(),
            }));
            *seen = SeenStep {
                version: step.version,
                asked: step.asked,
                text: step.text.len(),
                reasoning: step.reasoning.len(),
            };
        }
        if let Some((number, text)) = state.trouble.as_ref().filter(|(number, _)| *number > self.troubles) {
            self.troubles = *number;
            news.push(Update::Trouble { text: text.clone() });
        }
        news
    }
}
