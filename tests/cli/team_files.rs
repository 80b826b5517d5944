//! Applying a team file makes the group it describes, once; a value written since is nobody's to overwrite.

use std::path::{Path, PathBuf};

use nightdesk::testing::domain::state::{InMemoryRows, Rows};
use nightdesk::testing::domain::{
    Agent, AgentId, Block, BlockId, BlockOwner, Change, Editor, Group, GroupStatus, Ids, ManagerType, Revision, Rule,
    TerminationCondition,
};
use nightdesk::testing::team_file::{self, Existing, ParseContext, Plan, TeamError, TeamFile};

const FIXTURES: [&str; 7] = ["approvals", "bureau", "newsroom", "pair", "panel", "review", "scripted"];

fn fixture(name: &str) -> TeamFile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/teams").join(format!("{name}.toml"));
    team_file::load(&path, &[], false).unwrap_or_else(|error| panic!("{error}"))
}

fn parse(text: &str) -> Result<TeamFile, TeamError> {
    let read = |path: &Path| match path.to_str() {
        Some("/desk/prompts/plain.md") => Ok("Answer plainly.\n".to_owned()),
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    team_file::parse(
        text,
        &ParseContext {
            file: "team.toml",
            base: Path::new("/desk/teams"),
            tools: &[],
            read: &read,
            allow_outside: true,
        },
    )
}

/// A store in memory to which files are applied.
struct Desk {
    rows: InMemoryRows,
    ids: Ids,
}

impl Desk {
    fn new() -> Self {
        Self { rows: InMemoryRows::default(), ids: Ids::seeded(1) }
    }

    fn plan(&mut self, file: &TeamFile, overwrite: bool) -> Result<Plan, TeamError> {
        let existing = Existing::read(&mut self.rows, &file.group.name).unwrap();
        team_file::plan(file, &existing, &self.ids, overwrite)
    }

    fn put(&mut self, change: Change) {
        self.rows.apply(change, jiff::Timestamp::UNIX_EPOCH).unwrap_or_else(|conflict| panic!("{conflict}"));
    }

    /// Applies the file and gives what was told.
    fn apply_with(&mut self, text: &str, overwrite: bool) -> Vec<String> {
        let file = parse(text).unwrap_or_else(|error| panic!("{error}"));
        self.apply_file(&file, overwrite)
    }

    fn apply(&mut self, text: &str) -> Vec<String> {
        self.apply_with(text, false)
    }

    fn apply_file(&mut self, file: &TeamFile, overwrite: bool) -> Vec<String> {
        let plan = self.plan(file, overwrite).unwrap_or_else(|error| panic!("{error}"));
        for change in plan.changes {
            self.put(change);
        }
        let again = self.plan(file, false).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.changes, [], "a second application has nothing left to change");
        plan.lines
    }

    fn group(&mut self, name: &str) -> Group {
        self.rows.find::<Group>(name).unwrap().into_iter().next().expect("the group is there")
    }

    fn agent(&mut self, name: &str) -> Agent {
        let all = self.rows.all::<Agent>().unwrap();
        all.into_iter().find(|agent| agent.name == name).expect("the agent is there")
    }

    /// The names of these agents.
    fn names(&mut self, ids: &[AgentId]) -> Vec<String> {
        ids.iter().map(|id| self.rows.get::<Agent>(id.as_str()).unwrap().unwrap().name).collect()
    }

    fn labels(&mut self, ids: &[BlockId]) -> Vec<String> {
        ids.iter().map(|id| self.rows.get::<Block>(id.as_str()).unwrap().unwrap().label).collect()
    }

    /// The only block of this label.
    fn block(&mut self, label: &str) -> Block {
        let mut all = self.rows.all::<Block>().unwrap();
        all.retain(|block| block.label == label);
        assert_eq!(all.len(), 1, "blocks with the label {label}");
        all.remove(0)
    }

    /// An agent that has the block, from elsewhere, rewrites it.
    fn agent_writes(&mut self, label: &str, value: &str) {
        let block = self.block(label);
        let archivist = Agent::new("agent-a".into(), "archivist", "group-elsewhere".into());
        self.put(Change::AgentPut(Agent { blocks: vec![block.id.clone()], ..archivist }));
        let editor = Editor::Agent { id: AgentId::from("agent-a"), name: "archivist".to_owned(), job: None };
        self.put(Change::BlockEdited(Revision {
            block: block.id,
            version: block.version + 1,
            value: value.to_owned(),
            editor,
            run: None,
            step: None,
            calls: Vec::new(),
            reason: "memory_rethink".to_owned(),
        }));
    }
}

