//! The terminal face: what is drawn, and how it looks.
//!
//! [`text`] makes any text safe and turns it into rows, [`theme`] turns roles into styles, [`glyph`] holds
//! the signs. None of them knows the domain.

pub mod glyph;
pub mod text;
pub mod theme;
