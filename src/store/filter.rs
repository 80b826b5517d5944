//! SQL conditions built from the names of enum variants, so that no query repeats them.

use strum::VariantArray;

use crate::domain::RunKindName;
use crate::domain::run::RunStateName;

/// The names of the wanted variants as a list of SQL strings. They are identifiers and need no escaping.
pub(super) fn names<T: VariantArray + Copy + Into<&'static str>>(wanted: impl Fn(T) -> bool) -> String {
    let names = T::VARIANTS.iter().filter(|one| wanted(**one)).map(|one| format!("'{}'", (*one).into()));
    names.collect::<Vec<_>>().join(", ")
}

/// The condition for runs of the wanted kinds in the wanted states, in the form the index uses. A damaged row has no
/// kind and does not match.
pub(super) fn runs(kind: impl Fn(RunKindName) -> bool, state: impl Fn(RunStateName) -> bool) -> String {
    format!("kind IN ({}) AND state IN ({})", names(kind), names(state))
}

/// The condition for unfinished runs of the wanted kinds.
pub(super) fn open_runs(kind: impl Fn(RunKindName) -> bool) -> String {
    runs(kind, |state| !state.is_finished())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::JobStateName;
    use crate::domain::{RunKind, RunState};

    #[test]
    fn the_lists_of_sql_are_the_names_the_rows_have() {
        assert_eq!(
            open_runs(|_| true),
            "kind IN ('turn', 'speech', 'choice', 'job', 'sample') AND state IN ('queued', 'running', 'parked')"
        );
        let kinds = names(RunKindName::makes_steps);
        assert_eq!(kinds, "'speech', 'choice', 'job', 'sample'");
        let turn = serde_json::to_value(RunKind::Turn { group: None, only: None }).unwrap();
        assert_eq!(turn["kind"], <&str>::from(RunKindName::Turn));
        let states = [RunState::Queued, RunState::Running, RunState::Parked];
        for state in states {
            let written = serde_json::to_value(&state).unwrap();
            assert_eq!(written["state"], <&str>::from(RunStateName::from(&state)));
        }
    }

    #[test]
    fn jobs_that_are_not_over_are_those_that_are_in_no_final_state() {
        let open = names(|state: JobStateName| !state.is_final());
        assert_eq!(open, "'available', 'retryable', 'scheduled', 'running', 'parked'");
    }
}
