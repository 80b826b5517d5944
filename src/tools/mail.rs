//! Tools for mail between agents: Letta's four, with priority and expiry, and the list of agents they reach.
//!
//! Only `send_message_to_agent_async` continues without waiting; the others wait for the replies.

use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::delegate::{self, Delegation};
use super::{Colleague, OutgoingMail, Tool, ToolContext, ToolOutcome, Wait, arguments};
use crate::domain::mail::{check_text, expiry_seconds};
use crate::domain::{MailKind, Priority};
use crate::llm::ToolSpec;

/// `send_message_to_agent_async`: sends mail without waiting.
pub struct SendAsync;
/// `send_message_to_agent_and_wait_for_reply`: sends mail; the reply is the result.
pub struct SendAndWait;
/// `send_message_to_agents_matching_tags`: sends mail to all agents with these tags; their replies are the result.
pub struct SendToTags;
/// `send_message_to_all_agents_in_group`: sends mail to every agent of the group; their replies are the result.
pub struct SendToGroup;
/// `list_agents`: lists the agents that can be written to.
pub struct ListAgents;

const ASYNC: &str = "send_message_to_agent_async";
const AND_WAIT: &str = "send_message_to_agent_and_wait_for_reply";
const TO_TAGS: &str = "send_message_to_agents_matching_tags";
const TO_GROUP: &str = "send_message_to_all_agents_in_group";
const LIST: &str = "list_agents";

/// The arguments all four tools share.
#[derive(Debug, Clone, Deserialize)]
pub struct MailArguments {
    /// The text.
    pub message: String,
    /// `low`, `normal` or `high`.
    #[serde(default)]
    pub priority: Option<String>,
    /// A duration such as `10m`, after which it expires undelivered.
    #[serde(default)]
    pub expires_in: Option<String>,
}

#[derive(Deserialize)]
struct ToOne {
    other_agent_id: String,
    #[serde(flatten)]
    letter: MailArguments,
}

#[derive(Deserialize)]
struct ToTagged {
    #[serde(default)]
    match_all: Vec<String>,
    #[serde(default)]
    match_some: Vec<String>,
    #[serde(flatten)]
    letter: MailArguments,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    query: String,
    #[serde(default)]
    tags: Vec<String>,
}

impl MailArguments {
    /// Creates the mail to this agent.
    ///
    /// # Errors
    /// A sentence if text, priority or expiry is not allowed.
    pub fn to(&self, colleague: &Colleague, kind: MailKind) -> Result<OutgoingMail, String> {
        check_text(&self.message)?;
        let priority = match self.priority.as_deref().map(str::trim) {
            None | Some("") => Priority::default(),
            Some(name) => {
                let known = Priority::named(&name.to_lowercase());
                known.ok_or_else(|| format!("priority is {name:?}; it is low, normal or high"))?
            }
        };
        let expires_in = match self.expires_in.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(time) => Some(expiry_seconds(time).map_err(|why| format!("expires_in: {why}"))?),
        };
        Ok(OutgoingMail { to: colleague.id.clone(), kind, priority, text: self.message.clone(), expires_in })
    }
}

/// The schema of a tool: the text, its own properties, then priority and expiry.
fn schema(own: &[(&str, Value)], required: &[&str]) -> Value {
    let mut properties = serde_json::Map::new();
    properties.insert("message".to_owned(), json!({"type": "string", "description": "What you write."}));
    properties.extend(own.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    let names: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
    let words = "What goes first where several pieces wait; normal if left out.";
    properties.insert("priority".to_owned(), json!({"type": "string", "enum": names, "description": words}));
    let words = "After this time it is not delivered any more, for example 10m; never if left out.";
    properties.insert("expires_in".to_owned(), json!({"type": "string", "description": words}));
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn other_agent() -> (&'static str, Value) {
    let words = "Whom: the name, or group/name, or the id. list_agents tells who there is.";
    ("other_agent_id", json!({"type": "string", "description": words}))
}

impl Tool for SendAsync {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: ASYNC.to_owned(),
            description: "Send a message to another agent and go on without waiting. It is kept until that agent \
                          reads it; if it wants to answer, it writes to you. If it cannot be delivered you are told."
                .to_owned(),
            schema: schema(&[other_agent()], &["message", "other_agent_id"]),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let found = match to_one(ASYNC, value, desk, MailKind::Notice).await {
                Ok(found) => found,
                Err(refused) => return refused,
            };
            let (post, colleague) = found;
            desk.posts.push(post);
            ToolOutcome::done(match &colleague.holds_mail {
                Some(why) => format!("sent to {}, queued: {why}", colleague.name),
                None => format!("sent to {}", colleague.name),
            })
        })
    }
}

