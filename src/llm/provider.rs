//! The real providers.
