//! What ends a turn, as data: any group may carry it, whatever its pattern.
//!
//! A new condition is one file here, which holds its [`Condition`], and its line in [`termination_conditions`]. The
//! JSON in the store and the form in files are those of the enum: `{"tokens": 20000}`.

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

/// What has happened in a turn, as far as conditions ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnProgress {
    /// Speeches that are over, also those in which nothing was said.
    pub speeches: usize,
    /// Who has spoken, in order: speeches that are over, without passes and failures.
    pub spoke: Vec<AgentId>,
    /// What agents said, in order.
    pub said: Vec<String>,
    /// The tools that were called and did not fail, in order.
    pub called: Vec<String>,
    /// Tokens read and written.
    pub tokens: u64,
    /// Whole seconds since the turn began.
    pub seconds: u64,
    /// What somebody outside said for the turn.
    pub signals: Vec<String>,
    /// What those who took part are called.
    pub names: BTreeMap<AgentId, String>,
    /// Who gave the turn back to the user last, by name, and what for.
    pub handed_back: Option<(String, String)>,
}

/// A kind of condition: all that is known of it outside its file.
#[derive(Debug)]
pub struct Condition<T: 'static> {
    /// What it is given.
    pub argument: ArgumentKind,
    /// How a turn ends that it ends.
    pub stop: StopReason,
    /// True where it asks for the speeches of the turn, which cost a look at its runs.
    pub needs_speeches: bool,
    /// Whether it holds.
    pub holds: fn(&T, &TurnProgress) -> bool,
    /// Why the turn ends, once it holds.
    pub why: fn(&T, &TurnProgress) -> Why,
}

/// Why a condition ends a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The sentence of its stop reason, with what it was set to.
    With(String),
    /// This instead of the sentence.
    Instead(String),
    /// The sentence alone.
    Plain,
}

/// What a condition is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// How often: a `u32`, 1 or more.
    Times,
    /// How much: a `u64`, 1 or more.
    Amount,
    /// A text that is not blank.
    Word,
    /// The name of a tool.
    Tool,
    /// An agent: its id, in files its name.
    Agent,
    /// `true`: it is left out where it is not meant.
    True,
}

/// The argument of a condition, whatever it is.
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

/// A type that conditions have as their argument.
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

/// The list of conditions, one line each: the variant with the type of its argument, the module that holds its
/// `CONDITION` and whose name is its key, and the sentence of the stop reason of its name: a reason that it `ends`
/// turns with alone, or `shares` with patterns that end turns so, too.
macro_rules! termination_conditions {
    ($with:ident) => {
        $with! {
            /// So many speeches are over.
            MaxTurns(u32) max_turns shares "the speeches of the turn are spent";
            /// An agent has said this.
            Text(String) text ends "the text that ends the turn was said";
            /// This agent has spoken.
            Speaker(AgentId) speaker ends "the agent whose word is the last has spoken";
            /// So many tokens were read and written.
            Tokens(u64) tokens ends "the tokens of the turn are spent";
            /// So many seconds have gone since the turn began.
            Seconds(u64) seconds ends "the time of the turn is over";
            /// This tool was called, and did not fail.
            Tool(String) tool ends "the tool that ends the turn was called";
            /// An agent gave the turn back to the user, with the tool `return_to_user`.
            ToUser(bool) to_user ends "it was handed back to you";
            /// Somebody outside said this word for the turn.
            External(String) external ends "it was told to end from outside";
            /// What the tests add.
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
        /// A condition that ends a turn. It is looked at before and after each step.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum TerminationCondition {
            /// One of these holds.
            Any(Vec<Self>),
            /// All of these hold.
            All(Vec<Self>),
            $($(#[doc = $doc])* $(#[cfg($cfg)])? $variant($type),)*
        }

        impl TerminationCondition {
            /// The key of every condition.
            pub const KEYS: &[&str] = &["any", "all", $($(#[cfg($cfg)])? stringify!($module)),*];

            /// What a condition of this key says, in a sentence.
            #[must_use]
            pub fn doc(key: &str) -> &'static str {
                $($(#[cfg($cfg)])? if key == stringify!($module) {
                    return concat!($($doc),*).trim_ascii();
                })*
                if key == "any" { "One of these holds." } else { "All of these hold." }
            }

            /// What a condition of this key is given; `None` for `any`, `all` and what is no key.
            #[must_use]
            pub fn argument_kind(key: &str) -> Option<ArgumentKind> {
                $($(#[cfg($cfg)])? if key == stringify!($module) {
                    return Some($module::CONDITION.argument);
                })*
                None
            }

            /// The condition of this key with this argument; `None` where they do not fit.
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

            /// The agent in it, not in others inside it.
            fn agent(&self) -> Option<&AgentId> {
                match self {
                    Self::Any(_) | Self::All(_) => None,
                    $($(#[cfg($cfg)])? Self::$variant(value) => Value::agent(value),)*
                }
            }

            /// The reason for which the turn ends now, if it does. Where all of several have to hold, it is that of
            /// the last of them.
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

            /// True where it, or one in it, asks for the speeches of the turn.
            #[must_use]
            pub fn needs_speeches(&self) -> bool {
                match self {
                    Self::Any(all) | Self::All(all) => all.iter().any(Self::needs_speeches),
                    $($(#[cfg($cfg)])? Self::$variant(_) => $module::CONDITION.needs_speeches,)*
                }
            }

            /// Why the turn ends for this reason: as the first that holds puts it.
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
    /// Every condition in it, itself included.
    pub fn each(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Any(all) | Self::All(all) => Box::new(std::iter::once(self).chain(all.iter().flat_map(Self::each))),
            _ => Box::new(std::iter::once(self)),
        }
    }

    /// The same with each agent in it put through this.
    ///
    /// # Errors
    /// What `name` refuses refuses all.
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

    /// The agents in it.
    pub fn speakers(&self) -> impl Iterator<Item = &AgentId> {
        self.each().filter_map(Self::agent)
    }

    /// What is wrong with it, if anything.
    ///
    /// # Errors
    /// An empty list, an empty text, a zero, a `false`: one sentence.
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

/// A number with a comma at every thousand.
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
