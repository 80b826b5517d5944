//! Events: the output format of `--json`, derived from updates.
//!
//! A `message` is emitted only after its commit; a `delta` is live text. Each object has its type in `event`, and the
//! run if there is one.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::protocol::{LiveUpdate, RowUpdate, Update};
use crate::domain::{
    Agent, AgentId, CareTask, Change, Content, ConversationId, LogEntry, Mail, MailId, MailKind, MailStatus, Message,
    PendingCall, PendingKind, Priority, Run, RunId, RunState, StepId,
};

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run started.
    RunStarted {
        /// The run.
        run: RunId,
        /// The number of its turn in the conversation; 0 if not known.
        turn: u64,
        /// The agent, for a speech or a job.
        agent: Option<AgentId>,
    },
    /// Live text.
    Delta {
        /// The run.
        run: RunId,
        /// The id the step will be committed with.
        step: StepId,
        /// The speaker's short name.
        agent: String,
        /// `text` or `reasoning`.
        kind: &'static str,
        /// The text since the last delta.
        text: String,
    },
    /// A committed tool call.
    ToolCall {
        /// The run.
        run: Option<RunId>,
        /// The step.
        step: Option<StepId>,
        /// The agent's short name.
        agent: String,
        /// The call's id.
        id: String,
        /// The tool.
        name: String,
        /// The arguments, a JSON object.
        arguments: Value,
    },
    /// The one result of a call.
    ToolResult {
        /// The run.
        run: Option<RunId>,
        /// The call's id.
        id: String,
        /// `success` or `error`.
        status: &'static str,
        /// The text of the result.
        text: String,
    },
    /// A committed message.
    Message {
        /// The run.
        run: Option<RunId>,
        /// The id of the message.
        id: String,
        /// Its position in the conversation.
        seq: u64,
        /// `user`, `assistant` or `system`.
        role: &'static str,
        /// The agent's short name; null for a person.
        agent: Option<String>,
        /// The agent's id; null for a person.
        agent_id: Option<AgentId>,
        /// The text.
        text: String,
    },
    /// A block has a new version.
    BlockEdited {
        /// The run, if an agent edited it.
        run: Option<RunId>,
        /// The block's id.
        block: String,
        /// The new version.
        version: u64,
        /// Name of the editor.
        editor: String,
        /// The new value.
        value: String,
    },
    /// A job was created or changed its state.
    Job {
        /// Its run, once claimed.
        run: Option<RunId>,
        /// The id of the job.
        id: String,
        /// The agent; `None` for care of the store.
        agent: Option<AgentId>,
        /// The task of care; left out for the work of an agent.
        #[serde(skip_serializing_if = "Option::is_none")]
        care: Option<&'static str>,
        /// The status as shown to people.
        status: &'static str,
        /// The internal state.
        state: &'static str,
    },
    /// Mail was sent or changed its status.
    Mail {
        /// The turn that handles it, once delivered.
        run: Option<RunId>,
        /// The mail.
        #[serde(flatten)]
        mail: MailRow,
    },
    /// A run waits for a person or other agents.
    RunWaiting {
        /// The run.
        run: RunId,
        /// `approval`, `reply`, `workers` or `group`.
        r#for: PendingKind,
        /// Ids of what it waits for: the call in the inbox, the mail it sent, or the runs of its workers.
        ids: Vec<String>,
    },
    /// A run finished.
    RunFinished {
        /// The run.
        run: RunId,
        /// The stop reason.
        stop_reason: &'static str,
        /// Error text, if it failed.
        error: Option<String>,
    },
}

/// Mail as a JSON object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MailRow {
    /// Its id.
    pub id: MailId,
    /// The sender's name; null for a person.
    pub from: Option<String>,
    /// The recipient's name; null for a person.
    pub to: Option<String>,
    /// Its kind.
    pub r#type: MailKind,
    /// Its status.
    pub status: MailStatus,
    /// The priority of delivery.
    pub priority: Priority,
    /// The text.
    pub text: String,
    /// The mail it answers or reports on; null if none.
    pub in_reply_to: Option<MailId>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// When it expires undelivered; null for never.
    pub expires_at: Option<Timestamp>,
}

impl MailRow {
    /// Creates the row of this mail; `name` returns the name of an agent.
    #[must_use]
    pub fn new(mail: &Mail, name: impl Fn(&AgentId) -> String) -> Self {
        Self {
            id: mail.id.clone(),
            from: mail.from.as_ref().map(&name),
            to: mail.to.as_ref().map(&name),
            r#type: mail.kind,
            status: mail.status,
            priority: mail.priority,
            text: mail.text.clone(),
            in_reply_to: mail.in_reply_to.clone(),
            created_at: mail.created_at,
            expires_at: mail.expires_at,
        }
    }
}

/// Derives events from updates.
#[derive(Debug, Default)]
pub struct Events {
    names: HashMap<AgentId, String>,
    conversations: HashMap<RunId, ConversationId>,
    /// Committed steps whose live text may still arrive: text must not follow its message.
    settled: HashSet<StepId>,
}

