//! Checks the stop reason before the text, so that a cut or refused answer is not taken for a pass.

use crate::domain::{Agent, Run, RunKind};
use crate::llm::{Done, ErrorClass, ModelError, Stop, raise};

/// Returns why an agent's answer in a run is unusable; `None` if usable. Nobody reads the text of a job, so its cut
/// answers are unusable.
pub(super) fn fault(run: &Run, agent: &Agent, text: &str, done: &Done, provider: &str) -> Option<ModelError> {
    let background = matches!(run.kind, RunKind::Job { .. });
    let wordless = text.trim().is_empty();
    if !done.calls.is_empty() || !(wordless || background) {
        return None;
    }
    let name = &agent.name;
    let when = if wordless { "before a word was said" } else { "in the middle of the answer" };
    match done.stop {
        Stop::Length => {
            let now = agent.max_tokens.map_or(String::new(), |limit| format!(", now {limit}"));
            let advice = raise(name);
            Some(ModelError::terminal(format!("the token limit of {provider} was spent {when}; {advice}{now}")))
        }
        Stop::Window => {
            let text = format!("the context window of {provider}'s model was full {when}");
            Some(ModelError { class: ErrorClass::TooLong, text, retry_after: None })
        }
        Stop::Refused => Some(ModelError::terminal(format!("{provider} refused to answer; say it in other words"))),
        Stop::Filtered => Some(ModelError::terminal(format!(
            "the content filter of {provider} stopped the answer {when}; say it in other words"
        ))),
        Stop::Paused if wordless => {
            Some(ModelError::transient(format!("{provider} paused its answer before a word was said")))
        }
        // After tool calls an empty answer is fine.
        Stop::Empty | Stop::Unknown if wordless && run.steps == 0 => {
            Some(ModelError::transient(format!("{provider} sent an empty answer")))
        }
        Stop::End | Stop::Calls | Stop::Paused | Stop::Empty | Stop::Unknown => None,
    }
}

/// Returns the notice for a cut answer; `None` if complete.
pub(super) fn notice(agent: &Agent, done: &Done) -> Option<String> {
    if !done.calls.is_empty() {
        return None;
    }
    let name = &agent.name;
    Some(match done.stop {
        Stop::Length => format!("the answer of {name} was cut here by the token limit; {}", raise(name)),
        Stop::Window => format!("the answer of {name} was cut here: the context window of its model is full"),
        Stop::Filtered => format!("the answer of {name} was cut here by the content filter of its provider"),
        Stop::Refused => format!("{name} refused to answer, in these words"),
        Stop::End | Stop::Calls | Stop::Paused | Stop::Empty | Stop::Unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunState;

    #[test]
    fn an_empty_answer_is_a_fault_before_the_first_step_and_none_after_it() {
        let agent = Agent::new("agent-ann".into(), "ann", "group-desk".into());
        let kind = RunKind::Speech { agent: agent.id.clone(), group: None, index: 0 };
        let run = |steps| Run { steps, ..Run::new("run-1".into(), "talk".into(), kind.clone(), RunState::Running) };
        for stop in [Stop::Empty, Stop::Unknown] {
            let done = Done { stop, ..Done::default() };
            let first = fault(&run(0), &agent, " ", &done, "local").map(|fault| (fault.class, fault.text));
            assert_eq!(first, Some((ErrorClass::Transient, "local sent an empty answer".to_owned())));
            assert!(fault(&run(1), &agent, " ", &done, "local").is_none(), "{stop:?}");
        }
    }
}
