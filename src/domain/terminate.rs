//! Termination conditions of turns, as data. Every group may have one, whatever its pattern.
//!
//! A new condition is one file here, which holds its [`Condition`], and one line in `termination_conditions!`. The
//! form in the store and in team files is that of the enum: `{"tokens": 20000}`.

mod external;
mod max_turns;
mod seconds;
#[cfg(test)]
mod silent;
mod speaker;
mod text;
mod to_user;
mod tokens;
mod tool;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AgentId, StopReason};

pub use to_user::RETURN_TO_USER;

/// What has happened in a turn so far: the input of the conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnProgress {
    /// The number of finished speeches, including passes and failures.
    pub speeches: usize,
    /// The agents of the finished speeches in order, without passes and failures.
    pub spoke: Vec<AgentId>,
    /// The texts agents said, in order.
    pub said: Vec<String>,
    /// The names of the tools that were called successfully, in order.
    pub called: Vec<String>,
    /// Input and output tokens.
    pub tokens: u64,
    /// Whole seconds since the turn began.
    pub seconds: u64,
    /// External signals sent to the turn.
    pub signals: Vec<String>,
    /// Short names of the agents that took part.
    pub names: BTreeMap<AgentId, String>,
    /// The name of the agent that last returned the turn to the user, and its reason.
    pub handed_back: Option<(String, String)>,
}

/// A kind of condition: everything other modules need to know about it.
#[derive(Debug)]
pub struct Condition<T: 'static> {
    /// The kind of its argument.
    pub argument: ArgumentKind,
    /// The stop reason of a turn that it ends.
    pub stop: StopReason,
    /// True when it needs the speeches of the turn, which costs a query of its runs.
    pub needs_speeches: bool,
    /// Returns whether the condition holds.
    pub holds: fn(&T, &TurnProgress) -> bool,
    /// Returns the explanation, once the condition holds.
    pub why: fn(&T, &TurnProgress) -> Why,
}

/// The explanation of an ended turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The sentence of the stop reason, followed by this argument in parentheses.
    With(String),
    /// This sentence instead of that of the stop reason.
    Instead(String),
    /// The sentence of the stop reason.
    Plain,
}

/// The kind of a condition's argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A number of occurrences: a `u32`, 1 or more.
    Times,
    /// An amount: a `u64`, 1 or more.
    Amount,
    /// A text that is not blank.
    Word,
    /// The name of a tool.
    Tool,
    /// An agent: its id; in team files its name.
    Agent,
    /// Always `true`; a condition that does not apply is left out.
    True,
}

/// The argument of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// For [`ArgumentKind::Times`] and [`ArgumentKind::Amount`].
    Number(u64),
    /// For [`ArgumentKind::Word`] and [`ArgumentKind::Tool`].
    Text(String),
    /// For [`ArgumentKind::Agent`].
    Agent(AgentId),
    /// For [`ArgumentKind::True`].
    Truth(bool),
}

/// An argument type of conditions.
trait Value: Sized {
    fn to_argument(&self) -> Argument;

    fn from_argument(argument: Argument) -> Option<Self>;

    fn agent(&self) -> Option<&AgentId> {
        None
    }
}

impl Value for u32 {
    fn to_argument(&self) -> Argument {
        Argument::Number((*self).into())
    }

    fn from_argument(argument: Argument) -> Option<Self> {
        if let Argument::Number(number) = argument { number.try_into().ok() } else { None }
    }
}

impl Value for u64 {
    fn to_argument(&self) -> Argument {
        Argument::Number(*self)
    }

    fn from_argument(argument: Argument) -> Option<Self> {
        if let Argument::Number(number) = argument { Some(number) } else { None }
    }
}

impl Value for String {
    fn to_argument(&self) -> Argument {
        Argument::Text(self.clone())
    }

    fn from_argument(argument: Argument) -> Option<Self> {
        if let Argument::Text(text) = argument { Some(text) } else { None }
    }
}

impl Value for AgentId {
    fn to_argument(&self) -> Argument {
        Argument::Agent(self.clone())
    }