impl Tool for SendAndWait {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: AND_WAIT.to_owned(),
            description: "Send a message to another agent and wait for its reply, which is the result. Use it when \
                          you cannot go on without the answer."
                .to_owned(),
            schema: schema(&[other_agent()], &["message", "other_agent_id"]),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            match to_one(AND_WAIT, value, desk, MailKind::Request).await {
                Ok((post, _)) => ToolOutcome::Wait(Wait::Replies(vec![post])),
                Err(refused) => refused,
            }
        })
    }
}

impl Tool for SendToTags {
    fn spec(&self) -> ToolSpec {
        let tags = |words: &str| json!({"type": "array", "items": {"type": "string"}, "description": words});
        let all = tags("Only agents that have all of these tags.");
        let some = tags("Only agents that have at least one of these tags.");
        ToolSpec {
            name: TO_TAGS.to_owned(),
            description: "Send a message to every agent with these tags and wait for their replies. Without tags it \
                          goes to everybody you can reach. One that fails does not keep the others' replies from you."
                .to_owned(),
            schema: schema(&[("match_all", all), ("match_some", some)], &["message", "match_all", "match_some"]),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let ToTagged { match_all, match_some, letter } = match arguments(TO_TAGS, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            let colleagues = match desk.directory.colleagues().await {
                Ok(colleagues) => colleagues,
                Err(fault) => return refuse(TO_TAGS, &fault),
            };
            let matching = colleagues.iter().filter(|colleague| {
                let has = |tag: &String| colleague.tags.contains(tag);
                match_all.iter().all(has) && (match_some.is_empty() || match_some.iter().any(has))
            });
            let whom: Vec<&Colleague> = matching.collect();
            if whom.is_empty() {
                let mut tags: Vec<&str> = colleagues.iter().flat_map(|it| &it.tags).map(String::as_str).collect();
                tags.sort_unstable();
                tags.dedup();
                let known = if tags.is_empty() { "none have tags".to_owned() } else { tags.join(", ") };
                return refuse(TO_TAGS, &format!("nobody you can reach matches; the tags of those you can: {known}"));
            }
            broadcast(TO_TAGS, &letter, whom)
        })
    }
}

impl Tool for SendToGroup {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: TO_GROUP.to_owned(),
            description: "Send a message to every other agent of the group and wait for their replies. One that \
                          fails does not keep the others' replies from you."
                .to_owned(),
            schema: schema(&[], &["message"]),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let letter: MailArguments = match arguments(TO_GROUP, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            // The manager of a supervisor group delegates instead: its workers answer in the group's conversation.
            if desk.delegates != Delegation::No {
                return match check_text(&letter.message) {
                    Ok(()) => delegate::to_all(desk, &letter.message).await,
                    Err(why) => refuse(TO_GROUP, &why),
                };
            }
            let colleagues = match desk.directory.colleagues().await {
                Ok(colleagues) => colleagues,
                Err(fault) => return refuse(TO_GROUP, &fault),
            };
            let whom: Vec<&Colleague> = colleagues.iter().filter(|colleague| colleague.here).collect();
            if whom.is_empty() {
                return refuse(TO_GROUP, "you are alone in the group");
            }
            broadcast(TO_GROUP, &letter, whom)
        })
    }
}