impl Events {
    /// Creates the state from the runs and agents that exist before the first update.
    #[must_use]
    pub fn knowing(runs: &[Run], agents: &[Agent]) -> Self {
        let conversations = runs.iter().map(|run| (run.id.clone(), run.conversation.clone())).collect();
        let names = agents.iter().map(|agent| (agent.id.clone(), agent.name.clone())).collect();
        Self { names, conversations, settled: HashSet::new() }
    }

    /// The events of this update that belong to this conversation; `None` for all conversations.
    pub fn of(&mut self, update: &Update, only: Option<&ConversationId>) -> Vec<Event> {
        match update {
            Update::Committed { changes, rows, .. } => {
                let mut events = Vec::new();
                for logged in changes {
                    if let Change::StepFinished(step) = &logged.change {
                        self.settled.insert(step.id.clone());
                    }
                    self.committed(logged, rows, only, &mut events);
                }
                events
            }
            Update::Live(live) if self.settled.contains(&live.step) => Vec::new(),
            Update::Live(live) if only.is_none_or(|only| *only == live.conversation) => deltas(live),
            Update::Over { step } => {
                self.settled.remove(step);
                Vec::new()
            }
            Update::Live(_) | Update::Trouble { .. } => Vec::new(),
        }
    }

    fn committed(
        &mut self,
        logged: &LogEntry,
        rows: &[RowUpdate],
        only: Option<&ConversationId>,
        events: &mut Vec<Event>,
    ) {
        let wanted = |conversation: &ConversationId| only.is_none_or(|only| only == conversation);
        match &logged.change {
            Change::RunCreated(run) => {
                self.conversations.insert(run.id.clone(), run.conversation.clone());
                if wanted(&run.conversation) && run.state != RunState::Queued {
                    let (run, turn, agent) = (run.id.clone(), run.turn, run.agent().cloned());
                    events.push(Event::RunStarted { run, turn, agent });
                }
            }
            Change::RunMoved { id, to: RunState::Running } if self.known(id).is_some_and(wanted) => {
                let row = rows.iter().find_map(|row| match row {
                    RowUpdate::Run(run) if run.id == *id => Some(run),
                    _ => None,
                });
                let (turn, agent) = row.map_or((0, None), |run| (run.turn, run.agent().cloned()));
                events.push(Event::RunStarted { run: id.clone(), turn, agent });
            }
            Change::RunMoved { id, to: RunState::Finished { stop_reason, error } }
                if self.known(id).map_or(only.is_none(), wanted) =>
            {
                let (run, stop_reason, error) = (id.clone(), stop_reason.as_str(), error.clone());
                events.push(Event::RunFinished { run, stop_reason, error });
            }
            Change::MessageAppended(message) if wanted(&message.conversation) => events.extend(said(message)),
            Change::BlockEdited(revision) => events.push(Event::BlockEdited {
                run: revision.run.clone(),
                block: revision.block.0.clone(),
                version: revision.version,
                editor: revision.editor.name().to_owned(),
                value: revision.value.clone(),
            }),
            Change::AgentPut(agent) => {
                self.names.insert(agent.id.clone(), agent.name.clone());
            }
            Change::MailSent(mail) if self.concerns(mail, only) => events.push(self.mail(mail.clone())),
            Change::MailMoved { id, to, .. } => {
                let mail = rows.iter().find_map(|row| match row {
                    RowUpdate::Mail(mail) if mail.id == *id && self.concerns(mail, only) => Some(mail.clone()),
                    _ => None,
                });
                // The row is the state after all changes of the update; this event is about one of them.
                events.extend(mail.map(|mail| self.mail(Mail { status: *to, ..mail })));
            }
            Change::CallPending(call)
                if call.kind != PendingKind::Behind && self.known(&call.run).map_or(only.is_none(), wanted) =>
            {
                events.push(Event::RunWaiting { run: call.run.clone(), r#for: call.kind, ids: waited_for(call, rows) });
            }
            Change::JobCreated(_)
            | Change::JobClaimed { .. }
            | Change::CareClaimed { .. }
            | Change::JobYielded { .. }
            | Change::JobHandedBack { .. }
            | Change::JobRecovered { .. }
            | Change::JobMoved { .. } => events.extend(job(logged.change.subject(), rows)),
            _ => {}
        }
    }

    /// True for mail caused by a turn of this conversation.
    fn concerns(&self, mail: &Mail, only: Option<&ConversationId>) -> bool {
        let cause = mail.root.as_ref().or(mail.run.as_ref()).and_then(|run| self.known(run));
        only.is_none() || cause == only
    }

    fn mail(&self, mail: Mail) -> Event {
        let row = MailRow::new(&mail, |id| self.names.get(id).cloned().unwrap_or_else(|| id.to_string()));
        Event::Mail { run: mail.run, mail: row }
    }

    fn known(&self, run: &RunId) -> Option<&ConversationId> {
        self.conversations.get(run)
    }
}

/// Ids of what a call waits for: its own in the inbox, the mail it sent, or the runs of its workers.
fn waited_for(call: &PendingCall, rows: &[RowUpdate]) -> Vec<String> {
    if call.kind == PendingKind::Approval {
        return vec![call.inbox_id()];
    }
    let own = |step: &StepId, ordinal: u32| *step == call.step && ordinal == call.ordinal;
    let id = |row: &RowUpdate| match row {
        RowUpdate::Mail(mail) => {
            mail.sent_by.as_ref().filter(|(step, ordinal)| own(step, *ordinal)).map(|_| mail.id.0.clone())
        }
        RowUpdate::Run(run) => run.task.as_ref().filter(|task| own(&task.step, task.ordinal)).map(|_| run.id.0.clone()),
        _ => None,
    };
    rows.iter().filter_map(id).collect()
}

fn job(id: &str, rows: &[RowUpdate]) -> Option<Event> {
    rows.iter().find_map(|row| match row {
        RowUpdate::Job(job) if job.id.as_str() == id => Some(Event::Job {
            run: job.run.clone(),
            id: job.id.0.clone(),
            agent: job.agent().cloned(),
            care: job.care().map(CareTask::as_str),
            status: job.state.shown(),
            state: job.state.as_str(),
        }),
        _ => None,
    })
}

fn said(message: &Message) -> Vec<Event> {
    match &message.content {
        Content::Tool { call, name, arguments, ok, text } => vec![
            Event::ToolCall {
                run: message.run.clone(),
                step: message.step.clone(),
                agent: message.name.clone(),
                id: call.clone(),
                name: name.clone(),
                arguments: arguments.clone(),
            },
            Event::ToolResult {
                run: message.run.clone(),
                id: call.clone(),
                status: if *ok { "success" } else { "error" },
                text: text.clone(),
            },
        ],
        Content::Text { text, .. } | Content::Notice { text, .. } => vec![Event::Message {
            run: message.run.clone(),
            id: message.id.0.clone(),
            seq: message.seq,
            role: message.role(),
            agent: message.agent.as_ref().map(|_| message.name.clone()),
            agent_id: message.agent.clone(),
            text: text.clone(),
        }],
    }
}

fn deltas(live: &LiveUpdate) -> Vec<Event> {
    [("reasoning", &live.reasoning), ("text", &live.text)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(kind, text)| Event::Delta {
            run: live.run.clone(),
            step: live.step.clone(),
            agent: live.name.clone(),
            kind,
            text: text.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Actor, GroupId, RunKind};

    fn committed(n: u64, change: Change, row: Mail) -> Update {
        let logged = LogEntry { n, change, by: Actor::Engine, at: Timestamp::UNIX_EPOCH, cause: None };
        Update::Committed { upto: n, changes: vec![logged], rows: vec![RowUpdate::Mail(row)] }
    }

    #[test]
    fn mail_is_told_where_its_cause_is_with_the_names_people_use() {
        let at = "2026-05-01T09:00:00Z".parse().unwrap();
        let talk = ConversationId::from("conversation-1");
        let kind = RunKind::Turn { group: None, only: None };
        let root = Run::new(RunId::from("run-1"), talk.clone(), kind, RunState::Running);
        let ann = Agent::new(AgentId::from("agent-1"), "ann", GroupId::from("group-1"));
        let mail = Mail {
            id: MailId::from("mail-1"),
            from: Some(ann.id.clone()),
            from_person: None,
            to: None,
            to_person: None,
            kind: MailKind::Reply,
            status: MailStatus::Delivered,
            priority: Priority::High,
            text: "yes".to_owned(),
            in_reply_to: Some(MailId::from("mail-0")),
            sent_by: None,
            waited_for: false,
            group: None,
            run: None,
            root: Some(root.id.clone()),
            depth: 1,
            error: None,
            created_at: at,
            expires_at: None,
        };
        let mut events = Events::knowing(&[root], &[ann]);
        let sent = committed(1, Change::MailSent(mail.clone()), mail.clone());
        let told = serde_json::to_value(events.of(&sent, Some(&talk))).unwrap();
        let expected = json!([{
            "event": "mail", "run": null, "id": "mail-1", "from": "ann", "to": null, "type": "reply",
            "status": "delivered", "priority": "high", "text": "yes", "in_reply_to": "mail-0",
            "created_at": "2026-05-01T09:00:00Z", "expires_at": null
        }]);
        assert_eq!(told, expected);
        assert!(events.of(&sent, Some(&ConversationId::from("conversation-2"))).is_empty());

        let read = Change::MailMoved { id: mail.id.clone(), to: MailStatus::Read, run: None, error: None };
        let [Event::Mail { mail: row, .. }] = &events.of(&committed(2, read, mail), None)[..] else { panic!() };
        assert_eq!(row.status, MailStatus::Read);
    }
}
