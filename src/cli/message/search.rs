//! `nightdesk message search`: finds messages by their words, speaker and time.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::who;
use crate::cli::paths::Paths;
use crate::cli::print::{self, Out};
use crate::cli::roster::{Roster, Whose, conversation};
use crate::cli::{CliError, Exit, unexpected};
use crate::domain::search::time_span;
use crate::domain::{ConversationId, ConversationOwner, Message, MessageId, MessageQuery, SpeakerRole};
use crate::engine::protocol::{Overview, Reply, Request};

/// Arguments of `message search`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Words that a message contains; the last one may be the beginning of a word.
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,
    /// Search only the conversation of this group.
    #[arg(long, value_name = "GROUP", conflicts_with = "agent")]
    group: Option<String>,
    /// Search only the conversation with this agent: NAME or GROUP/NAME.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// List only what the agent with this short name said.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// List only what people (user) or agents (assistant) said.
    #[arg(long, value_name = "user|assistant", value_parser = role)]
    role: Option<SpeakerRole>,
    /// List only messages from this day or time on: 2026-05-03 or 2026-05-03T14:30.
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// List only messages up to this time, or up to the end of this day.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Most results; at most 1000.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

fn role(text: &str) -> Result<SpeakerRole, String> {
    text.parse().map_err(|_| "write user or assistant".to_owned())
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a MessageId,
    conversation: &'a ConversationId,
    /// Group or agent of the conversation; `null` for the notes of a job.
    of: Option<String>,
    seq: u64,
    role: &'static str,
    agent: Option<&'a str>,
    text: &'a str,
    created_at: Timestamp,
}

/// Finds messages and prints them, newest first.
///
/// # Errors
/// A name is unknown, a date is none, or the store cannot be read.
pub async fn search(places: &Paths, arguments: &Arguments, out: &mut Out) -> Result<Exit, CliError> {
    let zone = TimeZone::system();
    let span = |name: &str, text: &Option<String>| {
        let span = text.as_deref().map(|text| time_span(text, &zone)).transpose();
        span.map_err(|why| CliError::Message(format!("{name}: {why}")))
    };
    let (since, until) = (span("--since", &arguments.since)?, span("--until", &arguments.until)?);
    let handle = places.look()?;
    let now = handle.overview().await?;
    let roster = Roster::of(&now);
    let whose = Whose { group: arguments.group.clone(), agent: arguments.agent.clone() };
    let only = if whose.group.is_some() || whose.agent.is_some() {
        let with = roster.address(&whose)?;
        match conversation(&now, &with) {
            Some(talk) => Some(talk.id.clone()),
            None => return printed(&[], &now, &roster, arguments, out),
        }
    } else {
        None
    };
    let query = MessageQuery {
        roles: arguments.role.into_iter().collect(),
        speaker: arguments.by.clone(),
        since: since.map(|since| since.0),
        before: until.map(|until| until.1),
        ..MessageQuery::new(only, arguments.words.join(" "), arguments.limit)
    };
    let found = match handle.ask(Request::Search(query)).await? {
        Reply::Found(found) => found,
        other => return Err(unexpected(&other)),
    };
    let exit = printed(&found.messages, &now, &roster, arguments, out)?;
    if let Some(note) = found.note() {
        print::note(&note);
    }
    Ok(exit)
}

fn printed(
    messages: &[Message],
    now: &Overview,
    roster: &Roster,
    arguments: &Arguments,
    out: &mut Out,
) -> Result<Exit, CliError> {
    let rows: Vec<Row<'_>> = messages.iter().map(|message| row(message, now, roster)).collect();
    if arguments.json {
        out.json(&rows)?;
        return Ok(Exit::Done);
    }
    for (row, message) in rows.iter().zip(messages) {
        let at = message.at.to_zoned(TimeZone::system());
        let text = message.text().split_whitespace().collect::<Vec<_>>().join(" ");
        let of = row.of.as_deref().unwrap_or("notes of a job");
        out.line(&format!("{} {of} {} {}: {text}", at.strftime("%Y-%m-%d %H:%M"), row.seq, who(message)))?;
    }
    if rows.is_empty() {
        print::note("no message matches");
    }
    Ok(Exit::Done)
}

fn row<'a>(message: &'a Message, now: &Overview, roster: &Roster) -> Row<'a> {
    let talk = now.conversations.iter().find(|talk| talk.id == message.conversation);
    let of = talk.and_then(|talk| match &talk.owner {
        ConversationOwner::Group(id) => Some(roster.group_name(id).to_owned()),
        ConversationOwner::Agent(id) => Some(roster.full_name(id)),
        ConversationOwner::Job(_) => None,
    });
    Row {
        id: &message.id,
        conversation: &message.conversation,
        of,
        seq: message.seq,
        role: message.role(),
        agent: message.agent.as_ref().map(|_| message.name.as_str()),
        text: message.text(),
        created_at: message.at,
    }
}
