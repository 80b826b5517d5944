//! Nightdesk.

pub mod agentfile;
pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod llm;
pub mod store;
pub mod tools;
pub mod tui;
