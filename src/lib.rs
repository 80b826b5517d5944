//! Nightdesk: a terminal workbench for groups of agents that keep thinking while you are away.

pub mod config;
