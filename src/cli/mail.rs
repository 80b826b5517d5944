//! `nightdesk mail`: lists, shows, sends and reads mail.

use jiff::Timestamp;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::Roster;
use super::{CliError, Exit, input, unexpected};
use crate::domain::mail::{MAX_BYTES, check_text, expiry_seconds};
use crate::domain::state::RowFault;
use crate::domain::{AgentId, Group, GroupStatus, Mail, MailId, MailStatus, Priority};
use crate::engine::event::MailRow;
use crate::engine::protocol::{Reply, Request};
use crate::engine::{Handle, Scope};

/// Most pieces of mail in the list, newest first.
const SHOWN: usize = 10_000;
/// Longest text in a line of the list, in characters.
const LINE: usize = 60;

/// Subcommands of `mail`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List all mail, or the mail to and from an agent, newest first.
    List {
        /// List only mail to or from this agent: NAME or GROUP/NAME.
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
        /// List only mail with this status: pending, delivered, read, expired or failed.
        #[arg(long, value_name = "STATUS", value_parser = status)]
        status: Option<MailStatus>,
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Show mail without marking it as read.
    Show(Which),
    /// Send mail to an agent in your name; its answer arrives as mail to you.
    Send {
        /// Recipient: NAME or GROUP/NAME.
        #[arg(value_name = "AGENT")]
        to: String,
        /// Text of the mail; - reads standard input.
        text: String,
        /// Set the priority: low, normal or high; the recipient reads the highest first.
        #[arg(long, value_name = "PRIORITY", default_value = "normal", value_parser = priority)]
        priority: Priority,
        /// Expire the mail after this time, for example 10m.
        #[arg(long, value_name = "TIME", value_parser = expiry_seconds)]
        expires: Option<u64>,
        /// Print the mail as a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show mail and mark it as read; pending mail to an agent is then not delivered.
    Read(Which),
}

/// Arguments that select one piece of mail.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// Id of the mail, or a unique prefix.
    id: String,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand of `mail`.
///
/// # Errors
/// A name or id is unknown, an option is invalid, or the engine refuses the request.
pub async fn mail(places: &Paths, command: Command, out: &mut Out) -> Result<Exit, CliError> {
    let handle = places.look()?;
    let roster = Roster::read(&handle).await?;
    match command {
        Command::List { agent, status, json } => {
            list(&handle, &roster, agent.as_deref(), status, json, out).await?;
        }
        Command::Show(which) => {
            let mail = find(&handle, &which.id).await?;
            tell(&roster, &mail, which.json, out)?;
        }
        Command::Send { to, text, priority, expires, json } => {
            let request = letter(&roster, &to, text, priority, expires)?;
            let (mail, alone) = ask(places, request).await?;
            if json {
                out.json(&row(&roster, &mail))?;
            } else {
                let then = delivery(&roster, &mail, alone);
                out.line(&format!("{} {}; {then}", mail.id, mail.status.as_str()))?;
            }
        }
        Command::Read(which) => {
            let id = find(&handle, &which.id).await?.id;
            let (mail, _) = ask(places, Request::ReadMail { id }).await?;
            tell(&roster, &mail, which.json, out)?;
        }
    }
    Ok(Exit::Done)
}

async fn list(
    handle: &Handle,
    roster: &Roster,
    agent: Option<&str>,
    status: Option<MailStatus>,
    json: bool,
    out: &mut Out,
) -> Result<(), CliError> {
    let agent = agent.map(|name| roster.agent(name)).transpose()?.map(|agent| agent.id.clone());
    let (mails, faults) = mails(handle, agent, status, SHOWN).await?;
    print::unreadable(&faults);
    if json {
        out.json(&mails.iter().map(|mail| row(roster, mail)).collect::<Vec<_>>())?;
        return Ok(());
    }
    let cells = |mail: &Mail| {
        let short = mail.id.as_str().get(..MailId::PREFIX.len() + 9).unwrap_or(mail.id.as_str()).to_owned();
        let kind = match mail.priority {
            Priority::Normal => mail.kind.as_str().to_owned(),
            other => format!("{}, {}", mail.kind.as_str(), other.as_str()),
        };
        let (from, to) = (person_or(roster, mail.from.as_ref()), person_or(roster, mail.to.as_ref()));
        [short, from, to, kind, mail.status.as_str().to_owned(), first_line(&mail.text), time(mail.created_at)]
    };
    let rows: Vec<_> = mails.iter().map(cells).collect();
    out.table(["ID", "FROM", "TO", "TYPE", "STATUS", "TEXT", "CREATED"], &rows)?;
    Ok(())
}

fn priority(name: &str) -> Result<Priority, String> {
    Priority::named(name).ok_or_else(|| "use low, normal or high".to_owned())
}

fn status(name: &str) -> Result<MailStatus, String> {
    let names = || MailStatus::ALL.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ");
    MailStatus::named(name).ok_or_else(|| format!("use one of {}", names()))
}

fn letter(
    roster: &Roster,
    to: &str,
    text: String,
    priority: Priority,
    expires_in: Option<u64>,
) -> Result<Request, CliError> {
    let to = roster.agent(to)?.id.clone();
    let text = match text.as_str() {
        "-" => input::text(MAX_BYTES, |_| {
            Err(format!("the message has more than the {MAX_BYTES} bytes that go into one piece of mail; shorten it"))
        })?,
        _ => text,
    };
    check_text(&text).map_err(CliError::Message)?;
    Ok(Request::SendMail { to, text, priority, expires_in, in_reply_to: None })
}

/// Describes when the mail is delivered. `alone` is true if no other process runs the engine.
fn delivery(roster: &Roster, mail: &Mail, alone: bool) -> String {
    let to = mail.to.as_ref();
    let agent = to.and_then(|id| roster.agents.iter().find(|agent| agent.id == *id));
    let home = agent.and_then(|agent| roster.groups.iter().find(|group| group.id == agent.group));
    match home {
        Some(Group { name, status, .. }) if *status != GroupStatus::Active => {
            format!("{name} is {}: it is delivered when the group is active", status.as_str())
        }
        _ if alone => "the workbench or `nightdesk work` delivers it".to_owned(),
        _ => format!("{} reads it as soon as it is free", person_or(roster, to)),
    }
}

/// Returns up to `limit` pieces of mail, newest first, and the unreadable rows.
async fn mails(
    handle: &Handle,
    agent: Option<AgentId>,
    status: Option<MailStatus>,
    limit: usize,
) -> Result<(Vec<Mail>, Vec<RowFault>), CliError> {
    match handle.ask(Request::Mails { agent, status, limit }).await? {
        Reply::Mails { mails, faults } => Ok((mails, faults)),
        other => Err(unexpected(&other)),
    }
}

/// Returns the only piece of mail whose id starts with `id`.
async fn find(handle: &Handle, id: &str) -> Result<Mail, CliError> {
    let (mut found, faults) = mails(handle, None, None, usize::MAX).await?;
    if let Some(at) = found.iter().position(|mail| mail.id.as_str() == id) {
        return Ok(found.swap_remove(at));
    }
    if let Some(fault) = faults.iter().find(|fault| fault.key == id) {
        return Err(CliError::Message(fault.to_string()));
    }
    let bare = |id: &str| id.strip_prefix(MailId::PREFIX).and_then(|rest| rest.strip_prefix('-')).map(str::to_owned);
    let wanted = bare(id).unwrap_or_else(|| id.to_owned());
    found.retain(|mail| !wanted.is_empty() && bare(mail.id.as_str()).is_some_and(|uuid| uuid.starts_with(&wanted)));
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(CliError::Message(format!("there is no mail {id}; `nightdesk mail list` shows all mail"))),
        several => {
            Err(CliError::Message(format!("the ids of {several} pieces of mail start with {id}; write more of the id")))
        }
    }
}

