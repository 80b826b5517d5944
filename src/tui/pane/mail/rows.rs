//! Rows of mail, in the list and in the detail view: sender, recipient, status, text.

use crate::domain::{AgentId, Mail, MailKind, MailStatus, Priority};
use crate::tui::model::Model;
use crate::tui::model::waiting::is_new;
use crate::tui::pane::RenderContext;
use crate::tui::pane::list::{cut, two_ends};
use crate::tui::text::clean::{clean, clean_line};
use crate::tui::text::wrap::{Shape, wrap};
use crate::tui::text::{Row, Span};
use crate::tui::theme::Role;

/// Minimum width at which the list shows the expiry time.
const WIDE: usize = 34;
/// Characters of a mail used for its one-line summary.
const LOOKED_AT: usize = 200;

/// Returns the name of a sender or recipient; the user is "you".
#[must_use]
pub fn name(agent: Option<&AgentId>, model: &Model) -> String {
    let Some(id) = agent else { return "you".to_owned() };
    clean_line(model.name_of(id)).into_owned()
}

/// Returns the sender and the recipient.
#[must_use]
pub fn ends(mail: &Mail, look: &RenderContext, model: &Model) -> String {
    let [from, to] = [&mail.from, &mail.to].map(|end| name(end.as_ref(), model));
    format!("{from} {} {to}", look.glyphs.right)
}

/// Returns the status as a sign, a word and a role.
fn status(mail: &Mail, look: &RenderContext) -> (&'static str, &'static str, Role) {
    let glyphs = look.glyphs;
    match mail.status {
        _ if is_new(mail) => (glyphs.changed, "new", Role::Accent),
        MailStatus::Pending => (glyphs.waiting, "waits", Role::Warning),
        MailStatus::Delivered => (glyphs.idle, "delivered", Role::Dim),
        MailStatus::Read => (glyphs.done, "read", Role::Dim),
        MailStatus::Expired => (glyphs.times, "expired", Role::Dim),
        MailStatus::Failed => (glyphs.failed, "failed", Role::Error),
    }
}

fn gist(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    clean_line(&line.trim().chars().take(LOOKED_AT).collect::<String>()).into_owned()
}

/// Returns the expiry time of undelivered mail.
fn until(mail: &Mail, look: &RenderContext) -> Option<String> {
    let at = mail.expires_at.filter(|_| mail.status == MailStatus::Pending)?;
    Some(format!("until {}", look.clock(at)))
}

/// Returns the two rows of a mail: sender, recipient and time, then the text and the status.
pub(super) fn mail(mail: &Mail, cells: usize, look: &RenderContext, model: &Model) -> Vec<Row> {
    let ellipsis = look.glyphs.ellipsis;
    let cells = cells.saturating_sub(1);
    let (sign, word, role) = status(mail, look);
    let who = Span::new(ends(mail, look, model), if is_new(mail) { Role::Strong } else { Role::Text });
    let mut right = Vec::new();
    if mail.priority != Priority::Normal {
        right.push(Span::new(format!("{}  ", mail.priority.as_str()), Role::Accent));
    }
    right.push(Span::new(look.clock(mail.created_at), Role::Dim));
    let first = two_ends(vec![Span::new(format!(" {sign} "), role), who], right, cells, ellipsis);
    let mut right = Vec::new();
    if let Some(until) = until(mail, look).filter(|_| cells >= WIDE) {
        right.push(Span::new(format!("{until}  "), Role::Dim));
    }
    right.push(Span::new(word, role));
    let said = vec![Span::new("   ", Role::Dim), Span::new(gist(&mail.text), Role::Dim)];
    vec![first, two_ends(said, right, cells, ellipsis)]
}

/// Returns the rows of the whole mail.
#[must_use]
pub fn opened(mail: &Mail, cells: usize, look: &RenderContext, model: &Model) -> Vec<Row> {
    let told = |text: &str, role: Role| wrap(&[Span::new(clean(text), role)], &Shape::plain(cells));
    let (sign, word, role) = status(mail, look);
    let kind = match mail.kind {
        MailKind::Request => "asks for an answer",
        MailKind::Reply => "an answer",
        MailKind::Notice => "a notice",
        MailKind::Broadcast => "a broadcast",
    };
    let mut facts = vec![kind.to_owned(), format!("{} priority", mail.priority.as_str())];
    facts.push(format!("sent {}", look.clock(mail.created_at)));
    facts.extend(until(mail, look).map(|until| format!("deliver {until}")));
    let facts = facts.join(&format!(" {} ", look.glyphs.dot));
    let mut rows = wrap(
        &[Span::new(format!("{sign} {word}"), role), Span::new(format!("   {facts}"), Role::Dim)],
        &Shape::plain(cells),
    );
    if let Some(error) = &mail.error {
        rows.extend(told(error, Role::Error));
    }
    if let Some(answered) = &mail.in_reply_to {
        let said = model.mail(answered).map_or_else(
            || "an older mail".to_owned(),
            |first| format!("{}: \"{}\"", name(first.from.as_ref(), model), gist(&first.text)),
        );
        let spans = vec![Span::new("in reply to ", Role::Dim), Span::new(said, Role::Dim)];
        rows.push(cut(spans, cells, look.glyphs.ellipsis));
    }
    rows.push(Row::default());
    rows.extend(told(mail.text.trim_end(), Role::Text));
    rows
}

/// Returns the heading of a list filtered by agent.
pub(super) fn heading(agent: &AgentId, cells: usize, look: &RenderContext, model: &Model) -> Vec<Row> {
    let left = vec![Span::new(format!(" mail of {} only", name(Some(agent), model)), Role::Accent)];
    let right = vec![Span::new("f shows all", Role::Dim)];
    vec![two_ends(left, right, cells.saturating_sub(1), look.glyphs.ellipsis)]
}

/// Returns the text of an empty list.
pub(super) fn empty(only: Option<&AgentId>, cells: usize, model: &Model) -> Vec<Row> {
    let text = match only {
        Some(agent) => format!("No mail from or to {}. w writes to this agent.", name(Some(agent), model)),
        None => "No mail yet. Agents write to each other and to you; w writes to the selected agent.".to_owned(),
    };
    let indent = || vec![Span::new(" ", Role::Dim)];
    let cells = cells.saturating_sub(1);
    wrap(&[Span::new(text, Role::Dim)], &Shape { first: indent(), rest: indent(), ..Shape::plain(cells) })
}
