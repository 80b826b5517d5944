//! Tests every setting through every interface: team file, command line and form set, show and clear it alike.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use serde_json::Value as Json;

use crate::cli::paths::Paths;
use crate::cli::print::Out;
use crate::cli::{Cli, Command, agent, apply, group};
use crate::domain::setting::{Kind, NONE};
use crate::domain::{
    Agent, Configurable, Group, ManagerType, Setting, Source, TerminationCondition, TriggerSpec, Value, When,
};
use crate::engine::Scope;
use crate::engine::protocol::Overview;
use crate::engine::session::Session;
use crate::team_file::{self, ParseContext, Plan};
use crate::tui::dialog::form::Form;
use crate::tui::model::Model;

/// What a test changes: the group of a manager type, or its agent ann.
trait Subject: Configurable {
    fn find(now: &Overview, kind: ManagerType) -> Self;
    fn blank(&self) -> Self;
    fn form(&self, model: &Model) -> Form;
    fn command(kind: ManagerType) -> [String; 2];
    fn table(file: &mut toml::Table) -> &mut toml::Table;
}

impl Subject for Group {
    fn find(now: &Overview, kind: ManagerType) -> Self {
        now.groups.iter().find(|group| group.name == kind.as_str()).unwrap().clone()
    }

    fn blank(&self) -> Self {
        Self::new(self.id.clone(), self.name.clone(), self.manager_type)
    }

    fn form(&self, model: &Model) -> Form {
        Form::group(model, &self.id).unwrap()
    }

    fn command(kind: ManagerType) -> [String; 2] {
        ["group".to_owned(), kind.as_str().to_owned()]
    }

    fn table(file: &mut toml::Table) -> &mut toml::Table {
        file["group"].as_table_mut().unwrap()
    }
}

impl Subject for Agent {
    fn find(now: &Overview, kind: ManagerType) -> Self {
        let home = Group::find(now, kind).id;
        now.agents.iter().find(|agent| agent.group == home && agent.name == "ann").unwrap().clone()
    }

    fn blank(&self) -> Self {
        Self::new(self.id.clone(), self.name.clone(), self.group.clone())
    }

    fn form(&self, model: &Model) -> Form {
        Form::agent(model, &self.id).unwrap()
    }

    fn command(kind: ManagerType) -> [String; 2] {
        ["agent".to_owned(), format!("{}/ann", kind.as_str())]
    }

    fn table(file: &mut toml::Table) -> &mut toml::Table {
        file["agent"].as_array_mut().unwrap()[0].as_table_mut().unwrap()
    }
}

/// Returns a team file of this type: ann and bob speak, cid orchestrates, zoe works in the background, dan is in no
/// list.
fn base(kind: ManagerType) -> toml::Table {
    let name = kind.as_str();
    let members = if kind.has_setting("members") { "members = [\"ann\", \"bob\"]" } else { "" };
    let manager = if kind.has_manager() { "manager_agent = \"cid\"" } else { "" };
    let agents: String = ["ann", "cid", "zoe", "dan"].map(|name| format!("[[agent]]\nname = {name:?}\n")).concat();
    let text = format!(
        "[group]\nname = {name:?}\nmanager_type = {name:?}\nstatus = \"active\"\n{members}\n{manager}\n\
         [group.sleeptime]\nagents = [\"zoe\"]\n{agents}[[agent]]\nname = \"bob\"\nblocks = [\"notes\"]\n\
         [[block]]\nlabel = \"notes\"\n"
    );
    toml::from_str(&text).unwrap()
}

/// Returns a value for a setting of this kind that differs from its default.
fn sample(kind: Kind) -> Value {
    let names = |names: &[&str]| Value::from(names);
    match kind {
        Kind::Count => 7.into(),
        Kind::Number { from, to } => (from + (to - from) / 4.0).into(),
        Kind::Word => "OVER".into(),
        Kind::Span => "7m".into(),
        Kind::Triggers => {
            let spec = TriggerSpec::from(When::BlockChanged { label: "notes".to_owned(), any: true });
            let task = Some("Look at the dates.".to_owned());
            Value::Triggers(vec![TriggerSpec { agent: Some("zoe".into()), task, ..spec }])
        }
        Kind::Sources => {
            let source = Source { every: Some(60), ..Source::of_file("/desk/notes/*.md").unwrap() };
            Value::Triggers(vec![TriggerSpec { agent: Some("zoe".into()), ..When::Source { source }.into() }])
        }
        Kind::Sentence | Kind::Text => "It is kind.".into(),
        Kind::Model => "offline".into(),
        Kind::Models => names(&["offline", "ollama/qwen3"]),
        Kind::Switch => true.into(),
        Kind::Choice(all) => all()[1].0.into(),
        Kind::Labels => names(&["facts", "dates"]),
        Kind::Tools => names(&["memory_rethink", "-pass"]),
        Kind::Approvals => names(&["memory_insert"]),
        Kind::Contacts => names(&["crew/eve"]),
        Kind::Blocks => names(&["notes"]),
        Kind::Agents => names(&["dan"]),
        Kind::Agent => "dan".into(),
        Kind::Conditions => TerminationCondition::Any(vec![
            TerminationCondition::Tokens(20_000),
            TerminationCondition::Speaker("zoe".into()),
        ])
        .into(),
        Kind::Roles => Value::Texts([("zoe".to_owned(), "keeps notes".to_owned())].into()),
    }
}