    fn from_argument(argument: Argument) -> Option<Self> {
        if let Argument::Agent(agent) = argument { Some(agent) } else { None }
    }

    fn agent(&self) -> Option<&AgentId> {
        Some(self)
    }
}

impl Value for bool {
    fn to_argument(&self) -> Argument {
        Argument::Truth(*self)
    }

    fn from_argument(argument: Argument) -> Option<Self> {
        if let Argument::Truth(truth) = argument { Some(truth) } else { None }
    }
}

/// The list of conditions, one line each: the variant with its argument type, the module that holds its `CONDITION`
/// and whose name is its key, and the sentence of the stop reason with the same name. `ends`: only this condition
/// uses the reason. `shares`: patterns use it, too.
macro_rules! termination_conditions {
    ($with:ident) => {
        $with! {
            /// The turn has this many speeches.
            MaxTurns(u32) max_turns shares "the limit on speeches was reached";
            /// An agent has said this text.
            Text(String) text ends "the text that ends the turn was said";
            /// This agent has spoken.
            Speaker(AgentId) speaker ends "the agent that ends the turn has spoken";
            /// The turn has used this many input and output tokens.
            Tokens(u64) tokens ends "the token limit was reached";
            /// This many seconds have passed since the turn began.
            Seconds(u64) seconds ends "the time limit was reached";
            /// This tool was called successfully.
            Tool(String) tool ends "the tool that ends the turn was called";
            /// An agent returned the turn to the user with the tool `return_to_user`.
            ToUser(bool) to_user ends "an agent returned it to you";
            /// This external signal was sent to the turn.
            External(String) external ends "an external signal ended it";
            /// Only in tests.
            #[cfg(test)]
            Silent(u32) silent ends "nobody has anything to say any more";
        }
    };
}
pub(crate) use termination_conditions;