/// A small team, with these lines in `[group]`, as the block `story`, and more at the end.
fn small(group: &str, story: &str, more: &str) -> String {
    format!(
        "[group]\nname = \"desk\"\n{group}\n[[block]]\nlabel = \"story\"\n{story}\n\
         [[agent]]\nname = \"ann\"\n[[agent]]\nname = \"bob\"\n{more}\n"
    )
}

const SHARED: &str = "members = [\"ann\", \"bob\"]\nshared_blocks = [\"story\"]";

#[test]
fn every_team_we_ship_reads_without_a_warning_and_applies_to_an_empty_store() {
    for name in FIXTURES {
        let file = fixture(name);
        assert_eq!(file.warnings, Vec::<String>::new(), "{name}");
        let mut desk = Desk::new();
        let lines = desk.apply_file(&file, false);
        assert!(lines[0].starts_with(&format!("+ group {}", file.group.name)), "{lines:?}");
        let group = desk.group(&file.group.name);
        assert_eq!(group.manager_type, file.group.manager_type);
        assert_eq!(desk.rows.all::<Agent>().unwrap().len(), file.agents.len());
        for agent in &file.agents {
            let persona = desk.agent(&agent.name).blocks[0].clone();
            let block = desk.rows.get::<Block>(persona.as_str()).unwrap().unwrap();
            assert_eq!(Some(block.value), agent.persona, "{name}: the persona of {}", agent.name);
        }
    }
}

#[test]
fn applying_a_team_twice_says_that_there_is_nothing_to_change() {
    for name in FIXTURES {
        let file = fixture(name);
        let mut desk = Desk::new();
        desk.apply_file(&file, false);
        let before = desk.rows.clone();
        assert_eq!(desk.apply_file(&file, false), ["nothing to change"], "{name}");
        assert_eq!(desk.apply_file(&file, true), ["nothing to change"], "{name}, told to overwrite");
        assert!(desk.rows == before, "{name}: the rows are what they were");
    }
}

#[test]
fn the_starter_team_is_a_round_robin_of_three_with_an_archivist_behind_it() {
    let file = team_file::starter().unwrap();
    let mut desk = Desk::new();
    let lines = desk.apply_file(&file, false);
    assert_eq!(
        lines,
        [
            "+ group newsroom (round robin of 3)",
            "+ agent reporter",
            "+ agent critic",
            "+ agent editor",
            "+ agent archivist (in the background)",
            "+ block story (shared)",
            "+ block human (shared)",
        ]
    );
    let group = desk.group("newsroom");
    assert_eq!(desk.names(&group.members), ["reporter", "critic", "editor"]);
    let sleeptime = group.sleeptime.unwrap();
    assert_eq!((desk.names(&sleeptime.agents), sleeptime.every_turns), (vec!["archivist".to_owned()], Some(2)));
    assert_eq!(desk.labels(&group.shared_blocks), ["story", "human"]);
    let story = desk.block("story");
    assert_eq!((story.value.as_str(), story.description.as_str()), ("", "What we know so far"));
    for agent in desk.rows.all::<Agent>().unwrap() {
        assert_eq!(agent.model, None, "{}", agent.name);
    }
}

#[test]
fn the_shipped_teams_are_a_round_robin_a_sleeptime_pair_and_one_for_a_real_model() {
    let pair = fixture("pair");
    assert_eq!(pair.group.manager_type, ManagerType::Sleeptime);
    assert_eq!(pair.group.background().len(), 2);
    let review = fixture("review");
    assert!(review.agents.iter().all(|agent| agent.settings.value("model") == Some(&"openai/gpt-4.1-mini".into())));
    let model = fixture("scripted").agents[0].settings.value("model").unwrap().to_string();
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap().join("fixtures/teams/scripts/newsroom.toml");
    assert_eq!(model, format!("scripted/{}", script.display()));
    assert!(script.is_file(), "the script lies where the team looks for it");
}