/// Sends a request. Returns the mail, and true if no other process runs an engine that could deliver it.
async fn ask(places: &Paths, request: Request) -> Result<(Mail, bool), CliError> {
    let desk = places.open(places.options(false, Scope::Nobody), false).await?;
    let alone = desk.owner_elsewhere().is_none();
    let reply = desk.handle().ask(request).await;
    desk.close().await;
    match reply? {
        Reply::Mail(mail) => Ok((*mail, alone)),
        other => Err(unexpected(&other)),
    }
}

fn tell(roster: &Roster, mail: &Mail, json: bool, out: &mut Out) -> Result<(), CliError> {
    if json {
        out.json(&row(roster, mail))?;
        return Ok(());
    }
    out.card(&[
        ("id", mail.id.to_string()),
        ("from", person_or(roster, mail.from.as_ref())),
        ("to", person_or(roster, mail.to.as_ref())),
        ("type", mail.kind.as_str().to_owned()),
        ("status", mail.status.as_str().to_owned()),
        ("error", mail.error.clone().unwrap_or_default()),
        ("priority", mail.priority.as_str().to_owned()),
        ("in reply to", mail.in_reply_to.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("created", time(mail.created_at)),
        ("expires", mail.expires_at.map(time).unwrap_or_default()),
        ("text", mail.text.clone()),
    ])?;
    Ok(())
}

fn row(roster: &Roster, mail: &Mail) -> MailRow {
    MailRow::new(mail, |id| roster.name(id).to_owned())
}

fn person_or(roster: &Roster, agent: Option<&AgentId>) -> String {
    agent.map_or_else(|| "you".to_owned(), |id| roster.full_name(id))
}

fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// Returns the first [`LINE`] characters of a text on one line.
fn first_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = words.chars().take(LINE).collect();
    if cut.len() < words.len() {
        cut.push('…');
    }
    cut
}
