//! Ids in Letta's form: a prefix and a UUID v4. Ids have no order; `n` and `seq` have.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The prefix of every id of this kind, without the dash.
            pub const PREFIX: &'static str = $prefix;

            /// Generates a new id.
            #[must_use]
            pub fn fresh(ids: &Ids) -> Self {
                Self(format!(concat!($prefix, "-{}"), ids.uuid()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )*};
}

ids! {
    /// An agent.
    AgentId "agent";
    /// A group.
    GroupId "group";
    /// A block.
    BlockId "block";
    /// A conversation.
    ConversationId "conversation";
    /// A message.
    MessageId "message";
    /// A run: a turn, a speech, a choice or a job.
    RunId "run";
    /// A step.
    StepId "step";
    /// A job.
    JobId "job";
    /// A trigger.
    TriggerId "trigger";
    /// What a source read.
    ReadingId "reading";
    /// A piece of mail.
    MailId "mail";
    /// A person.
    PersonId "person";
}

/// The source of new ids: the operating system's randomness, or a seed in tests.
#[derive(Clone, Debug, Default)]
pub struct Ids(Option<std::sync::Arc<std::sync::atomic::AtomicU64>>);

impl Ids {
    /// Random ids.
    #[must_use]
    pub fn random() -> Self {
        Self(None)
    }

    /// Ids that depend only on the seed and the order of calls.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Some(std::sync::Arc::new(std::sync::atomic::AtomicU64::new(seed << 32))))
    }

    fn uuid(&self) -> uuid::Uuid {
        match &self.0 {
            None => uuid::Uuid::new_v4(),
            Some(next) => {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let bytes = (u128::from(n) << 64 | u128::from(n)).to_be_bytes();
                uuid::Builder::from_random_bytes(bytes).into_uuid()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_lettas_form_with_a_version_4_uuid() {
        for ids in [Ids::random(), Ids::seeded(7)] {
            let id = AgentId::fresh(&ids);
            let uuid = id.0.strip_prefix("agent-").and_then(|text| uuid::Uuid::parse_str(text).ok());
            assert_eq!(uuid.map(|uuid| uuid.get_version_num()), Some(4), "{id}");
        }
    }

    #[test]
    fn seeded_ids_repeat_and_differ_from_each_other() {
        let (one, two) = (Ids::seeded(3), Ids::seeded(3));
        let first: Vec<_> = (0..100).map(|_| RunId::fresh(&one)).collect();
        let second: Vec<_> = (0..100).map(|_| RunId::fresh(&two)).collect();
        assert_eq!(first, second);
        assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
    }
}