#[test]
fn all_changes_of_a_file_stand_in_an_order_in_which_they_apply() {
    let mut desk = Desk::new();
    let changes = desk.plan(&fixture("pair"), false).unwrap().changes;
    let mut kinds: Vec<&str> = changes.iter().map(Change::kind).collect();
    kinds.dedup();
    assert_eq!(kinds, ["block_created", "agent_put", "group_put"]);
}

#[test]
fn a_value_an_agent_wrote_stays_until_told_to_overwrite() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "value = \"one\"", ""));
    desk.agent_writes("story", "what the agent learned");
    let changed = small(SHARED, "value = \"two\"", "");
    let kept = "= block story keeps its value: edited by archivist since (v2); --overwrite-blocks replaces it";
    assert_eq!(desk.apply(&changed), [kept, "nothing to change"]);
    assert_eq!(desk.block("story").value, "what the agent learned");

    let lines = desk.apply_with(&changed, true);
    assert_eq!(lines, ["~ block story: new value (v2 → v3), over that of archivist"]);
    let story = desk.block("story");
    assert_eq!((story.value.as_str(), story.version, story.editor), ("two", 3, Editor::File));
}

#[test]
fn a_value_nobody_touched_follows_the_file() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "value = \"one\"", ""));
    let lines = desk.apply(&small(SHARED, "value = \"two\"", ""));
    assert_eq!(lines, ["~ block story: new value (v1 → v2)"]);
    let story = desk.block("story");
    assert_eq!((story.value.as_str(), story.from_file.as_deref()), ("two", Some("two")));
    desk.apply(&small(SHARED, "value = \"three\"", ""));
    assert_eq!(desk.block("story").value, "three", "and goes on following it");
}

#[test]
fn a_block_without_a_value_in_the_file_is_left_to_whoever_writes_it() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "", ""));
    desk.agent_writes("story", "learned");
    assert_eq!(desk.apply_with(&small(SHARED, "", ""), true), ["nothing to change"]);
    assert_eq!(desk.block("story").value, "learned");
}

#[test]
fn a_value_that_came_to_be_the_files_own_is_the_files_again() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "value = \"one\"", ""));
    desk.agent_writes("story", "two");
    assert_eq!(desk.apply(&small(SHARED, "value = \"two\"", "")), ["~ block story: value now from the file"]);
    desk.apply(&small(SHARED, "value = \"three\"", ""));
    assert_eq!(desk.block("story").value, "three");
}

#[test]
fn everything_else_of_a_block_follows_the_file_even_where_the_value_was_edited() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "value = \"one\"\nlimit = 5000", ""));
    desk.agent_writes("story", "learned");
    let more = "value = \"one\"\nlimit = 8000\nread_only = true\ndescription = \"So far\"\ntags = [\"a\", \"b\"]";
    let lines = desk.apply(&small(SHARED, more, ""));
    let told = "~ block story: new description, limit 5000 → 8000, read_only false → true, tags none → a, b";
    assert!(lines.contains(&told.to_owned()), "{lines:?}");
    let story = desk.block("story");
    assert_eq!((story.limit, story.read_only, story.value.as_str()), (8000, true, "learned"));
    assert_eq!(story.from_file.as_deref(), Some("one"), "the file has given no other value");
}

#[test]
fn a_longer_value_with_its_larger_limit_and_a_smaller_limit_with_its_shorter_value_both_apply() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "value = \"1234\"\nlimit = 4", ""));
    desk.apply(&small(SHARED, "value = \"12345678\"\nlimit = 8", ""));
    desk.apply(&small(SHARED, "value = \"12\"\nlimit = 2", ""));
    let story = desk.block("story");
    assert_eq!((story.value.as_str(), story.limit, story.from_file.as_deref()), ("12", 2, Some("12")));
}

#[test]
fn a_limit_below_a_kept_value_is_refused_with_the_line_and_the_ways_out() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "value = \"one\"", ""));
    desk.agent_writes("story", "much longer than that");
    let file = parse(&small(SHARED, "value = \"one\"\nlimit = 10", "")).unwrap();
    let error = desk.plan(&file, false).unwrap_err().to_string();
    assert_eq!(
        error,
        "team.toml:5: block story: the limit 10 is below its 21 characters, edited by archivist since (v2); raise \
         the limit, shorten the block, or use --overwrite-blocks"
    );
    desk.apply_file(&file, true);
    assert_eq!(desk.block("story").value, "one");
}