impl Tool for ListAgents {
    fn spec(&self) -> ToolSpec {
        let query = "Only agents with these words in their name, description or role.";
        let tags = "Only agents that have all of these tags.";
        ToolSpec {
            name: LIST.to_owned(),
            description: "List the agents you can write to: what they do, and whether they are free now.".to_owned(),
            schema: json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": query},
                    "tags": {"type": "array", "items": {"type": "string"}, "description": tags}
                },
                "additionalProperties": false
            }),
        }
    }

    fn call<'a>(&'a self, value: &'a Value, desk: &'a mut ToolContext<'_>) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let asked: Asked = match arguments(LIST, value) {
                Ok(arguments) => arguments,
                Err(refused) => return refused,
            };
            let colleagues = match desk.directory.colleagues().await {
                Ok(colleagues) => colleagues,
                Err(fault) => return refuse(LIST, &fault),
            };
            let words: Vec<String> = asked.query.split_whitespace().map(str::to_lowercase).collect();
            let found: Vec<String> = colleagues
                .iter()
                .filter(|colleague| {
                    let about =
                        [&colleague.full_name, &colleague.description, &colleague.role, &colleague.tags.join(" ")]
                            .map(|text| text.to_lowercase())
                            .join("\n");
                    words.iter().all(|word| about.contains(word))
                        && asked.tags.iter().all(|tag| colleague.tags.contains(tag))
                })
                .map(line)
                .collect();
            ToolOutcome::done(match (found.len(), colleagues.len()) {
                (_, 0) => "there is nobody you can write to".to_owned(),
                (0, all) => format!("0 of the {all} agents you can write to match: {}", names(&colleagues)),
                (some, _) => format!("{some} agent{}\n{}", if some == 1 { "" } else { "s" }, found.join("\n")),
            })
        })
    }
}

