//! The terminal workbench: what is shown, what a key does, and how both reach the terminal.
//!
//! [`term`] owns the terminal itself and is the only module that knows escape sequences.

pub mod term;
