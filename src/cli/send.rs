//! `nightdesk send`: sends a message and prints the answers as they stream.
//!
//! The command subscribes to the engine before it sends the message. It ends with the turn, or when the turn cannot
//! continue without a decision of a person. If the process that owns the store ends meanwhile, the command takes over
//! the store and continues the turn.

mod text;

use super::paths::Paths;
use super::print::{self, Out};
use super::roster::{Roster, Whose};
use super::{CliError, Exit, input, unexpected};
use crate::domain::message::{MESSAGE_BYTES, check_size};
use crate::domain::{Change, ConversationId, PendingCall, PendingKind, RunId, RunState, StopReason};
use crate::engine::Scope;
use crate::engine::event::{Event, Events};
use crate::engine::handle::Subscription;
use crate::engine::protocol::{Recipient, Reply, Request, Update};
use crate::engine::session::Session;
use text::Speeches;

/// Arguments of `send`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "nightdesk send GROUP TEXT [--json]\n       nightdesk send --agent NAME TEXT [--json]")]
pub struct Args {
    /// Name of the group; with --agent, the text.
    #[arg(value_name = "GROUP")]
    first: String,
    /// Text of the message; - reads standard input, and `@name text` asks only that member.
    #[arg(value_name = "TEXT", required_unless_present = "agent", conflicts_with = "agent")]
    second: Option<String>,
    /// Send to this agent: NAME or GROUP/NAME.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Print events instead of text, one JSON object per line.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn parts(self) -> (Whose, String) {
        match (self.agent, self.second) {
            (None, Some(text)) => (Whose { group: Some(self.first), agent: None }, text),
            (agent, _) => (Whose { group: None, agent }, self.first),
        }
    }
}

/// Sends the message and prints the answers. Returns [`Exit::Failed`] if the turn fails or is cancelled.
///
/// # Errors
/// The group or agent is unknown, the engine refuses the message, or the connection to the engine is lost.
pub async fn send(places: &Paths, args: Args, out: &mut Out) -> Result<Exit, CliError> {
    let json = args.json;
    let (whose, text) = args.parts();
    let text = match text.as_str() {
        "-" => input::text(MESSAGE_BYTES, check_size)?,
        _ => text,
    };
    let to = Roster::read(&places.look()?).await?.address(&whose)?;
    let scope = match &to {
        Recipient::Group(id) => Scope::Group(id.clone()),
        Recipient::Agent(id) => Scope::Agent(id.clone()),
    };
    let options = places.options(false, scope);
    let mut desk = places.open(options.clone(), false).await?;
    let mut turn = Turn { to, shown: None, json, run: None, conversation: None, seen: 0, told: Vec::new() };
    let ended = loop {
        match turn.follow(&desk, &text, out).await {
            // The owner has ended. Its commits are in the store, so this process can continue the turn.
            Err(_) if desk.owner_elsewhere().is_some() && turn.run.is_some() => {
                desk.close().await;
                tracing::info!("the program that owned the store has ended; going on with the turn");
                desk = places.open(options.clone(), false).await?;
                if let Some(Shown::Text(speeches)) = &mut turn.shown {
                    speeches.begin_anew(out)?;
                }
            }
            ended => break ended,
        }
    };
    desk.close().await;
    ended
}

/// The state of one followed turn.
struct Turn {
    to: Recipient,
    json: bool,
    /// Run of the turn; `None` before the message is sent.
    run: Option<RunId>,
    conversation: Option<ConversationId>,
    /// Log position of the last change that was printed.
    seen: u64,
    shown: Option<Shown>,
    /// Ids of the waiting calls in the last printed event; empty if that event was of another kind.
    told: Vec<String>,
}

/// The output format.
enum Shown {
    Text(Speeches),
    Json(Events),
}

impl Turn {
    /// Sends the message unless it is already sent, and prints updates until the turn ends or waits for a person.
    async fn follow(&mut self, desk: &Session, text: &str, out: &mut Out) -> Result<Exit, CliError> {
        if self.shown.is_none() {
            let now = desk.handle().overview().await?;
            self.seen = now.upto;
            let events = || Shown::Json(Events::knowing(&now.runs, &now.agents));
            self.shown = Some(if self.json { events() } else { Shown::Text(Speeches::default()) });
        }
        let following = desk.handle().follow(self.seen).await?;
        if self.run.is_none()
            && let Some((calls, queued)) = self.say(desk, text).await?
        {
            self.waits(&calls, queued, out)?;
            return Ok(Exit::Done);
        }
        match self.run.clone() {
            Some(run) => self.listen(desk, &run, following, out).await,
            None => Err(CliError::Message("the engine did not accept the message".to_owned())),
        }
    }

