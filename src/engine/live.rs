//! Steps in progress: the streamed text and phase of every step that is not committed yet.
//!
//! Each step is a latest-wins value. A change only notifies subscribers, which read what they have not seen when they
//! are ready, so a stalled subscriber never blocks the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::protocol::{LiveUpdate, Phase, Update};
use crate::domain::{AgentId, ConversationId, RunId, StepId};

/// The steps in progress. Cheap to clone.
#[derive(Clone)]
pub struct StreamingSteps {
    state: Arc<Mutex<State>>,
    bell: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    steps: BTreeMap<StepId, LiveStep>,
    /// Number and text of the last engine error.
    trouble: Option<(u64, String)>,
}

struct LiveStep {
    about: StepMeta,
    phase: Phase,
    text: String,
    reasoning: String,
    /// Number of model calls; each discards the text of the one before.
    asked: u32,
    /// Incremented by every change, so that a subscriber knows whether it has seen this state.
    version: u64,
}

/// The facts about a step that do not change while it is in progress.
#[derive(Debug, Clone)]
pub struct StepMeta {
    /// Its run.
    pub run: RunId,
    /// The turn or job the run belongs to.
    pub root: RunId,
    /// The conversation its message will be appended to.
    pub conversation: ConversationId,
    /// The agent that speaks.
    pub agent: AgentId,
    /// The agent's short name.
    pub name: String,
}

/// A step in progress; dropping it removes the step from the screens.
pub struct LiveGuard {
    live: StreamingSteps,
    step: StepId,
}

impl Default for StreamingSteps {
    fn default() -> Self {
        Self { state: Arc::default(), bell: Arc::new(watch::Sender::new(0)) }
    }
}

impl StreamingSteps {
    /// Adds a step.
    #[must_use]
    pub fn begin(&self, step: StepId, about: StepMeta, phase: Phase) -> LiveGuard {
        self.with(|state| {
            let fresh = LiveStep { about, phase, text: String::new(), reasoning: String::new(), asked: 0, version: 1 };
            state.steps.insert(step.clone(), fresh);
        });
        LiveGuard { live: self.clone(), step }
    }

    /// Notifies of every change; the value has no meaning.
    #[must_use]
    pub fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// True while this step is in progress.
    #[must_use]
    pub fn has(&self, step: &StepId) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).steps.contains_key(step)
    }

    /// Reports an engine error to every subscriber.
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
    /// Discards the text, because the model is called again.
    pub fn restart(&self) {
        self.change(|live| {
            live.asked += 1;
            live.text.clear();
            live.reasoning.clear();
        });
    }

    /// Sets the phase.
    pub fn phase(&self, phase: Phase) {
        self.change(|live| live.phase = phase);
    }

    /// Appends text.
    pub fn text(&self, more: &str) {
        self.change(|live| {
            live.phase = Phase::Speaking;
            live.text.push_str(more);
        });
    }

    /// Appends reasoning.
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

/// The most bytes of a step's text, and of its reasoning, in one update. A subscriber that comes late to a long answer
/// gets it in several.
const UPDATE_BYTES: usize = 16 << 10;

/// What one subscriber has seen of the steps in progress.
#[derive(Default)]
pub struct StreamCursor {
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

impl StreamCursor {
    /// The updates this subscriber has not seen, ended steps first. Without `steps`, only errors of the engine.
    pub fn poll(&mut self, live: &StreamingSteps, steps: bool) -> Vec<Update> {
        let state = live.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        if steps {
            self.poll_steps(&state, &mut news);
        }
        if let Some((number, text)) = state.trouble.as_ref().filter(|(number, _)| *number > self.troubles) {
            self.troubles = *number;
            news.push(Update::Trouble { text: text.clone() });
        }
        news
    }

    fn poll_steps(&mut self, state: &State, news: &mut Vec<Update>) {
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
            let (text, reasoning) = (piece(&step.text, seen.text), piece(&step.reasoning, seen.reasoning));
            seen.asked = step.asked;
            seen.text += text.len();
            seen.reasoning += reasoning.len();
            if (seen.text, seen.reasoning) == (step.text.len(), step.reasoning.len()) {
                seen.version = step.version;
            }
            let StepMeta { run, root, conversation, agent, name } = step.about.clone();
            news.push(Update::Live(LiveUpdate {
                step: id.clone(),
                run,
                root,
                conversation,
                agent,
                name,
                phase: step.phase.clone(),
                text: text.to_owned(),
                reasoning: reasoning.to_owned(),
            }));
        }
    }
}

/// The next piece of a text from this byte on.
fn piece(text: &str, from: usize) -> &str {
    &text[from..text.floor_char_boundary(from + UPDATE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_discarded_or_becomes_reasoning_is_read_again_from_its_beginning() {
        let live = StreamingSteps::default();
        let about = StepMeta {
            run: "run-1".into(),
            root: "run-1".into(),
            conversation: "talk".into(),
            agent: "agent-ann".into(),
            name: "ann".to_owned(),
        };
        let step = live.begin("step-1".into(), about, Phase::Thinking);
        let mut watcher = StreamCursor::default();
        let mut seen = || -> Vec<String> {
            let told = |update| match update {
                Update::Over { step } => format!("{step} is over"),
                Update::Live(live) => format!("{}|{}", live.reasoning, live.text),
                other => panic!("{other:?}"),
            };
            watcher.poll(&live, true).into_iter().map(told).collect()
        };
        step.text("abc");
        assert_eq!(seen(), ["|abc"]);
        step.restart();
        step.text("de");
        assert_eq!(seen(), ["step-1 is over", "|de"]);
        step.text_was_reasoning();
        step.text("f");
        assert_eq!(seen(), ["step-1 is over", "de|f"]);
        step.text("g");
        assert_eq!(seen(), ["|g"]);
    }
}