/// Writes a setting into the table of its group or agent.
fn write<T>(table: &mut toml::Table, row: &Setting<T>, value: &Value) {
    let written = toml::Value::try_from(value.to_json()).unwrap();
    match (row.kind, row.table()) {
        (Kind::Approvals, _) => {
            let rule = |tool: &str| {
                let rule = [("type", "requires_approval"), ("tool_name", tool)];
                toml::Value::Table(rule.map(|(key, text)| (key.to_owned(), text.into())).into_iter().collect())
            };
            let rules = value.names().into_iter().map(rule).collect();
            table.insert("rule".to_owned(), toml::Value::Array(rules));
        }
        (_, None) => {
            table.insert(row.key.to_owned(), written);
        }
        (_, Some(inside)) => {
            table[inside].as_table_mut().unwrap().insert(row.key_there().to_owned(), written);
        }
    }
}

/// Keeps the printed bytes.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A store with a running engine, and the paths for commands that connect to it.
struct World {
    places: Paths,
    desk: Session,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| Some(dir.path().join(name));
        let places = Paths::new(at("desk.db"), at("config.toml"), |_| None).unwrap();
        let desk = places.open(places.options(false, Scope::Nobody), true).await.unwrap();
        let world = Self { places, desk, _dir: dir };
        let crew = "[group]\nname = \"crew\"\nmembers = [\"eve\"]\n[[agent]]\nname = \"eve\"\n";
        world.apply(&toml::from_str(crew).unwrap()).await;
        for kind in ManagerType::ALL {
            world.apply(&base(kind)).await;
        }
        world
    }

    async fn apply(&self, file: &toml::Table) -> Plan {
        let text = toml::to_string(file).unwrap();
        let read = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        let around =
            ParseContext { file: "team.toml", base: Path::new("/"), tools: &[], read: &read, allow_outside: false };
        let file = team_file::parse(&text, &around).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        apply::put(self.desk.handle(), &file, false).await.unwrap()
    }

    async fn now<T: Subject>(&self, kind: ManagerType) -> T {
        T::find(&self.desk.handle().overview().await.unwrap(), kind)
    }

    /// Runs a command line with `--json` and returns its output.
    async fn run<T: Subject>(&self, kind: ManagerType, verb: &str, more: &[String]) -> Result<Json, String> {
        let [noun, name] = T::command(kind);
        let words = ["nightdesk".to_owned(), noun, verb.to_owned(), name];
        let words = words.iter().chain(more).cloned().chain(["--json".to_owned()]);
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let printed = Printed::default();
        let mut out = Out::new(false, Box::new(printed.clone()));
        match cli.command.unwrap() {
            Command::Group(command) => group::group(&self.places, command, &mut out).await,
            Command::Agent(command) => agent::agent(&self.places, command, &mut out).await,
            other => panic!("{other:?}"),
        }
        .map_err(|fault| fault.to_string())?;
        let bytes = printed.0.lock().unwrap().clone();
        Ok(serde_json::from_slice(&bytes).unwrap())
    }

    async fn form<T: Subject>(&self, kind: ManagerType) -> Form {
        let now = self.desk.handle().overview().await.unwrap();
        T::find(&now, kind).form(&Model::new(now))
    }

    /// Fills in a form field and saves the form.
    async fn fill<T: Subject>(
        &self,
        kind: ManagerType,
        key: &'static str,
        value: Option<&Value>,
    ) -> Result<(), String> {
        let mut form = self.form::<T>(kind).await;
        form.fill_in(key, value);
        let request = form.asks()?.unwrap_or_else(|| panic!("{key}: nothing is asked"));
        self.desk.handle().ask(request).await.map(|_| ()).map_err(|fault| fault.text)
    }

    /// Asserts that JSON and form show this value.
    async fn shows<T: Subject>(&self, kind: ManagerType, row: &Setting<T>, value: Option<&Value>) {
        let shown = self.run::<T>(kind, "show", &[]).await.unwrap();
        assert_eq!(shown["settings"][row.key], value.map(Value::to_json).unwrap_or_default(), "{}", row.key);
        let text = value.filter(|value| !value.is_blank()).map(ToString::to_string);
        let filled = Some(self.form::<T>(kind).await.stands_in(row.key)).filter(|text| !text.is_empty());
        let blank = matches!(row.kind, Kind::Switch).then(|| "false".to_owned());
        assert_eq!(filled, text.or(blank), "{}", row.key);
    }
}