#[test]
fn a_block_named_by_one_is_its_own_and_named_by_several_is_one_shared_block() {
    let both = "members = [\"ann\", \"bob\"]";
    let own = small(both, "value = \"x\"", "blocks = [\"story\"]");
    let mut desk = Desk::new();
    assert!(desk.apply(&own).contains(&"+ block story of bob".to_owned()));
    let bob = desk.agent("bob").id;
    assert_eq!(desk.block("story").owner, BlockOwner::Agent(bob));
    assert_eq!(desk.agent("ann").blocks, []);

    desk.agent_writes("story", "learned");
    let several = own.replace("name = \"ann\"", "name = \"ann\"\nblocks = [\"story\"]");
    let lines = desk.apply(&several);
    assert!(lines.contains(&"~ block story: was block story of bob before".to_owned()), "{lines:?}");
    let (group, story) = (desk.group("desk"), desk.block("story"));
    assert_eq!((story.owner, story.value.as_str()), (BlockOwner::Group(group.id), "learned"), "and keeps its value");
    for name in ["ann", "bob"] {
        assert_eq!(desk.agent(name).blocks, std::slice::from_ref(&story.id), "{name}");
    }
    assert_eq!(group.shared_blocks, [], "it reaches those who name it, not everyone");
}

#[test]
fn a_block_shared_by_the_group_is_in_no_agents_own_list_as_well() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "", "blocks = [\"story\"]"));
    let story = desk.block("story").id;
    assert_eq!(desk.group("desk").shared_blocks, [story]);
    assert_eq!(desk.agent("bob").blocks, []);
}

#[test]
fn a_persona_is_the_agents_own_block_and_may_take_the_place_of_a_shared_one() {
    let mut desk = Desk::new();
    let shared =
        small("members = [\"ann\"]\nshared_blocks = [\"persona\"]", "", "").replace("\"story\"", "\"persona\"");
    desk.apply(&shared);
    let own = "[group]\nname = \"desk\"\nmembers = [\"ann\"]\n[[agent]]\nname = \"ann\"\npersona = \"I am Ann.\"\n";
    desk.apply(own);
    let ann = desk.agent("ann");
    let persona = desk.rows.get::<Block>(ann.blocks[0].as_str()).unwrap().unwrap();
    assert_eq!((persona.label.as_str(), persona.value.as_str()), ("persona", "I am Ann."));
    assert_eq!((persona.owner, persona.description.is_empty()), (BlockOwner::Agent(ann.id), false));
    assert_eq!(desk.group("desk").shared_blocks, []);

    let lines = desk.apply(&own.replace("I am Ann.", "I am Ann, a cook."));
    assert_eq!(lines, ["~ block persona of ann: new value (v1 → v2)"]);
}

#[test]
fn what_the_file_no_longer_names_leaves_the_group_and_nothing_is_deleted() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "value = \"one\"", ""));
    let (bob, story) = (desk.agent("bob"), desk.block("story"));
    let alone = "[group]\nname = \"desk\"\nmembers = [\"ann\"]\n[[agent]]\nname = \"ann\"\n";
    assert_eq!(
        desk.apply(alone),
        ["~ group desk: members ann, bob → ann, shared_blocks story → none", "- bob leaves the group"]
    );
    assert_eq!(desk.agent("bob"), bob, "he is still there");
    assert_eq!(desk.block("story"), story, "and so is the block");

    desk.agent_writes("story", "learned");
    desk.apply(&small(SHARED, "value = \"one\"", ""));
    assert_eq!(desk.group("desk").members, [desk.agent("ann").id, bob.id], "the same agent comes back");
    assert_eq!(desk.group("desk").shared_blocks, [story.id], "and the same block");
    assert_eq!(desk.block("story").value, "learned");
}

#[test]
fn what_changes_of_an_agent_or_the_group_is_told_with_old_and_new() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "", "model = \"offline\"\nsystem = \"Be brief.\""));
    let ids = desk.group("desk").members;
    let changed = "model = \"openai/gpt-4.1\"\nsystem_file = \"../prompts/plain.md\"\ntemperature = 1\nmax_steps = 9\n\
                   tools = [\"-pass\"]";
    let group = "members = [\"bob\", \"ann\"]\nshared_blocks = [\"story\"]\nmax_turns = 4";
    assert_eq!(
        desk.apply(&small(group, "", changed)),
        [
            "~ group desk: members ann, bob → bob, ann, max_turns none → 4",
            "~ agent bob: model offline → openai/gpt-4.1, new system prompt, tools none → -pass, max_steps none → 9, \
             temperature none → 1",
        ]
    );
    assert_eq!(desk.agent("bob").system.as_deref(), Some("Answer plainly."));
    let mut turned = desk.group("desk").members;
    turned.reverse();
    assert_eq!(turned, ids, "the agents are the same, found by name");
}

