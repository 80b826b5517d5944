//! Replies from a file.