    /// Sends the message. Returns the calls that wait for a person if they block the turn, as [`held`].
    async fn say(&mut self, desk: &Session, text: &str) -> Result<Option<(Vec<PendingCall>, bool)>, CliError> {
        let reply = desk.handle().ask(Request::Send { to: self.to.clone(), text: text.to_owned() }).await?;
        let Reply::Sent { run, conversation, queued } = reply else { return Err(unexpected(&reply)) };
        self.run = Some(run.clone());
        self.conversation = Some(conversation);
        if queued { held(desk, &run).await } else { Ok(None) }
    }

    async fn listen(
        &mut self,
        desk: &Session,
        run: &RunId,
        mut following: Subscription,
        out: &mut Out,
    ) -> Result<Exit, CliError> {
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let mut cancelled = false;
        loop {
            let update = tokio::select! {
                update = following.next() => update?,
                why = desk.lost() => return Err(CliError::Message(why)),
                // In another process, the turn continues without this command.
                _ = &mut interrupted, if !cancelled => match &self.conversation {
                    Some(conversation) if desk.owner_elsewhere().is_none() => {
                        cancelled = true;
                        desk.handle().ask(Request::Cancel { conversation: conversation.clone() }).await?;
                        continue;
                    }
                    _ => return Ok(Exit::Failed),
                },
            };
            self.show(&update, out)?;
            match &update {
                Update::Committed { upto, changes, .. } => {
                    self.seen = *upto;
                    if let Some(exit) = changes.iter().find_map(|logged| self.end(run, &logged.change)) {
                        return Ok(exit);
                    }
                    if changes.iter().any(|logged| may_rest(&logged.change))
                        && let Some((calls, queued)) = held(desk, run).await?
                    {
                        self.waits(&calls, queued, out)?;
                        return Ok(Exit::Done);
                    }
                }
                Update::Trouble { text } if desk.owner_elsewhere().is_none() => {
                    return Err(CliError::Message(text.clone()));
                }
                _ => {}
            }
        }
    }

    fn show(&mut self, update: &Update, out: &mut Out) -> Result<(), CliError> {
        let Some(conversation) = &self.conversation else { return Ok(()) };
        match &mut self.shown {
            Some(Shown::Text(speeches)) => speeches.show(update, conversation, out)?,
            Some(Shown::Json(events)) => {
                for event in events.of(update, Some(conversation)) {
                    out.json(&event)?;
                    self.told = match event {
                        Event::RunWaiting { r#for: PendingKind::Approval, ids, .. } => ids,
                        _ => Vec::new(),
                    };
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Returns the outcome if this change ends the turn.
    fn end(&self, turn: &RunId, change: &Change) -> Option<Exit> {
        match change {
            Change::RunMoved { id, to: RunState::Finished { stop_reason, error } } if id == turn => {
                let failed = matches!(stop_reason, StopReason::Error | StopReason::Cancelled | StopReason::Interrupted);
                if failed && !self.json {
                    print::note(error.as_deref().unwrap_or(stop_reason.sentence()));
                }
                Some(if failed { Exit::Failed } else { Exit::Done })
            }
            _ => None,
        }
    }

    /// Prints the calls that block the turn, as the last output.
    fn waits(&mut self, calls: &[PendingCall], queued: bool, out: &mut Out) -> Result<(), CliError> {
        let ids: Vec<String> = calls.iter().map(PendingCall::inbox_id).collect();
        if let Some(Shown::Text(speeches)) = &mut self.shown {
            speeches.close(out)?;
            for (call, id) in calls.iter().zip(&ids) {
                out.line(&format!("requires_approval {id}"))?;
                print::note(&format!(
                    "{} {} waits for you: `nightdesk inbox approve {id}` runs it, `nightdesk inbox deny {id}` refuses it",
                    call.name, call.arguments
                ));
            }
            if queued {
                print::note("this call is of an earlier turn; your message is queued behind it");
            }
        } else if self.told != ids
            && let Some(call) = calls.first()
        {
            out.json(&Event::RunWaiting { run: call.run.clone(), r#for: PendingKind::Approval, ids })?;
        }
        Ok(())
    }
}

/// Returns whether this change can leave a turn blocked.
fn may_rest(change: &Change) -> bool {
    matches!(change, Change::CallPending(_) | Change::RunMoved { .. })
}

/// Returns the calls that need a decision before this turn continues, and whether the turn is queued behind the turn
/// that made them. `None` if the turn continues by itself.
async fn held(desk: &Session, turn: &RunId) -> Result<Option<(Vec<PendingCall>, bool)>, CliError> {
    match desk.handle().ask(Request::Held { run: turn.clone() }).await? {
        Reply::Held { calls, queued } => Ok((!calls.is_empty()).then_some((calls, queued))),
        other => Err(unexpected(&other)),
    }
}