#[test]
fn a_paused_group_stays_paused() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "", ""));
    let paused = Group { status: nightdesk::testing::domain::GroupStatus::Paused, ..desk.group("desk") };
    desk.put(Change::GroupPut(paused.clone()));
    desk.apply(&small("description = \"Now described\"\nmembers = [\"ann\"]", "", ""));
    assert_eq!(desk.group("desk").status, paused.status);
}

/// A dynamic group of two with a chair, with these lines in `[group]` and these in the chair.
fn panel(group: &str, chair: &str) -> String {
    format!(
        "[group]\nname = \"panel\"\nmanager_type = \"dynamic\"\nmanager_agent = \"chair\"\n\
         members = [\"ann\", \"bob\"]\n{group}\n[[agent]]\nname = \"ann\"\n[[agent]]\nname = \"bob\"\n\
         [[agent]]\nname = \"chair\"\n{chair}\n"
    )
}

/// What a JSON schema validates: the text as plain values.
fn plain(text: &str) -> serde_json::Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

#[test]
fn the_schema_takes_every_fixture_and_what_is_wrong_it_refuses() {
    let schema = team_file::schema(&[]);
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/teams");
    for name in FIXTURES {
        let text = std::fs::read_to_string(dir.join(format!("{name}.toml"))).unwrap();
        let errors: Vec<String> = schema.iter_errors(&plain(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    let good = panel("max_turns = 6\nterminate = { any = [{ tokens = 5 }] }", "temperature = 0.5");
    assert!(schema.is_valid(&plain(&good)), "{good}");
    for (group, chair) in [
        ("max_turn = 6", ""),
        ("max_turns = \"six\"", ""),
        ("max_turns = 0", ""),
        ("max_rounds = 2", ""),
        ("status = \"asleep\"", ""),
        ("terminate = { tokens = 5, seconds = 5 }", ""),
        ("terminate = { any = [] }", ""),
        ("roles = { ann = \"\" }", ""),
        ("", "temperature = 2.5"),
        ("", "tools = [\"memory_insrt\"]"),
        ("", "model = \"gpt\""),
        ("", "rule = [{ type = \"run_first\", tool_name = \"pass\" }]"),
        ("", "system = \"a\"\nsystem_file = \"b\""),
    ] {
        let text = panel(group, chair);
        assert!(!schema.is_valid(&plain(&text)), "{text}");
        assert!(parse(&text).is_err(), "the reader refuses it, too: {text}");
    }
    let nobody = "[group]\nname = \"desk\"\nmanager_type = \"sleeptime\"";
    assert!(!schema.is_valid(&plain(nobody)), "a type has who it needs");
}

#[test]
fn every_setting_of_a_group_reaches_it_and_what_changes_is_told() {
    let mut desk = Desk::new();
    let told = desk.apply(&panel("", ""));
    assert_eq!(told[0], "+ group panel (dynamic of 2, chair chooses)");
    let settings = "termination_token = \"OVER\"\nmax_turns = 6\nallow_repeat = true\nwait_seconds = 60\n\
                    mail_per_minute = 9\nstatus = \"paused\"\nroles = { bob = \"reviewer\", chair = \"chair\" }\n\
                    terminate = { any = [{ tokens = 20000 }, { all = [{ speaker = \"bob\" }, { to_user = true }] }] }";
    assert_eq!(
        desk.apply(&panel(settings, "")),
        ["~ group panel: max_turns none → 6, termination_token none → \"OVER\", allow_repeat false → true, terminate \
          none → { any = [{ tokens = 20000 }, { all = [{ speaker = \"bob\" }, { to_user = true }] }] }, roles none → \
          bob = \"reviewer\", chair = \"chair\", status active → paused, wait_seconds none → 60, mail_per_minute none → 9"]
    );
    let [bob, chair] = ["bob", "chair"].map(|name| desk.agent(name).id);
    let group = desk.group("panel");
    assert_eq!((group.token(), group.max_turns, group.allow_repeat), (Some("OVER"), Some(6), true));
    assert_eq!((group.wait_seconds, group.mail_per_minute), (Some(60), Some(9)));
    assert_eq!(group.status, GroupStatus::Paused);
    assert_eq!((group.roles[&bob].as_str(), group.roles[&chair].as_str()), ("reviewer", "chair"));
    let both = TerminationCondition::All(vec![TerminationCondition::Speaker(bob), TerminationCondition::ToUser(true)]);
    assert_eq!(group.terminate, Some(TerminationCondition::Any(vec![TerminationCondition::Tokens(20_000), both])));

    let robin = "members = [\"ann\"]\ncontinue_order = true";
    desk.apply(&small(robin, "", ""));
    assert!(desk.group("desk").continue_order);
    let text = panel("max_rounds = 2", "").replace("dynamic", "supervisor").replace("\"panel\"", "\"office\"");
    assert_eq!(desk.apply(&text)[0], "+ group office (supervisor of 2, chair delegates)");
    assert_eq!(desk.group("office").max_rounds, Some(2));
}

#[test]
fn a_setting_that_leaves_the_file_leaves_the_group_but_a_status_stays() {
    let mut desk = Desk::new();
    desk.apply(&panel("termination_token = \"OVER\"\nstatus = \"archived\"\nterminate = { tokens = 5 }", ""));
    assert_eq!(
        desk.apply(&panel("", "")),
        ["~ group panel: termination_token \"OVER\" → none, terminate { tokens = 5 } → none"]
    );
    let group = desk.group("panel");
    assert_eq!((group.token(), group.status), (Some("DONE!"), GroupStatus::Archived));
    desk.apply(&panel("status = \"active\"", ""));
    assert_eq!(desk.group("panel").status, GroupStatus::Active, "unless the file says one");
}

#[test]
fn rules_reach_their_agent_and_a_rule_for_a_tool_it_does_not_have_is_a_warning() {
    let rule = |tool: &str| format!("[[agent.rule]]\ntype = \"requires_approval\"\ntool_name = {tool:?}\n");
    let mut desk = Desk::new();
    desk.apply(&panel("", ""));
    let with = |more: &str, tool: &str| panel("", &format!("{more}\n{}", rule(tool)));
    assert_eq!(desk.apply(&with("", "memory_insert")), ["~ agent chair: approval for none → memory_insert"]);
    assert_eq!(desk.agent("chair").rules, [Rule::RequiresApproval { tool_name: "memory_insert".to_owned() }]);
    let file = parse(&with("", "memory_rethink")).unwrap();
    let said = "team.toml:14: agent chair does not have the tool memory_rethink; the rule has no effect";
    assert_eq!(file.warnings, [said]);
    assert_eq!(parse(&with("tools = [\"memory_rethink\"]", "memory_rethink")).unwrap().warnings, Vec::<String>::new());
    assert_eq!(parse(&with("tools = [\"-pass\"]", "pass")).unwrap().warnings.len(), 1);
}

#[test]
fn an_agent_of_another_group_joins_by_its_full_name_and_stays_at_home_there() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "", ""));
    let ann = desk.agent("ann");
    let guests = "[group]\nname = \"guests\"\nmanager_type = \"supervisor\"\nmanager_agent = \"desk/ann\"\n\
                  members = [\"zoe\", \"guests/yan\", \"desk/bob\"]\nroles = { \"desk/bob\" = \"guest\" }\n\
                  [[agent]]\nname = \"zoe\"\ncontacts = [\"desk/ann\"]\n[[agent]]\nname = \"yan\"\n";
    assert_eq!(
        desk.apply(guests),
        ["+ group guests (supervisor of 3, desk/ann delegates)", "+ agent zoe", "+ agent yan"]
    );
    let (group, bob) = (desk.group("guests"), desk.agent("bob"));
    assert_eq!(group.manager_agent.as_ref(), Some(&ann.id));
    assert_eq!(desk.names(&group.members), ["zoe", "yan", "bob"]);
    assert_eq!(group.roles[&bob.id], "guest");
    assert_eq!(desk.agent("ann"), ann, "she is what she was");
    assert_eq!(bob.group, desk.group("desk").id);
    assert_eq!(desk.agent("zoe").contacts, [ann.id]);

    let fewer = guests.replace(", \"desk/bob\"]", "]").replace("roles = { \"desk/bob\" = \"guest\" }\n", "");
    assert_eq!(
        desk.apply(&fewer.replace("contacts = [\"desk/ann\"]\n", "")),
        [
            "~ group guests: members zoe, yan, desk/bob → zoe, yan, roles desk/bob = \"guest\" → none",
            "- desk/bob leaves the group",
            "~ agent zoe: contacts desk/ann → none",
        ]
    );
}

