//! Which model a name means.

/// A model as the engine holds it.
#[derive(Debug, Clone)]
pub struct ModelHandle;

/// The models by name.
#[derive(Debug, Clone)]
pub struct Models;
