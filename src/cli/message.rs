//! `nightdesk message`: lists, finds and exports the messages of conversations.

mod export;
mod search;

use jiff::Timestamp;
use serde::Serialize;

use super::paths::Paths;
use super::print::Out;
use super::roster::{Roster, Whose, conversation};
use super::{CliError, Exit};
use crate::domain::{AgentId, Content, Message, MessageId, RunId};

/// Subcommands of `message`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the messages of a conversation, oldest first.
    List {
        /// Group or agent of the conversation.
        #[command(flatten)]
        whose: Whose,
        /// List only messages with a higher number than SEQ.
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        since: u64,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Find messages by their words, newest first, in all conversations.
    Search(search::Arguments),
    /// Print a whole conversation as Markdown or JSON.
    Export {
        /// Group or agent of the conversation.
        #[command(flatten)]
        whose: Whose,
        /// Format to print.
        #[arg(long, value_enum, default_value_t = export::Format::Markdown)]
        format: export::Format,
    },
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a MessageId,
    seq: u64,
    run: &'a Option<RunId>,
    role: &'static str,
    agent: Option<&'a str>,
    agent_id: &'a Option<AgentId>,
    text: &'a str,
    created_at: Timestamp,
}

/// Runs a subcommand of `message`.
///
/// # Errors
/// The group or agent is unknown, or the store cannot be read.
pub async fn message(places: &Paths, command: &Command, out: &mut Out) -> Result<Exit, CliError> {
    match command {
        Command::List { whose, since, json } => list(places, whose, *since, *json, out).await,
        Command::Search(arguments) => search::search(places, arguments, out).await,
        Command::Export { whose, format } => export::export(places, whose, *format, out).await,
    }
}

async fn list(places: &Paths, whose: &Whose, since: u64, json: bool, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let now = handle.overview().await?;
    let with = Roster::of(&now).address(whose)?;
    let messages = match conversation(&now, &with) {
        Some(talk) => handle.messages(talk.id.clone(), since.saturating_add(1), u64::MAX).await?,
        None => Vec::new(),
    };
    if json {
        out.json(&messages.iter().map(row).collect::<Vec<_>>())?;
    } else {
        for message in &messages {
            out.line(&line(message))?;
        }
    }
    Ok(Exit::Done)
}

fn row(message: &Message) -> Row<'_> {
    Row {
        id: &message.id,
        seq: message.seq,
        run: &message.run,
        role: message.role(),
        agent: message.agent.as_ref().map(|_| message.name.as_str()),
        agent_id: &message.agent,
        text: message.text(),
        created_at: message.at,
    }
}

fn line(message: &Message) -> String {
    let who = who(message);
    let text = message.text().trim_end().replace('\n', "\n    ");
    match &message.content {
        Content::Text { cancelled: true, .. } => format!("{} {who}: {text} (cancelled)", message.seq),
        Content::Text { .. } => format!("{} {who}: {text}", message.seq),
        Content::Tool { name, arguments, .. } => format!("{} {who} [{name} {arguments}] {text}", message.seq),
        Content::Notice { .. } => format!("{} [{}]", message.seq, message.stated().replace('\n', "\n    ")),
    }
}

/// The author of a message, as the command line names it.
fn who(message: &Message) -> &str {
    match (&message.agent, message.name.as_str()) {
        (None, "") => "you",
        (_, name) => name,
    }
}
