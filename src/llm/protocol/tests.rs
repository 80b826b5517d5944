//! Properties that hold for all protocols.

mod answers;
mod marks;
mod requests;
#[path = "../../../tests/support/valid.rs"]
mod valid;
