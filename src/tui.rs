//! The terminal workbench: what is shown, what a key does, and how both reach the terminal.
//!
//! [`app`] is the workbench as plain data: a pure `update` and a `view`. It is made of [`pane`]s, [`dialog`]s
//! and the [`composer`] over the [`model`], a mirror of the engine. [`command`] is the one table of commands,
//! [`effect`] what goes in, what is asked and what goes out, [`layout`] where everything stands, [`render`]
//! what drawing needs. [`text`] makes any text safe and turns it into rows, [`theme`] turns roles into styles,
//! [`glyph`] holds the signs. [`term`] owns the terminal itself and is the only module that knows escape
//! sequences.

pub mod app;
pub mod command;
pub mod composer;
pub mod dialog;
pub mod effect;
pub mod field;
pub mod glyph;
pub mod layout;
pub mod model;
pub mod pane;
pub mod render;
pub mod run;
pub mod session;
pub mod term;
pub mod text;
pub mod theme;