/// Returns the command line arguments that set a setting.
fn arguments<T>(row: &Setting<T>, value: &Value) -> Vec<String> {
    let one = |text: String| vec![format!("--{}", row.flag()), text];
    match value {
        Value::Names(names) if matches!(row.kind, Kind::Agents) => names.iter().cloned().flat_map(one).collect(),
        Value::Names(names) => one(names.join(",")),
        Value::Texts(texts) => texts.iter().flat_map(|(name, text)| one(format!("{name}={text}"))).collect(),
        other => one(other.to_string()),
    }
}

async fn every_face<T: Subject>(world: &World) {
    for row in T::settings() {
        let kind = ManagerType::ALL.into_iter().find(|kind| kind.has_setting(row.key)).unwrap();
        let (key, sample) = (row.key, sample(row.kind));
        let before: T = world.now(kind).await;
        let cleared = (row.get)(&before.blank());

        let mut file = base(kind);
        write(T::table(&mut file), row, &sample);
        let plan = world.apply(&file).await;
        let told = |line: &String| {
            line.contains(row.noun())
                && (row.kind.is_long() || line.contains(&format!("→ {}", quoted(row.kind, &sample))))
        };
        assert!(plan.lines.iter().any(told), "{key}: {:?}", plan.lines);
        let by_file = (row.get)(&world.now::<T>(kind).await);
        assert_ne!(by_file, cleared, "{key} by team file");
        world.shows(kind, row, Some(&sample)).await;
        world.apply(&base(kind)).await;
        assert_eq!((row.get)(&world.now::<T>(kind).await), (row.get)(&before), "{key} leaves with the team file");

        let shown = world.run::<T>(kind, "update", &arguments(row, &sample)).await.unwrap();
        assert_eq!(shown["settings"][key], sample.to_json(), "{key}");
        assert_eq!((row.get)(&world.now::<T>(kind).await), by_file, "{key} by command line");
        world.shows(kind, row, Some(&sample)).await;
        // Agents that the manager type requires cannot be cleared.
        let needed = row.kind.is_membership() && row.table().is_none();
        let none = [format!("--{}", row.flag()), NONE.to_owned()];
        let clear = world.run::<T>(kind, "update", &none).await;
        assert_eq!(clear.is_err(), needed, "{key}: {clear:?}");
        if !needed {
            assert_eq!((row.get)(&world.now::<T>(kind).await), cleared, "{key} cleared by command line");
            world.shows(kind, row, cleared.as_ref()).await;
        }
        world.apply(&base(kind)).await;

        world.fill::<T>(kind, key, Some(&sample)).await.unwrap();
        assert_eq!((row.get)(&world.now::<T>(kind).await), by_file, "{key} by form");
        world.shows(kind, row, Some(&sample)).await;
        let clear = world.fill::<T>(kind, key, None).await;
        assert_eq!(clear.is_err(), needed, "{key}: {clear:?}");
        if !needed {
            assert_eq!((row.get)(&world.now::<T>(kind).await), cleared, "{key} cleared by form");
        }
        world.apply(&base(kind)).await;
    }
}

/// Returns the value as a plan prints it.
fn quoted(kind: Kind, value: &Value) -> String {
    if matches!(kind, Kind::Word) { format!("{:?}", value.to_string()) } else { value.to_string() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_is_set_shown_and_cleared_alike_by_every_face() {
    let world = World::new().await;
    every_face::<Group>(&world).await;
    every_face::<Agent>(&world).await;
    // The test-only settings were included: a row is all that a setting needs.
    assert!(Group::setting("probe").is_some() && Agent::setting("probe").is_some());
    world.desk.close().await;
}