#[test]
fn a_full_name_nobody_has_is_answered_with_what_there_is() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "", "blocks = [\"own\"]\n[[block]]\nlabel = \"own\""));
    let mut said = |member: &str, more: &str| {
        let text =
            format!("[group]\nname = \"guests\"\nmembers = [\"zoe\", {member:?}]\n{more}\n[[agent]]\nname = \"zoe\"\n");
        desk.plan(&parse(&text).unwrap(), false).map_err(|error| error.to_string())
    };
    let fault = |text: &str| Err(format!("team.toml:3: {text}"));
    assert_eq!(
        said("press/ann", ""),
        fault("members names \"press/ann\", but there is no group press with agents; apply its team file first")
    );
    assert_eq!(
        said("dusk/ann", ""),
        fault("members names \"dusk/ann\", but there is no group dusk; did you mean desk?")
    );
    assert_eq!(
        said("desk/anna", ""),
        fault("members names \"desk/anna\", but group desk has no agent anna; did you mean ann?")
    );
    assert_eq!(
        said("desk/tom", ""),
        fault("members names \"desk/tom\", but group desk has no agent tom; there are ann, bob")
    );
    assert_eq!(
        said("desk/bob", "shared_blocks = [\"own\"]\n[[block]]\nlabel = \"own\""),
        fault(
            "desk/bob has a block \"own\" of its own and would get this group's \"own\" too; give one of them another \
             label"
        )
    );
    assert!(said("desk/bob", "").is_ok());
}