/// One line of the list.
fn line(colleague: &Colleague) -> String {
    let mut parts = vec![format!("- {} ({})", colleague.name, colleague.full_name)];
    for (what, text) in [("", &colleague.description), ("role: ", &colleague.role)] {
        if !text.is_empty() {
            parts.push(format!("{what}{}", text.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    if !colleague.tags.is_empty() {
        parts.push(format!("tags: {}", colleague.tags.join(", ")));
    }
    parts.push(match &colleague.holds_mail {
        Some(why) => format!("{}; mail waits: {why}", colleague.state),
        None => colleague.state.clone(),
    });
    parts.join("; ")
}

/// Sends the same mail to each of these agents, in this order, and waits; the result has all replies and failures.
#[must_use]
pub fn broadcast(tool: &str, letter: &MailArguments, whom: Vec<&Colleague>) -> ToolOutcome {
    let posts: Result<Vec<OutgoingMail>, String> =
        whom.into_iter().map(|colleague| letter.to(colleague, MailKind::Broadcast)).collect();
    match posts {
        Ok(posts) => ToolOutcome::Wait(Wait::Replies(posts)),
        Err(why) => refuse(tool, &why),
    }
}

/// Parses a call that writes to one agent; returns the mail and the recipient.
async fn to_one(
    tool: &str,
    value: &Value,
    desk: &ToolContext<'_>,
    kind: MailKind,
) -> Result<(OutgoingMail, Colleague), ToolOutcome> {
    let ToOne { other_agent_id, letter } = arguments(tool, value)?;
    let colleagues = desk.directory.colleagues().await.map_err(|fault| refuse(tool, &fault))?;
    let colleague = find(&colleagues, &other_agent_id, desk.agent).map_err(|why| refuse(tool, &why))?;
    let post = letter.to(colleague, kind).map_err(|why| refuse(tool, &why))?;
    Ok((post, colleague.clone()))
}

/// Finds a colleague by id, short name or `group/name`; else returns a sentence with the names that can be reached.
fn find<'a>(colleagues: &'a [Colleague], called: &str, me: &str) -> Result<&'a Colleague, String> {
    let called = called.trim();
    let named: Vec<&Colleague> = colleagues.iter().filter(|colleague| colleague.answers_to(called)).collect();
    match named.as_slice() {
        [one] => Ok(one),
        [] if called == me => Err("this is you; a message goes to somebody else".to_owned()),
        [] if colleagues.is_empty() => Err(format!("{called:?} is nobody you can reach, and nobody else is")),
        [] => Err(format!("{called:?} is nobody you can reach; you can write to {}", names(colleagues))),
        several => {
            let full: Vec<&str> = several.iter().map(|colleague| colleague.full_name.as_str()).collect();
            Err(format!("{called:?} is ambiguous; say which: {}", full.join(", ")))
        }
    }
}

/// The names, comma-separated; short where unambiguous, else full.
fn names(colleagues: &[Colleague]) -> String {
    let unique = |name: &str| colleagues.iter().filter(|other| other.name == name).count() == 1;
    let named = colleagues.iter().map(|it| if unique(&it.name) { it.name.as_str() } else { it.full_name.as_str() });
    named.collect::<Vec<_>>().join(", ")
}

fn refuse(tool: &str, why: &str) -> ToolOutcome {
    ToolOutcome::refused(format!("{tool}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::MessageSearch;
    use super::*;
    use jiff::tz::TimeZone;

    use crate::domain::{AgentId, MessageQuery, SearchResult};

    struct Nothing;

    impl MessageSearch for Nothing {
        fn search(&self, _: MessageQuery) -> BoxFuture<'_, Result<SearchResult, String>> {
            Box::pin(async { Ok(SearchResult::default()) })
        }

        fn zone(&self) -> TimeZone {
            TimeZone::UTC
        }
    }

    struct Known(Vec<Colleague>);

    impl super::super::Directory for Known {
        fn colleagues(&self) -> BoxFuture<'_, Result<Vec<Colleague>, String>> {
            Box::pin(async { Ok(self.0.clone()) })
        }
    }

    fn colleague(full_name: &str, tags: &[&str]) -> Colleague {
        let name = full_name.split_once('/').unwrap().1;
        Colleague {
            id: AgentId(format!("agent-{}", full_name.replace('/', "-"))),
            name: name.to_owned(),
            full_name: full_name.to_owned(),
            description: format!("What {name} does"),
            role: String::new(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            member: true,
            here: full_name.starts_with("news/"),
            state: "idle".to_owned(),
            holds_mail: None,
        }
    }

    /// The newsroom as `ann` sees it: two who check facts, one of another group with a name that is taken.
    fn newsroom() -> Known {
        let mut busy = colleague("news/critic", &["facts", "style"]);
        busy.role = "finds mistakes".to_owned();
        busy.state = "speaking".to_owned();
        busy.holds_mail = Some("critic is speaking".to_owned());
        let others = [("news/bob", &["facts"][..]), ("news/cid", &["style"]), ("sport/bob", &["facts", "far"])];
        let others = others.map(|(name, tags)| colleague(name, tags));
        Known(std::iter::once(busy).chain(others).collect())
    }

    async fn call(tool: &dyn Tool, known: &Known, arguments: Value) -> (ToolOutcome, Vec<OutgoingMail>) {
        let mut desk = ToolContext {
            agent: "ann",
            blocks: Vec::new(),
            library: &Nothing,
            directory: known,
            delegates: Delegation::No,
            posts: Vec::new(),
            withheld: Vec::new(),
            grants: Vec::new(),
            approved: false,
        };
        let effect = tool.call(&arguments, &mut desk).await;
        (effect, desk.posts)
    }

    fn refusal(effect: ToolOutcome) -> String {
        match effect {
            ToolOutcome::Result { ok: false, text } => text,
            other => panic!("{other:?}"),
        }
    }

    fn waits(effect: ToolOutcome) -> Vec<OutgoingMail> {
        match effect {
            ToolOutcome::Wait(Wait::Replies(posts)) => posts,
            other => panic!("{other:?}"),
        }
    }

    fn whom(posts: &[OutgoingMail]) -> Vec<&str> {
        posts.iter().map(|post| post.to.as_str()).collect()
    }

    #[tokio::test]
    async fn async_mail_lies_on_the_desk_and_the_result_says_what_a_busy_recipient_does() {
        let known = newsroom();
        let arguments = json!({"message": "Look at this", "other_agent_id": "cid"});
        let (effect, posts) = call(&SendAsync, &known, arguments).await;
        assert_eq!(effect, ToolOutcome::done("sent to cid"));
        let expected = OutgoingMail {
            to: AgentId::from("agent-news-cid"),
            kind: MailKind::Notice,
            priority: Priority::Normal,
            text: "Look at this".to_owned(),
            expires_in: None,
        };
        assert_eq!(posts, [expected]);
        let urgent = json!({
            "message": "Now", "other_agent_id": "news/critic", "priority": "high", "expires_in": "10m"
        });
        let (effect, posts) = call(&SendAsync, &known, urgent).await;
        assert_eq!(effect, ToolOutcome::done("sent to critic, queued: critic is speaking"));
        assert_eq!((posts[0].priority, posts[0].expires_in), (Priority::High, Some(600)));
    }

    #[tokio::test]
    async fn a_recipient_is_an_id_a_name_or_a_full_name_and_anyone_else_fails_at_the_send() {
        let known = newsroom();
        for (called, id) in [
            ("agent-sport-bob", "agent-sport-bob"),
            (" critic ", "agent-news-critic"),
            ("sport/bob", "agent-sport-bob"),
        ] {
            let (effect, posts) = call(&SendAsync, &known, json!({"message": "hi", "other_agent_id": called})).await;
            assert!(matches!(effect, ToolOutcome::Result { ok: true, .. }), "{effect:?}");
            assert_eq!(whom(&posts), [id]);
        }
        for tool in [&SendAsync as &dyn Tool, &SendAndWait] {
            for (called, why) in [
                ("zoe", "\"zoe\" is nobody you can reach; you can write to critic, news/bob, cid, sport/bob"),
                ("bob", "\"bob\" is ambiguous; say which: news/bob, sport/bob"),
                ("ann", "this is you"),
            ] {
                let (effect, posts) = call(tool, &known, json!({"message": "hi", "other_agent_id": called})).await;
                let text = refusal(effect);
                assert!(text.starts_with(&tool.spec().name) && text.contains(why), "{text}");
                assert!(posts.is_empty());
            }
        }
        let alone = call(&SendAsync, &Known(Vec::new()), json!({"message": "hi", "other_agent_id": "bob"})).await;
        assert!(refusal(alone.0).contains("nobody else is"));
    }

    #[tokio::test]
    async fn what_is_written_wrong_is_a_sentence() {
        let known = newsroom();
        let long = "x".repeat(crate::domain::mail::MAX_BYTES + 1);
        for (argument, value, why) in [
            ("message", json!(" "), "empty"),
            ("message", json!(long), "32768"),
            ("priority", json!("urgent"), "low, normal or high"),
            ("expires_in", json!("soon"), "expires_in: \"soon\" is not a time"),
            ("other_agent_id", json!(7), "do not fit"),
        ] {
            let mut arguments = json!({"message": "hi", "other_agent_id": "cid"});
            arguments[argument] = value;
            let (effect, posts) = call(&SendAsync, &known, arguments).await;
            let text = refusal(effect);
            assert!(text.contains(why), "{text}");
            assert!(posts.is_empty());
        }
    }

    #[tokio::test]
    async fn waiting_for_a_reply_waits_for_that_agent() {
        let arguments = json!({"message": "Is it true?", "other_agent_id": "critic", "priority": "low"});
        let (effect, posts) = call(&SendAndWait, &newsroom(), arguments).await;
        let waited = waits(effect);
        assert_eq!(whom(&waited), ["agent-news-critic"]);
        assert_eq!((waited[0].kind, waited[0].priority), (MailKind::Request, Priority::Low));
        assert!(posts.is_empty(), "what is waited for is not sent twice");
    }

    #[tokio::test]
    async fn tags_match_all_and_some_in_a_stable_order_without_the_sender() {
        let known = newsroom();
        for (all, some, expected) in [
            (&[][..], &[][..], &["agent-news-critic", "agent-news-bob", "agent-news-cid", "agent-sport-bob"][..]),
            (&["facts"], &[], &["agent-news-critic", "agent-news-bob", "agent-sport-bob"]),
            (&["facts"], &["style", "far"], &["agent-news-critic", "agent-sport-bob"]),
            (&[], &["style"], &["agent-news-critic", "agent-news-cid"]),
            (&["facts", "style"], &[], &["agent-news-critic"]),
        ] {
            let arguments = json!({"message": "all hands", "match_all": all, "match_some": some});
            let (effect, _) = call(&SendToTags, &known, arguments).await;
            let posts = waits(effect);
            assert_eq!(whom(&posts), expected, "{all:?} {some:?}");
            assert!(posts.iter().all(|post| post.kind == MailKind::Broadcast && post.text == "all hands"));
        }
        let arguments = json!({"message": "hi", "match_all": ["nobody"], "match_some": []});
        let text = refusal(call(&SendToTags, &known, arguments).await.0);
        assert!(text.contains("nobody you can reach matches") && text.ends_with("facts, far, style"), "{text}");
    }

    #[tokio::test]
    async fn a_message_to_the_group_goes_to_everybody_here() {
        let (effect, _) = call(&SendToGroup, &newsroom(), json!({"message": "hi"})).await;
        assert_eq!(whom(&waits(effect)), ["agent-news-critic", "agent-news-bob", "agent-news-cid"]);
        let mut desk = ToolContext {
            agent: "ann",
            blocks: Vec::new(),
            library: &Nothing,
            directory: &newsroom(),
            delegates: Delegation::Open,
            posts: Vec::new(),
            withheld: Vec::new(),
            grants: Vec::new(),
            approved: false,
        };
        let ToolOutcome::Wait(Wait::Workers(tasks)) = SendToGroup.call(&json!({"message": "hi"}), &mut desk).await
        else {
            panic!("a supervisor's workers answer in the group")
        };
        assert_eq!(tasks.len(), 4);
        let alone = Known(vec![colleague("sport/bob", &[])]);
        assert!(refusal(call(&SendToGroup, &alone, json!({"message": "hi"})).await.0).contains("alone"));
        assert!(refusal(call(&SendToGroup, &newsroom(), json!({"message": ""})).await.0).contains("empty"));
    }

    #[tokio::test]
    async fn the_list_tells_who_they_are_what_they_do_and_whether_they_are_free() {
        let known = newsroom();
        let list = async |arguments: Value| match call(&ListAgents, &known, arguments).await.0 {
            ToolOutcome::Result { ok: true, text } => text,
            other => panic!("{other:?}"),
        };
        let all = list(json!({})).await;
        let critic = "- critic (news/critic); What critic does; role: finds mistakes; tags: facts, style; speaking; \
                      mail waits: critic is speaking";
        assert!(all.starts_with("4 agents\n") && all.contains(critic), "{all}");
        assert_eq!(list(json!({"query": "MISTAKES critic"})).await, format!("1 agent\n{critic}"));
        assert!(list(json!({"tags": ["facts", "far"]})).await.starts_with("1 agent\n- bob (sport/bob)"));
        let none = list(json!({"query": "weather"})).await;
        assert_eq!(none, "0 of the 4 agents you can write to match: critic, news/bob, cid, sport/bob");
    }
}
