//! Delivers mail into the recipient's own conversation, and expires it when its time has passed (J11).
//!
//! All state is in rows. The driver delivers after every commit; a delivery is one commit of the mail's new status,
//! the turn that handles it and the message the turn answers, so that a program killed at any moment neither loses
//! mail nor delivers it twice.

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::Timestamp;

use super::{Engine, EngineError, Scope, next};
use crate::domain::{
    Actor, Change, Commit, Content, Conversation, ConversationId, ConversationOwner, Mail, MailId, MailStatus, Run,
    RunId, RunKind, RunState,
};
use crate::store::DueMail;

/// Expires overdue mail and delivers what can be delivered, where mail is pending. Returns when the next mail expires,
/// if any.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn deliver(engine: &Engine) -> Result<Option<Timestamp>, EngineError> {
    let next = expire(engine).await?;
    let roots = roots(engine).await?;
    if roots.as_ref().is_none_or(|roots| !roots.is_empty()) {
        // In parallel, since each has another recipient: their commits share one write to disk.
        let due = engine.store.due_mail(roots).await?;
        let delivered = join_all(due.into_iter().map(async |due| {
            let id = due.mail.id.clone();
            let delivered = match deliver_one(engine, due).await {
                Err(trouble) if !trouble.is_temporary() => fail(engine, &id, &trouble).await,
                other => other,
            };
            (id, delivered)
        }));
        for (id, delivered) in delivered.await {
            engine.each(id.as_str(), delivered)?;
        }
    }
    Ok(next)
}

/// The root runs whose mail this engine delivers; `None` means all mail, including a person's.
async fn roots(engine: &Engine) -> Result<Option<BTreeSet<RunId>>, EngineError> {
    let scope = &engine.options.scope;
    if *scope == Scope::All {
        return Ok(None);
    }
    let mut ours = BTreeSet::new();
    for id in engine.store.pending_mail_roots().await? {
        if engine.readable::<Run>(id.as_str()).await?.is_some_and(|root| scope.covers(&root)) {
            ours.insert(id);
        }
    }
    Ok(Some(ours))
}

/// Expires overdue mail, whatever the state of its recipient. Returns when the next mail expires.
async fn expire(engine: &Engine) -> Result<Option<Timestamp>, EngineError> {
    let expiring = engine.store.expiring_mail(engine.spans.now()).await?;
    expire_all(engine, &expiring.over).await?;
    Ok(expiring.next)
}

/// Expires mail in one commit; where that is not possible, each piece in its own.
async fn expire_all(engine: &Engine, over: &[Mail]) -> Result<(), EngineError> {
    if over.is_empty() {
        return Ok(());
    }
    match engine.commit_as_engine(over.iter().map(expired).collect()).await {
        Err(trouble) if !trouble.is_temporary() => {}
        other => return other,
    }
    for mail in over {
        engine.each(mail.id.as_str(), commit(engine, vec![expired(mail)]).await)?;
    }
    Ok(())
}

/// Expires mail of an earlier program whose time lies farther ahead than it was meant to wait: the clock was set back.
///
/// # Errors
/// [`EngineError`] if the store fails.
pub async fn recover(engine: &Engine) -> Result<(), EngineError> {
    let now = engine.spans.now();
    let mut ahead = engine.store.mail_ahead(now).await?;
    ahead.retain(|mail| mail.is_expired(now));
    expire_all(engine, &ahead).await
}

fn expired(mail: &Mail) -> Change {
    Change::MailMoved { id: mail.id.clone(), to: MailStatus::Expired, run: None, error: None }
}

async fn deliver_one(engine: &Engine, due: DueMail) -> Result<(), EngineError> {
    let DueMail { mail, to, conversation } = due;
    let Some(to) = to else {
        let error = Some("its recipient is gone".to_owned());
        let failed = Change::MailMoved { id: mail.id, to: MailStatus::Failed, run: None, error };
        return commit(engine, vec![failed]).await;
    };
    if mail.is_expired(engine.spans.now()) {
        return commit(engine, vec![expired(&mail)]).await;
    }
    let sender = match &mail.from {
        Some(from) => engine.agent_name(from).await?,
        None => String::new(),
    };
    let mut changes = Vec::with_capacity(4);
    let conversation = conversation.unwrap_or_else(|| {
        let id = ConversationId::fresh(engine.store.ids());
        let fresh = Conversation::new(id, ConversationOwner::Agent(to.id.clone()));
        changes.push(Change::ConversationOpened(fresh.clone()));
        fresh
    });
    let kind = RunKind::Turn { group: None, only: Some(to.id) };
    let fresh = Run::new(RunId::fresh(engine.store.ids()), conversation.id, kind, RunState::Running);
    let root = mail.root.unwrap_or_else(|| fresh.id.clone());
    let run = Run { person: mail.from_person, mail: Some(mail.id.clone()), depth: mail.depth, root, ..fresh };
    let said = engine.message(&run, Content::said(mail.text));
    let message = match &mail.from {
        Some(from) => said.by(from, sender),
        None => said,
    };
    changes.push(Change::MailMoved { id: mail.id, to: MailStatus::Delivered, run: Some(run.id.clone()), error: None });
    changes.push(Change::RunCreated(run.clone()));
    changes.push(Change::MessageAppended(message));
    let made = next::begin(engine, &run, None, Commit::new(Actor::Engine, changes)).await;
    settle(made.map(drop).map_err(EngineError::from))
}

/// Fails a piece of mail that cannot be delivered.
async fn fail(engine: &Engine, id: &MailId, trouble: &EngineError) -> Result<(), EngineError> {
    let error = Some(format!("it could not be delivered: {trouble}"));
    let failed = Change::MailMoved { id: id.clone(), to: MailStatus::Failed, run: None, error };
    engine.commit_as_engine(vec![failed]).await
}

/// Commits; if another commit came first, that one has woken the driver, which tries again.
async fn commit(engine: &Engine, changes: Vec<Change>) -> Result<(), EngineError> {
    settle(engine.commit_as_engine(changes).await)
}

/// The same for what has been committed.
fn settle(made: Result<(), EngineError>) -> Result<(), EngineError> {
    match made {
        Err(EngineError::Moved) => Ok(()),
        Err(EngineError::Refused(why)) => {
            tracing::info!(why, "mail stays where it is");
            Ok(())
        }
        other => other,
    }
}
