//! Nothing that comes in is without end: answers, steps, calls, messages and what one message sets off.

use std::time::Duration;

use nightdesk::testing::domain::{Agent, Change, Content, Group, ManagerType, RunState, StopReason};
use nightdesk::testing::engine::protocol::{Recipient, Request};
use serde_json::json;

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, group_id};
use crate::support::script::{Script, When};

const MAIL: &str = "send_message_to_agent_async";

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_ends_with_the_time_of_its_step_and_the_others_speak_on() {
    let drip = When::agent("ann").text("x").repeat(20_000).chunk(1).delay_ms(100);
    let world = World::new(Plan { script: Script::of([drip]).otherwise("fine"), ..Plan::default() }).await;
    let begun = tokio::time::Instant::now();
    world.send("hello").await;
    assert_eq!(begun.elapsed().as_secs(), 900);
    let lines = world.transcript().await;
    let told = "scripted did not end its answer within 900 s, the limit of a step with a built-in model";
    assert!(lines[1].starts_with(&format!("(ann could not answer: {told}")), "{lines:?}");
    assert_eq!(lines[2..], ["bob: fine", "cid: fine"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_too_much_text_reasoning_and_arguments_fails_its_step_alone() {
    let much = "x".repeat(800 << 10);
    let words = When::agent("ann").text("x").repeat(3 << 20).chunk(1 << 16);
    let all = When::agent("bob").text(&much).reasoning(&much).chunk(1 << 16).call("pass", json!({ "why": much }));
    let world = World::new(Plan { script: Script::of([words, all]).otherwise("fine"), ..Plan::default() }).await;
    world.send("hello").await;
    let lines = world.transcript().await;
    for (line, name) in lines[1..3].iter().zip(["ann", "bob"]) {
        let told = format!(
            "({name} could not answer: the answer of scripted does not end: it has more than 2 MiB of text, reasoning and \
             arguments, the limit of an answer; lower max_tokens of {name}, or choose another model)"
        );
        assert_eq!(*line, told);
    }
    assert_eq!(lines[3], "cid: fine");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_makes_so_many_calls_and_the_rest_are_told_so() {
    let many = (0..70).fold(When::agent("ann").step(1), |reply, nth| reply.inserts("story", &format!("- {nth}")));
    let world = World::new(Plan { script: Script::of([many]).otherwise("fine"), ..Plan::default() }).await;
    world.send("hello").await;
    let talk = world.conversation().await;
    let messages = world.messages(&talk.id).await;
    let calls = messages.iter().filter_map(|message| match &message.content {
        Content::Tool { ok, text, .. } => Some((*ok, text.as_str())),
        _ => None,
    });
    let (made, refused): (Vec<_>, Vec<_>) = calls.partition(|(ok, _)| *ok);
    assert_eq!((made.len(), refused.len()), (64, 6));
    assert!(refused[0].1.contains("at most 64 calls (max_step_calls)"), "{refused:?}");
    world.close().await;
}

/// The statements of a step that writes so many pieces of mail where one may be sent in a minute.
async fn cost_of_mail(count: usize) -> u64 {
    let many = When::agent("ann").step(1);
    let many = (0..count).fold(many, |reply, nth| reply.mails("bob", &format!("piece {nth}")));
    let group = Group::new(group_id(), "test", ManagerType::RoundRobin);
    let group = Group { mail_per_minute: Some(1), ..group };
    let plan = Plan {
        script: Script::of([many]).otherwise("fine"),
        group: Some(group),
        members: &["ann", "bob"],
        ..Plan::default()
    };
    let world = World::new(plan).await;
    let ann = world.store().row::<Agent>(agent_id("ann").as_str()).await.unwrap().unwrap();
    let changes = vec![Change::AgentPut(Agent { max_step_calls: Some(1_000), ..ann })];
    world.apply(changes).await.unwrap();
    let before = world.store().counters().statements;
    world.send("hello").await;
    world.at_rest().await;
    let cost = world.store().counters().statements - before;
    let refused = world.transcript().await.iter().filter(|line| line.contains("not sent: the group has sent")).count();
    assert_eq!(refused, count - 1);
    world.close().await;
    cost
}

#[tokio::test(start_paused = true)]
async fn the_check_of_a_steps_calls_grows_no_faster_than_their_number() {
    let (some, many) = (cost_of_mail(100).await, cost_of_mail(800).await);
    println!("statements of a step with mail: {some} with 100 pieces, {many} with 800");
    assert!(many <= some * 9, "{some} with 100 pieces, {many} with 800");
}

#[tokio::test(start_paused = true)]
async fn a_message_sets_off_so_many_model_calls_over_turns_workers_and_mail_and_then_its_runs_end() {
    // Each mail makes its reader write to both others: without a limit, thousands of calls.
    let storm = |name: &str, others: [&str; 2]| {
        let reply = When::agent(name).step(1);
        others
            .into_iter()
            .fold(reply, |reply, other| reply.call(MAIL, json!({ "other_agent_id": other, "message": "go on" })))
    };
    let script = Script::of([storm("ann", ["bob", "cid"]), storm("bob", ["ann", "cid"]), storm("cid", ["ann", "bob"])]);
    let group = Group { max_calls: Some(20), ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    let world = World::new(Plan { script: script.otherwise("enough"), group: Some(group), ..Plan::default() }).await;
    let run = world.send("hello").await;
    world.at_rest().await;
    let asked = world.asked().len();
    assert!((20..=23).contains(&asked), "the three agents may be at work when it is spent: {asked}");
    let log = world.store().log(0, 100_000).await.unwrap();
    let spent = |change: &Change| {
        matches!(change, Change::RunMoved { to: RunState::Finished { stop_reason: StopReason::Budget, .. }, .. })
    };
    assert!(log.iter().any(|logged| spent(&logged.change)), "the runs end by it");
    let root = world.finished(&run.id).await;
    assert_eq!(root.calls as usize, asked, "the root counts all of it");
    // The next message has a budget of its own.
    world.send("again").await;
    assert!(world.asked().len() > asked);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_whose_model_calls_are_spent_says_so() {
    let group = Group { max_calls: Some(2), ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    let world = World::new(Plan { group: Some(group), ..Plan::default() }).await;
    let run = world.send("hello").await;
    assert_eq!(stop(&run), StopReason::Budget);
    let lines = world.transcript().await;
    let told = "(this message has led to 2 model calls, of at most 2 (max_calls of test))";
    assert_eq!(lines.last().map(String::as_str), Some(told), "{lines:?}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_tried_again_counts_each_time() {
    let script = Script::of([When::agent("ann").attempt(1).status(503), When::agent("ann").attempt(2).status(503)])
        .otherwise("{agent} speaks");
    let group = Group { max_calls: Some(3), ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    let world = World::new(Plan { script, group: Some(group), ..Plan::default() }).await;
    let run = world.send("hello").await;
    assert_eq!((run.calls, stop(&run)), (3, StopReason::Budget), "{:?}", world.transcript().await);
    assert!(world.asked_of("bob").is_empty());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_makes_so_many_model_calls_and_ends_when_they_are_spent() {
    let group = Group { max_job_calls: Some(3), ..Group::new(group_id(), "test", ManagerType::RoundRobin) };
    let script = Script::of([When::in_job().inserts("story", "- more")]).otherwise("fine");
    let plan = Plan { script, group: Some(group), background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    let world = World::new(plan).await;
    world.send("hello").await;
    let jobs = world.jobs_over(1).await;
    assert_eq!(world.asked().iter().filter(|prompt| prompt.agent == "cleo").count(), 3);
    let log = world.store().log(0, 100_000).await.unwrap();
    let spent = |change: &Change| {
        matches!(change, Change::RunMoved { to: RunState::Finished { stop_reason: StopReason::Budget, .. }, .. })
    };
    assert!(log.iter().any(|logged| spent(&logged.change)), "{:?}", jobs[0].state);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_long_is_refused_with_a_sentence() {
    let world = World::new(Plan::default()).await;
    let send = async |bytes: usize| {
        world.ask(Request::Send { to: Recipient::Group(group_id()), text: "x".repeat(bytes) }).await
    };
    let refused = send((1 << 20) + 1).await.unwrap_err().text;
    assert!(refused.contains("more than 1048576 bytes"), "{refused}");
    assert!(world.asked().is_empty());
    send(1 << 20).await.unwrap();
    world.at_rest().await;
    world.close().await;
}

/// What an endless answer of each kind is told as, and that others go on beside it.
mod endless {
    use std::time::Instant;

    use nightdesk::testing::llm::{Delta, Models, Prompt, PromptMessage};
    use serde_json::json;
    use strum::IntoEnumIterator as _;

    use super::Duration;
    use crate::support::wire::{Behaviour, Protocol, Wire, WireServer};

    fn hello() -> Prompt {
        let said = PromptMessage::User { by: None, text: "Hello".into() };
        Prompt { agent: "ann".into(), model: "m".into(), entries: vec![said], ..Prompt::default() }
    }

    async fn told(protocol: Protocol, behaviour: Behaviour) -> String {
        let server = WireServer::start(protocol, move |_| behaviour.clone()).await;
        let model = Models::new(server.config("local"), |_| None).get("local/m").unwrap();
        let mut asking = model.ask(hello(), model.deadline());
        loop {
            match asking.next().await {
                Ok(Delta::Done(done)) => panic!("{protocol:?}: {done:?}"),
                Ok(_) => {}
                Err(error) => return error.text,
            }
        }
    }

    fn raw(body: Vec<u8>) -> Behaviour {
        Behaviour::Raw { kind: "text/event-stream", body }
    }

    #[tokio::test]
    async fn a_line_an_event_and_an_answer_without_end_are_refused_over_every_protocol() {
        let filler = "x".repeat(5 << 20);
        let lines = "data: 0\n".repeat(1 << 20);
        for protocol in Protocol::iter() {
            let line = told(protocol, raw(format!("data: {filler}").into_bytes())).await;
            assert!(line.contains("does not end: a piece of it is longer than 4 MiB"), "{protocol:?}: {line}");
            let whole = told(protocol, raw(format!("{{\"a\": \"{filler}").into_bytes())).await;
            assert!(whole.contains("longer than 4 MiB"), "{protocol:?}: {whole}");
            if protocol != Protocol::Ollama {
                let event = told(protocol, raw(lines.clone().into_bytes())).await;
                assert!(event.contains("longer than 4 MiB"), "{protocol:?}: {event}");
            }
            let parts = format!("{{\"a\": [{}0]}}\n\n", "0,".repeat(500_000));
            let parts = if protocol == Protocol::Ollama { parts } else { format!("data: {parts}") };
            let parts = told(protocol, raw(parts.into_bytes())).await;
            assert!(parts.contains("more than 400,000 parts"), "{protocol:?}: {parts}");
        }
    }

    #[tokio::test]
    async fn text_and_error_bodies_without_end_are_left_at_their_limits_over_every_protocol() {
        for protocol in Protocol::iter() {
            let piece = Wire(protocol).text(&"x".repeat(4_096));
            let text = Behaviour::Endless { begin: vec![], piece, pause: Duration::ZERO };
            let text = told(protocol, text).await;
            assert!(text.contains("it has more than 2 MiB of text"), "{protocol:?}: {text}");
            let piece = b"it burns ".repeat(1_000);
            let body = Behaviour::EndlessStatus { code: 400, headers: vec![], begin: vec![], piece };
            let body = told(protocol, body).await;
            assert!(body.starts_with("400 from local: it burns") && body.len() < 1_000, "{protocol:?}: {body}");
        }
    }

    #[tokio::test]
    async fn arguments_and_calls_without_end_are_left_at_their_limits() {
        let wire = Wire(Protocol::OpenAi);
        let call = |index: usize, name: &str, arguments: &str| {
            let function = json!({ "name": name, "arguments": arguments });
            wire.delta(
                &json!({ "tool_calls": [{ "index": index, "id": format!("call-{index}"), "function": function }] }),
            )
        };
        let (begin, piece) = (call(0, "look", "{\"at\": \""), call(0, "", &"x".repeat(1 << 16)));
        let arguments = told(Protocol::OpenAi, Behaviour::Endless { begin, piece, pause: Duration::ZERO }).await;
        assert!(arguments.contains("it has more than 2 MiB of text, reasoning and arguments"), "{arguments}");
        let calls = told(Protocol::OpenAi, raw((0..5_000).flat_map(|index| call(index, "look", "{}")).collect())).await;
        assert!(calls.contains("it has more than 4,096 calls"), "{calls}");
    }

    #[tokio::test]
    async fn a_step_has_the_time_that_is_set_and_the_setting_is_named() {
        let server = WireServer::start(Protocol::OpenAi, |_| {
            let pieces = vec![(Duration::from_millis(100), b": still here\n\n".to_vec()); 600];
            Behaviour::Paced { pieces }
        })
        .await;
        let mut config = server.config("local");
        config.provider.get_mut("local").unwrap().limits.step_timeout = Some(1);
        let model = Models::new(config, |_| None).get("local/m").unwrap();
        let begun = Instant::now();
        let error = model.ask(hello(), model.deadline()).next().await.unwrap_err();
        assert_eq!(error.text, "local did not end its answer within 1 s, step_timeout in [provider.local]");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_an_error_is_not_waited_for() {
        let (begun, piece) = (tokio::time::Instant::now(), Vec::new());
        let body = Behaviour::EndlessStatus { code: 400, headers: vec![], begin: b"it burns".to_vec(), piece };
        let body = told(Protocol::OpenAi, body).await;
        assert!(body.starts_with("400 from local: it burns"), "{body}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_error_is_read_to_its_limit_and_not_unpacked() {
        let long = Behaviour::Status { code: 500, headers: vec![], body: "y".repeat(8 << 20) };
        let long = told(Protocol::OpenAi, long).await;
        assert!(long.starts_with("500 from local: yyy") && long.len() < 1_000, "{long}");
        let packed = Behaviour::Status {
            code: 500,
            headers: vec![("content-encoding".into(), "gzip".into())],
            body: "bomb".repeat(1 << 20),
        };
        assert_eq!(told(Protocol::OpenAi, packed).await, "500 from local: internal server error");
    }
}

/// No form of a key leaves the program.
mod secrets {
    use nightdesk::testing::config::KeySource;
    use nightdesk::testing::llm::{Delta, Models, Prompt, PromptMessage};
    use serde_json::json;

    use super::Duration;
    use crate::support::wire::{Behaviour, Call, Protocol, WireServer};

    const KEY: &str = "sk-Planted-9876543210";

    /// All that is heard of an answer: text, reasoning, names of calls that began, and its end.
    async fn heard(behaviour: Behaviour) -> String {
        heard_of("m", behaviour).await
    }

    async fn heard_of(model: &str, behaviour: Behaviour) -> String {
        let server = WireServer::start(Protocol::OpenAi, move |_| behaviour.clone()).await;
        let mut config = server.config("local");
        config.provider.get_mut("local").unwrap().key = KeySource::Env("PLANTED".to_owned());
        let models = Models::new(config, |name| (name == "PLANTED").then(|| KEY.to_owned()));
        let said = PromptMessage::User { by: None, text: "Hello".into() };
        let prompt = Prompt { model: model.to_owned(), entries: vec![said], ..Prompt::default() };
        let model = models.get(&format!("local/{model}")).unwrap();
        let mut asking = model.ask(prompt, model.deadline());
        let (mut text, mut reasoning, mut begun) = (String::new(), String::new(), String::new());
        loop {
            match asking.next().await {
                Ok(Delta::Text(more)) => text.push_str(&more),
                Ok(Delta::Reasoning(more)) => reasoning.push_str(&more),
                Ok(Delta::TextWasReasoning) => reasoning.push_str(&std::mem::take(&mut text)),
                Ok(Delta::ToolCallStarted { name }) => begun.push_str(&name),
                Ok(Delta::Done(done)) => return format!("{text}|{reasoning}|{begun}|{done:?}"),
                Ok(Delta::Alive) => {}
                Err(error) => return format!("{text}|{reasoning}|{begun}|{error}"),
            }
        }
    }

    fn forms() -> Vec<String> {
        let each = |form: fn(u32) -> String| KEY.chars().map(|c| form(u32::from(c))).collect::<String>();
        vec![
            KEY.to_owned(),
            KEY.chars().flat_map(|c| [c, '\u{200b}']).collect(),
            each(|c| format!("%{c:02X}")),
            each(|c| format!("&#{c};")),
            each(|c| format!("\\u{c:04x}")),
            KEY.replace('P', "\\u0050"),
            format!("{}{KEY}", "x ".repeat(140)),
        ]
    }

    /// Nothing of it remains, not even its end behind a cut.
    fn is_clean(text: &str) -> bool {
        let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        !["9876", "u0039u0038"].iter().any(|part| letters.contains(part))
            && !text.contains("%50")
            && !text.contains("&#80")
    }

    #[tokio::test]
    async fn a_key_in_an_error_an_answer_reasoning_or_a_call_is_masked_in_every_form_and_over_pieces() {
        for form in forms() {
            let bodies = [
                json!({ "error": { "message": format!("bad key {form} given") } }).to_string(),
                format!("<html><title>bad key {form}</title></html>"),
                format!("bad key {form}"),
            ];
            for body in bodies {
                let told = heard(Behaviour::status(400, &body)).await;
                assert!(told.contains("400 from local") && is_clean(&told), "{form:?}: {told}");
            }
            let letters = format!("it is {form}, truly").chars().map(String::from).collect();
            let said = heard(Behaviour::Text { chunks: letters, delay: Duration::ZERO }).await;
            assert!(said.contains("***") && said.contains(", truly|") && is_clean(&said), "{form:?}: {said}");
            let reasoned = heard(Behaviour::Reasoning { reasoning: form.clone(), text: form.clone() }).await;
            assert!(is_clean(&reasoned), "{form:?}: {reasoned}");
            let call = Call::new(&form, "look", &json!({ "at": [form], "to": { "key": form } }));
            let called = heard(Behaviour::Calls { text: String::new(), calls: vec![call] }).await;
            assert!(called.contains("***") && is_clean(&called), "{form:?}: {called}");
        }
    }

    #[tokio::test]
    async fn a_key_in_the_name_of_a_call_or_of_a_model_is_masked() {
        for form in forms() {
            let call = Call::new("call-1", &form, &json!({}));
            let named = heard(Behaviour::Calls { text: String::new(), calls: vec![call] }).await;
            assert!(named.contains("***") && is_clean(&named), "{form:?}: {named}");
        }
        let told = heard_of(KEY, Behaviour::status(404, "no such model")).await;
        assert!(told.contains("local knows no model \"***\"") && is_clean(&told), "{told}");
    }

    #[tokio::test]
    async fn what_may_begin_a_key_comes_before_the_text_turns_to_reasoning() {
        let chunks = ["A key begins with sk-Pla", "</think>", "Yes."].map(String::from).to_vec();
        let heard = heard(Behaviour::Text { chunks, delay: Duration::ZERO }).await;
        assert!(heard.starts_with("Yes.|A key begins with sk-Pla|"), "{heard}");
    }
}