#[test]
fn another_manager_type_is_refused_before_anything_changes() {
    let mut desk = Desk::new();
    desk.apply(&small(SHARED, "", ""));
    let asleep = "manager_type = \"sleeptime\"\nmanager_agent = \"ann\"\nshared_blocks = [\"story\"]";
    let file = parse(&small(asleep, "", "[group.sleeptime]\nagents = [\"bob\"]")).unwrap();
    assert_eq!(
        desk.plan(&file, false).unwrap_err().to_string(),
        "team.toml:1: group desk is round_robin and its manager_type cannot change to sleeptime; give this group \
         another name"
    );
}

#[test]
fn what_is_probably_not_meant_is_a_warning_and_no_error() {
    let file = parse(&small("members = [\"ann\"]", "", "")).unwrap();
    assert_eq!(
        file.warnings,
        [
            "team.toml:4: block \"story\" is left out: no agent names it in blocks, nor [group] in shared_blocks",
            "team.toml:9: agent bob is in no list of [group]; it can only be spoken to directly",
        ]
    );
    let listening = |label: &str| {
        let group = "members = [\"ann\"]\nshared_blocks = [\"story\"]\n[group.sleeptime]\nagents = [\"bob\"]";
        let group = format!("{group}\n[[group.trigger]]\nblock_changed = \"{label}\"");
        parse(&small(&group, "", "")).unwrap().warnings
    };
    assert_eq!(listening("Story"), Vec::<String>::new());
    let said = "a trigger listens to the block \"stroy\", which the group does not have; it never fires";
    assert!(listening("stroy").concat().ends_with(said), "{:?}", listening("stroy"));
    let mut desk = Desk::new();
    let lines = desk.apply_file(&file, false);
    assert!(lines[0].starts_with("! team.toml:4: block \"story\" is left out"), "{lines:?}");
    assert_eq!(desk.rows.all::<Block>().unwrap(), []);
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { dir.path().join(name) };
    std::fs::create_dir(at("teams")).unwrap();
    std::fs::write(at("prompt.md"), "Be kind.\n").unwrap();
    let agent = "model = \"scripted/../models/x.toml\"\nsystem_file = \"../prompt.md\"";
    std::fs::write(at("teams/t.toml"), small(SHARED, "", agent)).unwrap();
    let bob = team_file::load(&at("teams/t.toml"), &[], true).unwrap().agents.remove(1);
    let script = dir.path().canonicalize().unwrap().join("models/x.toml");
    assert_eq!(bob.settings.value("model"), Some(&format!("scripted/{}", script.display()).into()));
    assert_eq!(bob.settings.value("system"), Some(&"Be kind.".into()));

    // What is read into a prompt lies below the file's directory, unless more is allowed; a link changes nothing.
    let outside = team_file::load(&at("teams/t.toml"), &[], false).unwrap_err().to_string();
    assert!(
        outside.contains("lies outside the team file's directory") && outside.contains("--allow-outside"),
        "{outside}"
    );
    std::os::unix::fs::symlink(at("prompt.md"), at("teams/link.md")).unwrap();
    std::fs::write(at("teams/t.toml"), small(SHARED, "", "system_file = \"link.md\"")).unwrap();
    assert!(team_file::load(&at("teams/t.toml"), &[], false).is_err());
    std::fs::write(at("teams/t.toml"), small(SHARED, "", "system_file = \"/dev/zero\"")).unwrap();
    let device = team_file::load(&at("teams/t.toml"), &[], true).unwrap_err().to_string();
    assert!(device.contains("it is not a regular file"), "{device}");

    for model in ["scripted/../x.toml", "scripted//etc/x.toml", "scripted/link.md"] {
        std::fs::write(at("teams/t.toml"), small(SHARED, "", &format!("model = {model:?}"))).unwrap();
        let outside = team_file::load(&at("teams/t.toml"), &[], false).unwrap_err().to_string();
        assert!(outside.contains(&format!("{model:?} cannot be used: it lies outside")), "{outside}");
        assert!(team_file::load(&at("teams/t.toml"), &[], true).is_ok());
    }
    std::fs::write(at("teams/t.toml"), small(SHARED, "", "model = \"scripted/x/y.toml\"")).unwrap();
    assert!(team_file::load(&at("teams/t.toml"), &[], false).is_ok(), "a script may be written later");

    let missing = at("none.toml");
    let error = team_file::load(&missing, &[], false).unwrap_err().to_string();
    assert_eq!(error, format!("{}: cannot be read: there is no such file", missing.display()));
}

