//! The terminal workbench: state, commands, layout, drawing and the terminal itself.
//!
//! [`app`] is the workbench as plain data: a pure `update` and a `view`. It is composed of [`pane`]s, [`dialog`]s
//! and the [`composer`] on top of the [`model`], a mirror of the engine. [`command`] is the one table of commands,
//! [`effect`] holds the messages, actions and effects, [`layout`] computes the screen areas, [`render`] holds what
//! all drawing code shares. [`text`] sanitises text and turns it into rows, [`text_box`] is editable text, [`theme`]
//! maps roles to styles, [`glyph`] holds the glyph sets. [`write_file`] writes a text to a file of the user. [`term`]
//! owns the terminal and is the only module that knows escape sequences.

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
pub mod text_box;
pub mod theme;
mod write_file;
