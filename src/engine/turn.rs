//! A turn: the pattern's moves, performed one after the other.
//!
//! Everything is derived from committed rows: the speeches so far are the turn's child runs, so a turn that was
//! interrupted, or that waited, goes on where it stopped.

use tokio_util::sync::CancellationToken;

use super::patterns::{self, Config, Move, Speech};
use super::speech::{self, Spoken};
use super::{Engine, Trouble, wait};
use crate::domain::{
    Change, Content, Group, Mail, MailId, MailKind, MailStatus, Message, MessageId, NoticeKind, Run, RunId, RunKind,
    RunState, StopReason,
};

/// Performs the turn until it is over or waits for somebody.
pub async fn perform(engine: &Engine, id: &RunId, cancel: &CancellationToken) -> Result<(), Trouble> {
    let Some(mut turn) = engine.store.row::<Run>(id.as_str()).await? else { return Ok(()) };
    if turn.state == RunState::Queued {
        engine.commit_here(start(engine, &turn)).await?;
        turn = engine.must_run(id).await?;
    }
    loop {
        if turn.is_finished() {
            return Ok(());
        }
        let config = config(engine, &turn).await?;
        let children = engine.store.runs_of(id).await?;
        let unfinished = children.iter().find(|child| !child.is_finished());
        if cancel.is_cancelled() {
            return call_off(engine, &turn, &children).await;
        }
        let so_far: Vec<Speech> = children.iter().filter_map(spoken).collect();
        let next = match unfinished.and_then(Run::agent) {
            Some(agent) => Move::Speak(agent.clone()),
            None => patterns::next(&config, &so_far),
        };
        match next {
            Move::Finish(reason) => return finish(engine, &turn, reason).await,
            Move::Speak(agent) => {
                let index = u32::try_from(so_far.len()).unwrap_or(u32::MAX);
                match speech::speak(engine, &turn, &agent, unfinished, index, cancel).await? {
                    Spoken::Parked => return Ok(()),
                    Spoken::Over | Spoken::Cancelled => {}
                }
            }
        }
        // A limit, a member or the status may have changed meanwhile: everything is read again.
        turn = engine.must_run(id).await?;
    }
}

/// A queued turn starts: what the person said becomes the message it answers.
fn start(engine: &Engine, turn: &Run) -> Vec<Change> {
    let text = turn.queued.clone().unwrap_or_default();
    vec![
        Change::RunMoved { id: turn.id.clone(), to: RunState::Running },
        Change::MessageAppended(words_of_person(engine, turn, text)),
    ]
}

/// What a person said, as the message its turn answers.
#[must_use]
pub fn words_of_person(engine: &Engine, turn: &Run, text: String) -> Message {
    Message {
        id: MessageId::fresh(engine.store.ids()),
        conversation: turn.conversation.clone(),
        seq: 0,
        run: Some(turn.id.clone()),
        step: None,
        answers: None,
        agent: None,
        name: String::new(),
        content: Content::Text { text, reasoning: String::new(), cancelled: false },
        at: engine.store.clock().now(),
    }
}

/// Something the engine states in the turn's conversation.
#[must_use]
pub fn notice(engine: &Engine, turn: &Run, notice: NoticeKind, text: String) -> Change {
    let said = words_of_person(engine, turn, String::new());
    Change::MessageAppended(Message { content: Content::Notice { notice, text }, ..said })
}

async fn config(engine: &Engine, turn: &Run) -> Result<Config, Trouble> {
    match &turn.kind {
        RunKind::Turn { only: Some(agent), .. } => Ok(Config::Only(agent.clone())),
        RunKind::Turn { group: Some(group), .. } => {
            let group = engine.store.row::<Group>(group.as_str()).await?;
            group.map(Config::Group).ok_or_else(|| Trouble::Refused("the group of the turn is gone".to_owned()))
        }
        _ => Err(Trouble::Refused(format!("run {} is no turn", turn.id))),
    }
}

fn spoken(run: &Run) -> Option<Speech> {
    match (&run.kind, &run.state) {
        (RunKind::Speech { agent, .. }, RunState::Finished { stop_reason, .. }) => {
            Some(Speech { agent: agent.clone(), stop: *stop_reason })
        }
        _ => None,
    }
}

async fn finish(engine: &Engine, turn: &Run, stop_reason: StopReason) -> Result<(), Trouble> {
    let error = (stop_reason == StopReason::Error).then(|| "nobody could answer".to_owned());
    let to = RunState::Finished { stop_reason, error };
    let mut changes: Vec<Change> = reply(engine, turn, stop_reason).await?.into_iter().collect();
    changes.push(Change::RunMoved { id: turn.id.clone(), to });
    engine.commit_here(changes).await
}

/// What a turn that took mail sends back, where somebody waits for it: its last words.
async fn reply(engine: &Engine, turn: &Run, stop_reason: StopReason) -> Result<Option<Change>, Trouble> {
    let Some(id) = &turn.mail else { return Ok(None) };
    let Some(mail) = engine.store.row::<Mail>(id.as_str()).await? else { return Ok(None) };
    if stop_reason == StopReason::Error || !mail.waited_for && mail.from.is_some() {
        return Ok(None);
    }
    let said = engine.store.messages(&turn.conversation, turn.input, u64::MAX).await?;
    let children = engine.store.runs_of(&turn.id).await?;
    let words = children.iter().rev().find_map(|child| wait::last_words(&said, &child.id));
    Ok(Some(Change::MailSent(Mail {
        id: MailId::fresh(engine.store.ids()),
        from: mail.to,
        to: mail.from,
        kind: MailKind::Reply,
        status: MailStatus::Delivered,
        priority: mail.priority,
        text: words.unwrap_or_else(|| "(had nothing to say)".to_owned()),
        in_reply_to: Some(mail.id),
        sent_by: None,
        waited_for: false,
        group: mail.group,
        run: None,
        root: mail.root,
        depth: mail.depth,
        error: None,
        created_at: mail.created_at,
        expires_at: None,
    })))
}

/// A person cancelled the turn: the speech that was between two steps, or not begun, ends with it.
async fn call_off(engine: &Engine, turn: &Run, children: &[Run]) -> Result<(), Trouble> {
    let to = RunState::Finished { stop_reason: StopReason::Cancelled, error: None };
    engine.commit_here(end_all(turn, children, &to)).await
}

/// Performing the turn panicked: it has failed, and says so; everything else goes on.
pub async fn crashed(engine: &Engine, turn: &Run) -> Result<(), Trouble> {
    let children = engine.store.runs_of(&turn.id).await?;
    let error = "a fault inside Nightdesk ended the turn; the log says where".to_owned();
    let mut changes = vec![notice(engine, turn, NoticeKind::Stopped, error.clone())];
    let to = RunState::Finished { stop_reason: StopReason::Error, error: Some(error) };
    changes.extend(end_all(turn, &children, &to));
    engine.commit_here(changes).await
}

fn end_all(turn: &Run, children: &[Run], to: &RunState) -> Vec<Change> {
    let open = children.iter().filter(|child| !child.is_finished()).chain([turn]);
    open.map(|run| Change::RunMoved { id: run.id.clone(), to: to.clone() }).collect()
}
