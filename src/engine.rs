//! The engine.

pub mod wire;