macro_rules! define_conditions {
    ($(
        $(#[doc = $doc:literal])* $(#[cfg($cfg:meta)])?
        $variant:ident($type:ty) $module:ident $whose:ident $sentence:literal;
    )*) => {
        /// A condition that ends a turn. It is evaluated before and after each step.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum TerminationCondition {
            /// At least one of these holds.
            Any(Vec<Self>),
            /// All of these hold.
            All(Vec<Self>),
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant($type),)*
        }

        impl TerminationCondition {
            /// The keys of all conditions.
            pub const KEYS: &[&str] = &["any", "all", $($(#[cfg($cfg)])? stringify!($module)),*];

            /// A sentence about the condition with this key.
            #[must_use]
            pub fn doc(key: &str) -> &'static str {
                $($(#[cfg($cfg)])? if key == stringify!($module) {
                    return concat!($($doc),*).trim_ascii();
                })*
                if key == "any" { "At least one of these holds." } else { "All of these hold." }
            }

            /// The kind of argument of the condition with this key; `None` for `any`, `all` and unknown keys.
            #[must_use]
            pub fn argument_kind(key: &str) -> Option<ArgumentKind> {
                $($(#[cfg($cfg)])? if key == stringify!($module) {
                    return Some($module::CONDITION.argument);
                })*
                None
            }

            /// The condition with this key and argument; `None` if the argument has the wrong kind.
            #[must_use]
            pub fn with_argument(key: &str, argument: Argument) -> Option<Self> {
                $($(#[cfg($cfg)])? if key == stringify!($module) {
                    return <$type>::from_argument(argument).map(Self::$variant);
                })*
                None
            }

            /// Its key and its argument; `None` for `any` and `all`.
            #[must_use]
            pub fn argument(&self) -> Option<(&'static str, Argument)> {
                match self {
                    Self::Any(_) | Self::All(_) => None,
                    $($(#[cfg($cfg)])? Self::$variant(value) => Some((stringify!($module), value.to_argument())),)*
                }
            }

            /// Its own agent argument, without those of nested conditions.
            fn agent(&self) -> Option<&AgentId> {
                match self {
                    Self::Any(_) | Self::All(_) => None,
                    $($(#[cfg($cfg)])? Self::$variant(value) => Value::agent(value),)*
                }
            }

            /// The stop reason if the turn ends now. For `all`, it is that of the last nested condition.
            #[must_use]
            pub fn evaluate(&self, progress: &TurnProgress) -> Option<StopReason> {
                match self {
                    Self::Any(all) => all.iter().find_map(|one| one.evaluate(progress)),
                    Self::All(all) => {
                        let met: Option<Vec<StopReason>> = all.iter().map(|one| one.evaluate(progress)).collect();
                        met.and_then(|reasons| reasons.last().copied())
                    }
                    $($(#[cfg($cfg)])? Self::$variant(value) => {
                        ($module::CONDITION.holds)(value, progress).then_some($module::CONDITION.stop)
                    })*
                }
            }

            /// True when it or a nested condition needs the speeches of the turn.
            #[must_use]
            pub fn needs_speeches(&self) -> bool {
                match self {
                    Self::Any(all) | Self::All(all) => all.iter().any(Self::needs_speeches),
                    $($(#[cfg($cfg)])? Self::$variant(_) => $module::CONDITION.needs_speeches,)*
                }
            }

            /// The explanation for this stop reason, from the first condition that holds with it.
            #[must_use]
            pub fn why(&self, stop: StopReason, progress: &TurnProgress) -> Why {
                let tells = |one: &Self| match one {
                    Self::Any(_) | Self::All(_) => None,
                    $($(#[cfg($cfg)])? Self::$variant(value) => {
                        (one.evaluate(progress) == Some(stop)).then(|| ($module::CONDITION.why)(value, progress))
                    })*
                };
                self.each().find_map(tells).unwrap_or(Why::Plain)
            }
        }
    };
}
termination_conditions!(define_conditions);

impl TerminationCondition {
    /// Iterates over this condition and all nested ones.
    pub fn each(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Any(all) | Self::All(all) => Box::new(std::iter::once(self).chain(all.iter().flat_map(Self::each))),
            _ => Box::new(std::iter::once(self)),
        }
    }

    /// Replaces every agent in it by the result of `name`.
    ///
    /// # Errors
    /// The first error of `name`.
    pub fn try_with_speakers<E>(self, name: &mut impl FnMut(AgentId) -> Result<AgentId, E>) -> Result<Self, E> {
        let mut all = |many: Vec<Self>| -> Result<Vec<Self>, E> {
            many.into_iter().map(|one| one.try_with_speakers(name)).collect()
        };
        match self {
            Self::Any(many) => Ok(Self::Any(all(many)?)),
            Self::All(many) => Ok(Self::All(all(many)?)),
            one => match one.argument() {
                Some((key, Argument::Agent(agent))) => {
                    Ok(Self::with_argument(key, Argument::Agent(name(agent)?)).unwrap_or(one))
                }
                _ => Ok(one),
            },
        }
    }

    /// The agents named in it.
    pub fn speakers(&self) -> impl Iterator<Item = &AgentId> {
        self.each().filter_map(Self::agent)
    }

    /// Checks that it can both hold and not hold.
    ///
    /// # Errors
    /// One sentence about an empty list, a blank text, a zero or a `false`.
    pub fn check(&self) -> Result<(), String> {
        self.each().try_for_each(|one| match (one, one.argument()) {
            (Self::Any(all) | Self::All(all), _) if all.is_empty() => {
                Err("terminate: any and all need at least one condition".to_owned())
            }
            (_, Some((key, Argument::Text(text)))) if text.trim().is_empty() => {
                Err(format!("terminate: {key} needs a word"))
            }
            (_, Some((key, Argument::Number(0)))) => Err(format!("terminate: {key} is 1 or more")),
            (_, Some((key, Argument::Truth(false)))) => Err(format!("terminate: {key} is true or left out")),
            _ => Ok(()),
        })
    }
}

/// Formats a number with thousands separators.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn so_far() -> TurnProgress {
        TurnProgress { tokens: 100, seconds: 5, said: vec!["so that is all".to_owned()], ..TurnProgress::default() }
    }

    #[test]
    fn any_ends_with_the_first_that_holds_and_all_with_the_last_of_them() {
        let text = || TerminationCondition::Text("that is all".to_owned());
        let any = TerminationCondition::Any(vec![
            TerminationCondition::Tokens(1_000),
            text(),
            TerminationCondition::Seconds(1),
        ]);
        assert_eq!(any.evaluate(&so_far()), Some(StopReason::Text));
        let all = TerminationCondition::All(vec![text(), TerminationCondition::Seconds(5)]);
        assert_eq!(all.evaluate(&so_far()), Some(StopReason::Seconds));
        let not_all = TerminationCondition::All(vec![text(), TerminationCondition::Seconds(6)]);
        assert_eq!(not_all.evaluate(&so_far()), None);
    }

    #[test]
    fn it_reads_as_the_team_file_writes_it() {
        let written = r#"{"any": [{"tokens": 20000}, {"seconds": 600}, {"text": "that is all"}, {"to_user": true}]}"#;
        let read: TerminationCondition = serde_json::from_str(written).unwrap();
        let text = TerminationCondition::Text("that is all".to_owned());
        assert_eq!(
            read,
            TerminationCondition::Any(vec![
                TerminationCondition::Tokens(20_000),
                TerminationCondition::Seconds(600),
                text,
                TerminationCondition::ToUser(true)
            ])
        );
        assert!(read.has_return());
    }

    #[test]
    fn a_condition_that_always_or_never_holds_is_refused() {
        for bad in [
            TerminationCondition::Any(Vec::new()),
            TerminationCondition::All(vec![TerminationCondition::Any(Vec::new())]),
            TerminationCondition::Text(" ".to_owned()),
            TerminationCondition::MaxTurns(0),
            TerminationCondition::Tokens(0),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_condition_is_made_of_its_key_and_its_argument_and_gives_them_back() {
        for key in TerminationCondition::KEYS.iter().filter(|key| !["any", "all"].contains(key)) {
            let argument = match TerminationCondition::argument_kind(key).unwrap() {
                ArgumentKind::Times | ArgumentKind::Amount => Argument::Number(3),
                ArgumentKind::Word | ArgumentKind::Tool => Argument::Text("word".to_owned()),
                ArgumentKind::Agent => Argument::Agent(AgentId::from("agent-1")),
                ArgumentKind::True => Argument::Truth(true),
            };
            let made = TerminationCondition::with_argument(key, argument.clone()).unwrap();
            assert_eq!(made.argument(), Some((*key, argument)));
            let written = serde_json::to_value(&made).unwrap();
            assert_eq!(written.as_object().unwrap().keys().collect::<Vec<_>>(), [key], "the key is that of serde");
            assert_eq!(serde_json::from_value::<TerminationCondition>(written).unwrap(), made);
            assert_eq!(made.evaluate(&TurnProgress::default()), None, "{key}: nothing has happened");
        }
        assert_eq!(TerminationCondition::with_argument("tokens", Argument::Truth(true)), None);
        assert_eq!(TerminationCondition::argument_kind("any"), None);
    }

    #[test]
    fn a_condition_that_is_added_ends_turns_with_its_reason_and_its_words() {
        let progress = TurnProgress { speeches: 3, spoke: vec![AgentId::from("a")], ..TurnProgress::default() };
        let two = TerminationCondition::Any(vec![TerminationCondition::Tokens(9), TerminationCondition::Silent(2)]);
        assert_eq!(two.evaluate(&progress), Some(StopReason::Silent));
        assert!(two.needs_speeches());
        assert_eq!(two.why(StopReason::Silent, &progress), Why::With("2".to_owned()));
        assert_eq!(StopReason::Silent.sentence(), "nobody has anything to say any more");
        assert!(StopReason::Silent.is_condition());
        assert_eq!(StopReason::named("silent"), Some(StopReason::Silent));
        assert_eq!(TerminationCondition::Silent(0).check(), Err("terminate: silent is 1 or more".to_owned()));
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        let read = [0, 12, 999, 1_000, 20_000, 1_234_567].map(with_commas);
        assert_eq!(read, ["0", "12", "999", "1,000", "20,000", "1,234,567"]);
    }
}
