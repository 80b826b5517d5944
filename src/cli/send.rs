//! `nightdesk send`: one turn, answered as it comes.
//!
//! It follows the engine from before the message is sent to the end of its turn, or until nothing of the turn can
//! go on without a person. Where the program that owned the store ends meanwhile, it takes the store over and the
//! turn goes on.

mod text;

use super::desk::Places;
use super::print::{self, Out};
use super::roster::{Roster, Whose};
use super::{Exit, Failure, unexpected};
use crate::domain::{Change, ConversationId, PendingCall, PendingKind, RunId, RunState, StopReason};
use crate::engine::Scope;
use crate::engine::event::{Event, Events};
use crate::engine::handle::Following;
use crate::engine::session::Session;
use crate::engine::wire::{Address, Reply, Request, Update};
use text::Speeches;

/// What `send` is told.
#[derive(Debug, clap::Args)]
#[command(override_usage = "nightdesk send GROUP TEXT [--json]\n       nightdesk send --agent NAME TEXT [--json]")]
pub struct Args {
    /// The group, then the text; with --agent only the text. As TEXT, - reads standard input.
    #[arg(value_name = "GROUP")]
    first: String,
    /// What to say; - reads standard input. In a group, `@name text` makes a turn only that member answers.
    #[arg(value_name = "TEXT", required_unless_present = "agent", conflicts_with = "agent")]
    second: Option<String>,
    /// Speaks to one agent directly: NAME, or GROUP/NAME.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Events instead of text, one JSON object a line.
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

/// Sends, and prints what is answered.
pub async fn send(places: &Places, args: Args, out: &mut Out) -> Result<Exit, Failure> {
    let json = args.json;
    let (whose, text) = args.parts();
    let text = match text.as_str() {
        "-" => std::io::read_to_string(std::io::stdin().lock())
            .map_err(|error| Failure::Said(format!("reading the text from standard input: {error}")))?,
        _ => text,
    };
    let to = Roster::read(&places.look()?).await?.address(&whose)?;
    let scope = match &to {
        Address::Group(id) => Scope::Group(id.clone()),
        Address::Agent(id) => Scope::Agent(id.clone()),
    };
    let options = places.options(false, scope);
    let mut desk = places.open(options.clone(), false).await?;
    let mut turn = Turn { to, shown: None, json, run: None, conversation: None, seen: 0, told: Vec::new() };
    let ended = loop {
        match turn.follow(&desk, &text, out).await {
            // The owner has ended; what it committed is there, and this program may go on with it.
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

/// One turn as it is followed.
struct Turn {
    to: Address,
    json: bool,
    /// Set once it is sent.
    run: Option<RunId>,
    conversation: Option<ConversationId>,
    /// The last change that was shown.
    seen: u64,
    shown: Option<Shown>,
    /// What the last event said the turn waits for.
    told: Vec<String>,
}

/// How answers are shown.
enum Shown {
    Text(Speeches),
    Json(Events),
}

impl Turn {
    /// Sends what is not sent yet and shows what comes, until the turn is over or waits for a person.
    async fn follow(&mut self, desk: &Session, text: &str, out: &mut Out) -> Result<Exit, Failure> {
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
            None => Err(Failure::Said("the message was not taken".to_owned())),
        }
    }

    /// Says it. Answers with the calls that wait for a person, where it is queued behind a turn that does.
    async fn say(&mut self, desk: &Session, text: &str) -> Result<Option<(Vec<PendingCall>, bool)>, Failure> {
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
        mut following: Following,
        out: &mut Out,
    ) -> Result<Exit, Failure> {
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let mut cancelled = false;
        loop {
            let update = tokio::select! {
                update = following.next() => update?,
                // In another program the turn goes on without this one.
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
                    return Err(Failure::Said(text.clone()));
                }
                _ => {}
            }
        }
    }

    fn show(&mut self, update: &Update, out: &mut Out) -> Result<(), Failure> {
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

    /// Whether the turn is over with this change.
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

    /// Tells that nothing goes on before these are answered, as the last that is told.
    fn waits(&mut self, calls: &[PendingCall], queued: bool, out: &mut Out) -> Result<(), Failure> {
        let ids: Vec<String> = calls.iter().map(PendingCall::inbox_id).collect();
        if let Some(Shown::Text(speeches)) = &mut self.shown {
            speeches.close(out)?;
            for (call, id) in calls.iter().zip(&ids) {
                out.line(&format!("requires_approval {id}"))?;
                print::note(&format!(
                    "{} {} waits for you: `nightdesk inbox approve {id}` lets it, `nightdesk inbox deny {id}` does not",
                    call.name, call.arguments
                ));
            }
            if queued {
                print::note("that is the turn before; what you said is queued behind it");
            }
        } else if self.told != ids
            && let Some(call) = calls.first()
        {
            out.json(&Event::RunWaiting { run: call.run.clone(), r#for: PendingKind::Approval, ids })?;
        }
        Ok(())
    }
}

/// True for what can leave a turn with nothing to do but wait.
fn may_rest(change: &Change) -> bool {
    matches!(change, Change::CallPending(_) | Change::RunMoved { .. })
}

/// The calls a person is to decide on before anything of this turn goes on, and whether it is queued behind the turn
/// that made them; `None` where it goes on by itself.
async fn held(desk: &Session, turn: &RunId) -> Result<Option<(Vec<PendingCall>, bool)>, Failure> {
    match desk.handle().ask(Request::Held { run: turn.clone() }).await? {
        Reply::Held { calls, queued } => Ok((!calls.is_empty()).then_some((calls, queued))),
        other => Err(unexpected(&other)),
    }
}
