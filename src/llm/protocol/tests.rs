//! Properties that hold for all protocols.

mod answers;
mod requests;
