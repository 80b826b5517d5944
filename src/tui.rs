//! The workbench.

pub mod glyph;
pub mod term;
pub mod text;
pub mod theme;
