//! What the protocols promise, over all of them.

mod answers;
mod requests;
