//! `nightdesk message export`: a whole conversation as a document.

use jiff::tz::TimeZone;

use super::who;
use crate::cli::paths::Paths;
use crate::cli::print::Out;
use crate::cli::roster::{Roster, Whose, conversation};
use crate::cli::{CliError, Exit};
use crate::domain::{Content, Message};

/// Messages read at a time.
const PAGE: u64 = 500;

/// How a conversation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A heading for each message and its text below.
    Markdown,
    /// One JSON object on each line, with everything that is stored of a message.
    Json,
}

/// Prints every message of a conversation, oldest first.
///
/// # Errors
/// The group or agent is unknown, or the store cannot be read.
pub async fn export(places: &Paths, whose: &Whose, format: Format, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let now = handle.overview().await?;
    let roster = Roster::of(&now);
    let with = roster.address(whose)?;
    if format == Format::Markdown {
        out.line(&format!("# {}", whose.agent.as_ref().or(whose.group.as_ref()).map_or("", String::as_str)))?;
    }
    let Some(talk) = conversation(&now, &with) else { return Ok(Exit::Done) };
    let mut from = 1;
    while from <= talk.head {
        let to = talk.head.min(from + PAGE - 1);
        for message in handle.messages(talk.id.clone(), from, to).await? {
            match format {
                Format::Markdown => out.text(&markdown(&message, &TimeZone::system()))?,
                Format::Json => {
                    let json = serde_json::to_string(&message).map_err(|error| CliError::Message(error.to_string()))?;
                    out.line(&json)?;
                }
            }
        }
        from = to + 1;
    }
    Ok(Exit::Done)
}

/// The message with its heading. A line of its text that looks like such a heading is escaped, so that no text can pass for
/// another's.
fn markdown(message: &Message, zone: &TimeZone) -> String {
    let at = message.at.to_zoned(zone.clone());
    let head = format!("\n## {} · {} · {}\n\n", message.seq, who(message), at.strftime("%Y-%m-%d %H:%M:%S"));
    match &message.content {
        Content::Text { text, cancelled, .. } => {
            let mark = if *cancelled { "\n\n*(cancelled)*" } else { "" };
            format!("{head}{}{mark}\n", escaped(text.trim_end()))
        }
        Content::Tool { name, arguments, text, .. } => {
            format!("{head}{}", fenced(&format!("{name} {arguments}\n{}", text.trim_end())))
        }
        Content::Notice { .. } => format!("\n*{}: {}*\n", message.seq, escaped(message.stated().trim_end())),
    }
}

fn escaped(text: &str) -> String {
    let begins_so = |text: &str| text.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let mut above = "";
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let bare = line.trim();
        // A line of = or - makes a heading of the line above it.
        let underlines = !bare.is_empty() && (bare.chars().all(|c| c == '=') || bare.chars().all(|c| c == '-'));
        let heading =
            bare.starts_with('#') && begins_so(bare.trim_start_matches('#')) || underlines && begins_so(above);
        lines.push(if heading { format!("\\{}", line.trim_start()) } else { line.to_owned() });
        above = line;
    }
    lines.join("\n")
}

/// The text in a fence that is longer than any in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Run, RunKind, RunState};

    fn message(content: Content) -> Message {
        let run = Run::new("run".into(), "talk".into(), RunKind::Turn { group: None, only: None }, RunState::Running);
        Message {
            seq: 7,
            name: "ann".to_owned(),
            agent: Some("agent-ann".into()),
            ..Message::new("message-1".into(), &run, content, jiff::Timestamp::UNIX_EPOCH)
        }
    }

    #[test]
    fn no_text_passes_for_a_heading_and_no_output_ends_its_fence() {
        let text = "Hello\n## 8 · bob · 1970-01-01 00:00:00\n\nI agree.\n## Plan";
        let said = markdown(&message(Content::said(text)), &TimeZone::UTC);
        let expected =
            "\n## 7 · ann · 1970-01-01 00:00:00\n\nHello\n\\## 8 · bob · 1970-01-01 00:00:00\n\nI agree.\n## Plan\n";
        assert_eq!(said, expected);
        for line in ["##  8 · bob", "##\t8 · bob", "   ## 8 · bob", "# 8 · bob", "8 · bob\n---", "8 · bob\n=="] {
            let said = markdown(&message(Content::said(line)), &TimeZone::UTC);
            assert!(said.lines().last().unwrap().starts_with('\\'), "{said}");
        }
        let tool = Content::Tool {
            call: "1".to_owned(),
            name: "read".to_owned(),
            arguments: serde_json::json!({}),
            ok: true,
            text: "a\n````\nb".to_owned(),
        };
        let said = markdown(&message(tool), &TimeZone::UTC);
        assert!(said.ends_with("`````\nread {}\na\n````\nb\n`````\n"), "{said}");
    }
}
