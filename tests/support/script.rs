//! Files of the scripted model, built in code. Names and defaults are those of the file (`nightdesk::testing::llm::scripted`).

use serde::Serialize;
use serde_json::{Value, json};

/// What a scripted model replies: the first of `reply` whose conditions hold, else `default`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Script {
    reply: Vec<When>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<When>,
}

/// One reply: when it is given, what it says and what it calls.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(default)]
pub struct When {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
    text: String,
    reasoning: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<u32>,
    delay_ms: u64,
    first_delay_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Value>,
    call: Vec<Call>,
}

#[derive(Debug, Clone, Serialize)]
struct Call {
    name: String,
    arguments: Value,
}

impl Script {
    /// Replies in this order, and none by default.
    pub fn of(replies: impl IntoIterator<Item = When>) -> Self {
        Self { reply: replies.into_iter().collect(), default: None }
    }

    /// One text for every call.
    pub fn always(text: &str) -> Self {
        Self::default().otherwise(text)
    }

    /// Adds the replies of another script behind these; its default takes the place of this one's.
    pub fn then(mut self, other: Self) -> Self {
        self.reply.extend(other.reply);
        Self { default: other.default.or(self.default), ..self }
    }

    /// What is said where no reply matches.
    pub fn otherwise(self, text: &str) -> Self {
        self.or(When::any().text(text))
    }

    /// The reply where no other matches.
    pub fn or(self, reply: When) -> Self {
        Self { default: Some(reply), ..self }
    }

    /// The text of the file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap()
    }
}

impl When {
    /// For every call.
    pub fn any() -> Self {
        Self::default()
    }

    /// For this agent's calls.
    pub fn agent(agent: &str) -> Self {
        Self { agent: Some(agent.to_owned()), ..Self::default() }
    }

    /// For calls of background jobs.
    pub fn in_job() -> Self {
        Self { background: Some(true), ..Self::default() }
    }

    pub fn turn(self, turn: u64) -> Self {
        Self { turn: Some(turn), ..self }
    }

    pub fn step(self, step: u32) -> Self {
        Self { step: Some(step), ..self }
    }

    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt: Some(attempt), ..self }
    }

    /// Where the last words said to the agent contain this.
    pub fn contains(self, part: &str) -> Self {
        Self { contains: Some(part.to_owned()), ..self }
    }

    pub fn text(self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self }
    }

    pub fn reasoning(self, text: &str) -> Self {
        Self { reasoning: text.to_owned(), ..self }
    }

    /// Code points a delta.
    pub fn chunk(self, chunk: u32) -> Self {
        Self { chunk: Some(chunk), ..self }
    }

    pub fn repeat(self, repeat: u32) -> Self {
        Self { repeat: Some(repeat), ..self }
    }

    /// Between two deltas.
    pub fn delay_ms(self, delay_ms: u64) -> Self {
        Self { delay_ms, ..self }
    }

    pub fn first_delay_ms(self, first_delay_ms: u64) -> Self {
        Self { first_delay_ms, ..self }
    }

    pub fn tokens(self, tokens_in: u64, tokens_out: u64) -> Self {
        Self { tokens_in: Some(tokens_in), tokens_out: Some(tokens_out), ..self }
    }

    /// Fails with this HTTP status.
    pub fn status(self, status: u16) -> Self {
        self.fault(json!({ "kind": "status", "status": status }))
    }

    /// Fails with this HTTP status, and asks to be called again after so many seconds.
    pub fn status_retry_after(self, status: u16, seconds: u64) -> Self {
        self.fault(json!({ "kind": "status", "status": status, "retry_after": seconds }))
    }

    /// Breaks off after so many code points of the text.
    pub fn cut_after(self, chars: usize) -> Self {
        self.fault(json!({ "kind": "cut", "after_chars": chars }))
    }

    /// Sends nothing more after so many code points of the text.
    pub fn hang_after(self, chars: usize) -> Self {
        self.fault(json!({ "kind": "hang", "after_chars": chars }))
    }

    /// Ends otherwise: `malformed`, `refused` or `length`.
    pub fn ends(self, kind: &str) -> Self {
        self.fault(json!({ "kind": kind }))
    }

    fn fault(self, fault: Value) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Calls a tool.
    pub fn call(mut self, name: &str, arguments: Value) -> Self {
        self.call.push(Call { name: name.to_owned(), arguments });
        self
    }

    /// Appends a line to a block.
    pub fn inserts(self, label: &str, line: &str) -> Self {
        self.call("memory_insert", json!({ "label": label, "new_str": line }))
    }

    /// Replaces a part of a block.
    pub fn replaces(self, label: &str, old: &str, new: &str) -> Self {
        self.call("memory_replace", json!({ "label": label, "old_str": old, "new_str": new }))
    }

    /// Writes a whole block.
    pub fn rethinks(self, label: &str, value: &str) -> Self {
        self.call("memory_rethink", json!({ "label": label, "new_memory": value }))
    }

    /// Ends a background job.
    pub fn finishes(self) -> Self {
        self.call("memory_finish_edits", json!({}))
    }

    pub fn passes(self) -> Self {
        self.call("pass", json!({}))
    }

    /// Chooses the next speaker, as a manager does.
    pub fn chooses(self, agent: &str, reason: &str) -> Self {
        self.call("choose_next_speaker", json!({ "agent": agent, "reason": reason }))
    }

    /// Gives each of these agents a task.
    pub fn delegates(self, tasks: &[(&str, &str)]) -> Self {
        let tasks: Vec<Value> = tasks.iter().map(|(agent, task)| json!({ "agent": agent, "task": task })).collect();
        self.call("delegate", json!({ "tasks": tasks }))
    }

    /// Sends mail and waits for the reply.
    pub fn asks(self, agent: &str, message: &str) -> Self {
        let arguments = json!({ "message": message, "other_agent_id": agent });
        self.call("send_message_to_agent_and_wait_for_reply", arguments)
    }

    /// Sends mail and goes on.
    pub fn mails(self, agent: &str, message: &str) -> Self {
        let arguments = json!({ "message": message, "other_agent_id": agent });
        self.call("send_message_to_agent_async", arguments)
    }
}