mod proposed {
    //! Any sequence of files ends in the group of the last one.

    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// A group of some of three agents with some of two blocks, named in any place.
    fn files() -> impl Strategy<Value = String> {
        let named = prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()), 3);
        (1usize..=3, any::<bool>(), any::<bool>(), named, "[ab]{0,3}").prop_map(|(members, one, two, named, value)| {
            let agents = ["ann", "bob", "cid"];
            let shared: Vec<&str> =
                [(one, "one"), (two, "two")].iter().filter(|(is, _)| *is).map(|(_, b)| *b).collect();
            let mut text =
                format!("[group]\nname = \"g\"\nmembers = {:?}\nshared_blocks = {shared:?}\n", &agents[..members]);
            for label in ["one", "two"] {
                let _ = write!(text, "[[block]]\nlabel = {label:?}\nvalue = {value:?}\n");
            }
            for (name, (one, two, persona, listed)) in agents.iter().zip(named) {
                if !listed && !agents[..members].contains(name) {
                    continue;
                }
                let blocks: Vec<&str> =
                    [(one, "one"), (two, "two")].iter().filter(|(is, _)| *is).map(|(_, b)| *b).collect();
                let _ = write!(text, "[[agent]]\nname = {name:?}\nblocks = {blocks:?}\n");
                if persona {
                    let _ = writeln!(text, "persona = {value:?}");
                }
            }
            text
        })
    }

    proptest! {
        #[test]
        fn any_files_one_after_the_other_apply_and_leave_nothing_to_change(
            texts in prop::collection::vec((files(), any::<bool>()), 1..6)
        ) {
            let mut desk = Desk::new();
            for (text, overwrite) in texts {
                desk.apply_with(&text, overwrite);
                let file = parse(&text).unwrap();
                let members = desk.group("g").members;
                let wanted: Vec<String> = file.group.members().iter().map(|name| name.text.clone()).collect();
                prop_assert_eq!(desk.names(&members), wanted);
            }
        }
    }
}
