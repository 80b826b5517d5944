//! The lines on the owner's socket: one JSON object each.
//!
//! ```text
//! client  {"hello":{"version":2}}   {"ask":{"id":1,"request":{…}}}            {"follow":{"after":7}}
//! owner   {"hello":{"version":2,"program":"worker"}}   {"begun":{"id":1}} {"reply":{"id":1,…}}   {"update":{…}} …
//! ```
//!
//! A request is begun when the client has been told so; replies come in the order in which they are ready. A client that
//! follows sends nothing more. `{"fault":{…}}` and `{"cut_off":{…}}` end a connection.

use serde::{Deserialize, Serialize};

use crate::engine::connection::Program;
use crate::engine::protocol::{Filter, Reply, Request, RequestError, Update};

/// The version of these lines and of the values in them. Raised by every change that an older program cannot read.
pub(super) const VERSION: u32 = 4;

/// The maximum size of a line of a client, in bytes.
pub(super) const REQUEST_BYTES: usize = 8 * 1024 * 1024;
/// The maximum size of a line of an owner, in bytes.
pub(super) const REPLY_BYTES: usize = 256 * 1024 * 1024;

/// Requests of one connection that are carried out at the same time. A client keeps the next ones back, so that each one
/// it sends is begun at once.
pub(super) const AT_ONCE: usize = 32;

/// A line of a client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToOwner {
    /// The first line: which protocol the client speaks.
    Hello { version: u32 },
    /// A request; `id` is the client's own.
    Ask { id: u64, request: Request },
    /// From now on, updates after this change number.
    Follow {
        after: u64,
        #[serde(default)]
        filter: Filter,
    },
}

/// A line of an owner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromOwner {
    /// The first line: which protocol the owner speaks, and what it is.
    Hello {
        version: u32,
        #[serde(default)]
        program: Program,
    },
    /// The request with this id is carried out from here on, whether or not the client waits for the reply.
    Begun { id: u64 },
    /// The request was carried out.
    Reply { id: u64, reply: Reply },
    /// The request failed.
    Refused { id: u64, fault: RequestError },
    /// An update to a follower.
    Update(Update),
    /// The follower did not read; it can follow again from its last update.
    CutOff { text: String },
    /// The connection ends, for this reason.
    Fault(RequestError),
}

/// The line of a value, with its end.
///
/// # Errors
/// [`std::io::Error`] if the value is no JSON.
pub(super) fn line(value: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::other)?;
    line.push(b'\n');
    Ok(line)
}

/// The sentence for a program of another version.
pub(super) fn other_version(theirs: Option<u32>) -> RequestError {
    let theirs = theirs.map_or_else(|| "another version".to_owned(), |version| format!("version {version}"));
    RequestError::new(format!(
        "the program that owns the store and this one are different versions of nightdesk (protocol {theirs} and \
         {VERSION}); end the older one and start it anew"
    ))
}
