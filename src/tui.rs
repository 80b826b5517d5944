//! The terminal workbench: what is shown, what a key does, and how both reach the terminal.
//!
//! [`term`] owns the terminal itself and is the only module that knows escape sequences. [`text`] makes any
//! text safe and turns it into rows, [`theme`] turns roles into styles, [`glyph`] holds the signs.

pub mod glyph;
pub mod term;
pub mod text;
pub mod theme;
