//! Fallback models (J7): while the provider of an agent's model is down or fails, another one answers its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nightdesk::testing::config::{Config, ProviderKind};
use nightdesk::testing::domain::{Agent, Change, Job, JobState, Step, StopReason, Value};
use nightdesk::testing::engine::protocol::{AgentForm, Request};

use crate::stop;
use crate::support::engine_harness::{Plan, World, agent_id, lines};
use crate::support::script::{Script, When};
use crate::support::wire::{self, Behaviour, WireServer};

/// Two servers of models: the agents' own, which works while it is told to, and the one that is asked instead.
struct Pair {
    world: World,
    own: WireServer,
    other: WireServer,
    works: Arc<AtomicBool>,
}

fn said(text: &str) -> Behaviour {
    Behaviour::Text { chunks: vec![text.to_owned()], delay: Duration::ZERO }
}

fn burns(_: &wire::Request) -> Behaviour {
    Behaviour::status(500, r#"{"error": {"message": "it burns"}}"#)
}

impl Pair {
    /// The agents' own server works, or does this; the other one does that.
    async fn new(
        fails: impl Fn(&wire::Request) -> Behaviour + Send + Sync + 'static,
        instead: impl Fn() -> Behaviour + Send + Sync + 'static,
        plan: Plan,
    ) -> Self {
        let works = Arc::new(AtomicBool::new(false));
        let own = {
            let works = Arc::clone(&works);
            let answer =
                move |request: &wire::Request| if works.load(Ordering::SeqCst) { said("mine") } else { fails(request) };
            WireServer::start(ProviderKind::OpenAi, answer).await
        };
        let other = WireServer::start(ProviderKind::Anthropic, move |_| instead()).await;
        let mut config: Config = own.config("own");
        config.provider.extend(other.config("other").provider);
        let world = World::new(Plan { model: Some("own/m"), config, ..plan }).await;
        for name in ["ann", "cleo"] {
            if let Some(agent) = world.store().row::<Agent>(agent_id(name).as_str()).await.unwrap() {
                let fallback_models = vec!["nowhere/m".to_owned(), "other/n".to_owned()];
                world.apply(vec![Change::AgentPut(Agent { fallback_models, ..agent })]).await.unwrap();
            }
        }
        Self { world, own, other, works }
    }

    async fn close(self) {
        self.world.close().await;
    }
}

/// Lets the clock go on. The servers are real sockets, for which a paused clock would not wait.
async fn pass(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

/// The steps of an agent, in order: which model answered, instead of which.
async fn models(world: &World, agent: &str) -> Vec<(String, Option<String>)> {
    let log = world.store().log(0, 100_000).await.unwrap();
    let steps = log.into_iter().filter_map(|logged| match logged.change {
        Change::StepFinished(Step { agent: by, model, instead_of, .. }) if by == agent_id(agent) => {
            Some((model, instead_of))
        }
        _ => None,
    });
    steps.collect()
}

fn own() -> (String, Option<String>) {
    ("own/m".to_owned(), None)
}

fn other() -> (String, Option<String>) {
    ("other/n".to_owned(), Some("own/m".to_owned()))
}

#[tokio::test]
async fn the_next_model_answers_while_a_provider_fails_and_its_own_when_that_is_up_again() {
    let pair = Pair::new(burns, || said("theirs"), Plan { members: &["ann"], ..Plan::default() }).await;
    let world = &pair.world;
    assert_eq!(stop(&world.send("one").await), StopReason::MaxTurns);
    assert_eq!(pair.own.requests().len(), 4, "its own is tried as often as ever");
    let told = "(ann answers with other/n: 500 from own: it burns)";
    assert_eq!(world.transcript().await, ["user: one", told, "ann: theirs"]);
    // The fifth failure marks it down; it is asked no more, and the other one is at once.
    world.send("two").await;
    let asked = pair.own.requests().len();
    assert_eq!(asked, 5, "the one call that marks it down");
    world.send("three").await;
    assert_eq!(pair.own.requests().len(), asked);
    let told = "(ann answers with other/n: own is down)";
    assert_eq!(world.transcript().await[6..], ["user: three", told, "ann: theirs"]);
    assert_eq!(models(world, "ann").await, [other(), other(), other()]);
    // The pause is over: the next step is the probe, which fails, and then the one that does not.
    pass(Duration::from_mins(1)).await;
    world.send("four").await;
    assert_eq!((pair.own.requests().len(), pair.other.requests().len()), (asked + 1, 4));
    pair.works.store(true, Ordering::SeqCst);
    pass(Duration::from_mins(5)).await;
    world.send("five").await;
    assert_eq!(models(world, "ann").await[3..], [other(), own()]);
    assert_eq!(world.transcript().await.last().unwrap(), "ann: mine");
    pair.close().await;
}

fn bad_key() -> Behaviour {
    Behaviour::status(401, r#"{"error": {"message": "no such key"}}"#)
}

#[tokio::test]
async fn a_refusal_is_no_reason_for_another_model_and_that_of_another_model_does_not_count() {
    let pair = Pair::new(|_| bad_key(), || said("theirs"), Plan { members: &["ann"], ..Plan::default() }).await;
    assert_eq!(stop(&pair.world.send("one").await), StopReason::Error);
    assert!(pair.other.requests().is_empty());
    pair.close().await;
    let pair = Pair::new(burns, bad_key, Plan { members: &["ann"], ..Plan::default() }).await;
    assert_eq!(stop(&pair.world.send("one").await), StopReason::Error);
    assert_eq!(pair.other.requests().len(), 1);
    let last = pair.world.transcript().await.pop().unwrap();
    assert!(last.starts_with("(ann could not answer: 500 from own: it burns"), "{last}");
    pair.close().await;
}

#[tokio::test]
async fn a_job_is_worked_off_by_the_next_model_in_its_first_attempt() {
    let plan = Plan { members: &["bob"], background: &["cleo"], every_turns: Some(1), ..Plan::default() };
    let fails = |request: &wire::Request| if request.is_of("cleo") { burns(request) } else { said("mine") };
    let pair = Pair::new(fails, || said("theirs"), plan).await;
    let world = &pair.world;
    world.send("one").await;
    let job: Job = world.jobs_over(1).await.remove(0);
    let JobState::Completed { .. } = job.state else { panic!("{job:?}") };
    assert_eq!((job.attempt, models(world, "cleo").await), (1, vec![other()]));
    let notes = world.messages(job.conversation.as_ref().unwrap()).await;
    assert_eq!(lines(&notes)[0], "(cleo answers with other/n: 500 from own: it burns)");
    pair.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_fallback_model_counts_its_calls_and_has_to_exist() {
    let script = Script::of([When::agent("ann").status(503)]).otherwise("fine");
    let world = World::new(Plan { script, members: &["ann"], ..Plan::default() }).await;
    let ann = world.store().row::<Agent>(agent_id("ann").as_str()).await.unwrap().unwrap();
    let same = ann.model.clone().unwrap();
    let fallback_models = vec![same, "offline".to_owned()];
    world.apply(vec![Change::AgentPut(Agent { fallback_models, ..ann.clone() })]).await.unwrap();
    assert_ne!(stop(&world.send("one").await), StopReason::Error, "the offline model answers");
    let asked = world.asked().len();
    assert_eq!(asked, 4, "its own is not asked again as a fallback");
    let steps = world.store().log(0, 100_000).await.unwrap();
    let step = steps.iter().find_map(|logged| match &logged.change {
        Change::StepFinished(step) => Some(step.clone()),
        _ => None,
    });
    let step = step.unwrap();
    assert_eq!((step.model.as_str(), step.instead_of, step.retries), ("offline", ann.model.clone(), 4));
    let missing = Box::new(AgentForm::default().set("fallback_models", Value::from(&["nowhere/m"][..])));
    let refused = world.ask(Request::UpdateAgent { id: agent_id("ann"), form: missing }).await.unwrap_err();
    assert!(refused.text.contains("there is no provider \"nowhere\""), "{refused}");
    let form = Box::new(AgentForm::default().clear("fallback_models"));
    world.ask(Request::UpdateAgent { id: agent_id("ann"), form }).await.unwrap();
    assert_eq!(stop(&world.send("two").await), StopReason::Error);
    let last = world.transcript().await.pop().unwrap();
    assert!(last.starts_with("(ann could not answer: 503 "), "{last}");
    world.close().await;
}
