//! The models of an agent: its own, and those that are asked while the provider of its own is down or fails (J7).
//!
//! Each step begins with the agent's own model again, unless its provider is marked down. So when the pause of that is
//! over, the next step is the probe, and the agent's own model answers again as soon as it can.

use super::Engine;
use crate::domain::Agent;
use crate::llm::{ModelError, ModelHandle};

/// A model by its name.
pub struct NamedModel {
    /// `provider/model`, as it is configured.
    pub name: String,
    /// The model.
    pub handle: ModelHandle,
}

/// The models of an agent.
pub struct AgentModels {
    /// Its own.
    pub own: NamedModel,
    /// Those that are asked instead, in order.
    pub fallbacks: Vec<NamedModel>,
}

impl NamedModel {
    /// True while its provider is marked down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.handle.paused_for().is_some()
    }
}

impl AgentModels {
    /// All of them, in the order in which they are asked.
    pub fn all(&self) -> impl Iterator<Item = &NamedModel> {
        std::iter::once(&self.own).chain(&self.fallbacks)
    }

    /// The one that is asked first now: the first whose provider is not down, or its own if all are.
    #[must_use]
    pub fn first(&self) -> &NamedModel {
        self.all().find(|model| !model.is_down()).unwrap_or(&self.own)
    }
}

impl Engine {
    /// The models of this agent. A fallback model that does not exist is left out.
    ///
    /// # Errors
    /// The [`ModelError`] of its own model, if that does not exist.
    pub(super) async fn models_of(&self, agent: &Agent) -> Result<AgentModels, ModelError> {
        let name = agent.model.clone().unwrap_or_else(|| self.default_model());
        let own = NamedModel { handle: self.models.find(&name).await?, name };
        let mut fallbacks = Vec::new();
        for name in agent.fallback_models.iter().filter(|name| **name != own.name) {
            match self.models.find(name).await {
                Ok(handle) => fallbacks.push(NamedModel { name: name.clone(), handle }),
                Err(fault) => tracing::debug!(agent = %agent.name, "{fault}; this fallback model is left out"),
            }
        }
        Ok(AgentModels { own, fallbacks })
    }
}
