//! Nightdesk: a terminal workbench for groups of agents.

pub mod config;
pub mod tui;
