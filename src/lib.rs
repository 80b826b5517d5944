//! Nightdesk.

pub mod domain;
