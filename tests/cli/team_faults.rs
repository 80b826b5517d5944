//! A bad team file is answered with file, line, what is wrong and what is allowed, one sentence a fault.

use std::io;
use std::path::Path;

use nightdesk::testing::team_file::{self, ParseContext};

/// A team without a fault; tests change one line of it.
const GOOD: &str = r#"[group]
name = "desk"
manager_type = "round_robin"
members = ["ann", "bob"]
max_turns = 2
shared_blocks = ["story"]

[group.sleeptime]
agents = ["cid"]
every_turns = 2

[[block]]
label = "story"
value = "one"
limit = 100

[[block]]
label = "style"

[[agent]]
name = "ann"
model = "offline"
blocks = ["style"]
tools = ["-pass"]

[[agent]]
name = "bob"
persona = "I am Bob."

[[agent]]
name = "cid"
"#;

/// What is said of this text; empty where nothing is wrong.
fn faults(text: &str) -> Vec<String> {
    let read = |path: &Path| {
        Err(match path.file_name().and_then(|name| name.to_str()) {
            Some("secret.md") => io::Error::from(io::ErrorKind::PermissionDenied),
            _ => io::Error::from(io::ErrorKind::NotFound),
        })
    };
    let around = ParseContext {
        file: "team.toml",
        base: Path::new("/desk"),
        tools: &["web_search"],
        read: &read,
        allow_outside: true,
    };
    match team_file::parse(text, &around) {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The good team with one thing changed, which must be there exactly once.
fn with(old: &str, new: &str) -> String {
    assert_eq!(GOOD.matches(old).count(), 1, "{old:?} stands once in the good team");
    GOOD.replace(old, new)
}

/// Asserts that each change of the good team is answered with exactly this sentence.
fn answered(cases: &[(&str, &str, &str)]) {
    assert_eq!(faults(GOOD), Vec::<String>::new());
    for (old, new, sentence) in cases {
        assert_eq!(faults(&with(old, new)), [format!("team.toml:{sentence}")], "{new}");
    }
}

const MEMBERS: &str = "members = [\"ann\", \"bob\"]";
const TURNS: &str = "max_turns = 2";
const MODEL: &str = "model = \"offline\"";

#[test]
fn lettas_keys_are_answered_with_ours() {
    answered(&[
        (MEMBERS, "agent_ids = []", "4: unknown key \"agent_ids\"; Letta's agent_ids is members here"),
        (
            TURNS,
            "manager_agent_id = \"x\"",
            "5: unknown key \"manager_agent_id\"; Letta's manager_agent_id is manager_agent here",
        ),
        (
            TURNS,
            "sleeptime_agent_frequency = 5",
            "5: unknown key \"sleeptime_agent_frequency\"; Letta's sleeptime_agent_frequency is [group.sleeptime] \
             every_turns here",
        ),
        (
            TURNS,
            "shared_block_ids = []",
            "5: unknown key \"shared_block_ids\"; Letta's shared_block_ids is shared_blocks here",
        ),
        (
            TURNS,
            "termination_token = \"DONE!\"",
            "5: termination_token belongs to dynamic groups, and this one is round_robin; leave it out",
        ),
        (
            TURNS,
            "manager_config = { manager_type = \"round_robin\" }",
            "5: unknown key \"manager_config\"; Letta's manager_config is manager_type, manager_agent and max_turns of \
             [group] here",
        ),
        (
            TURNS,
            "min_message_buffer_length = 5",
            "5: unknown key \"min_message_buffer_length\"; Letta's min_message_buffer_length belongs to \
             voice_sleeptime groups, which are not supported yet",
        ),
        (
            MODEL,
            "memory_blocks = []",
            "22: unknown key \"memory_blocks\"; Letta's memory_blocks is one [[block]] each here, named in blocks of \
             the [[agent]]",
        ),
        (MODEL, "block_ids = []", "22: unknown key \"block_ids\"; Letta's block_ids is blocks here"),
        (MODEL, "tool_ids = []", "22: unknown key \"tool_ids\"; Letta's tool_ids is tools here"),
        (
            MODEL,
            "tool_rules = []",
            "22: unknown key \"tool_rules\"; Letta's tool_rules is one [[agent.rule]] each here",
        ),
        (
            MODEL,
            "llm_config = {}",
            "22: unknown key \"llm_config\"; Letta's llm_config is model, temperature and max_tokens here",
        ),
        (
            MODEL,
            "system_prompt = \"x\"",
            "22: unknown key \"system_prompt\"; Letta's system_prompt is system here, or system_file",
        ),
    ]);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_its_place_or_all_there_are() {
    answered(&[
        (TURNS, "max_turn = 2", "5: unknown key \"max_turn\" in [group]; did you mean max_turns?"),
        (
            TURNS,
            "every_turns = 2",
            "5: unknown key \"every_turns\" in [group]; it belongs in [group.sleeptime] or [[group.trigger]]",
        ),
        (
            "every_turns = 2",
            "colour = 2",
            "10: unknown key \"colour\" in [group.sleeptime]; allowed are agents, every_turns, idle",
        ),
        ("limit = 100", "model = \"offline\"", "15: unknown key \"model\" in [[block]]; it belongs in [[agent]]"),
        ("[group]\n", "members = []\n[group]\n", "1: unknown key \"members\" before any table; it belongs in [group]"),
        (
            "[group]\n",
            "[colour]\n[group]\n",
            "1: unknown key \"colour\"; a team file has [group], [[block]] and [[agent]]",
        ),
        (
            "[[block]]\nlabel = \"style\"",
            "[[blok]]\nlabel = \"style\"",
            "17: unknown key \"blok\" in a team file; did you mean block?",
        ),
    ]);
}

#[test]
fn a_wrong_kind_or_a_value_out_of_range_says_what_it_may_be() {
    let list = "is a list of texts such as [\"one\", \"two\"]";
    answered(&[
        (MEMBERS, "members = \"ann\"", &format!("4: members of [group] {list}; found the text \"ann\"")),
        (MEMBERS, "members = [\n\"ann\",\n7]", &format!("6: members of [group] {list}; found 7 in it")),
        (TURNS, "max_turns = 0", "5: max_turns of [group] is a whole number from 1 to 4294967295; found 0"),
        (TURNS, "max_turns = 2.5", "5: max_turns of [group] is a whole number from 1 to 4294967295; found 2.5"),
        (
            "every_turns = 2",
            "every_turns = 0",
            "10: every_turns of [group.sleeptime] is a whole number from 1 to 4294967295; found 0",
        ),
        ("every_turns = 2", "idle = \"soon\"", "10: idle is a time such as 5m or 1h 30m, at least 1s"),
        ("every_turns = 2", "idle = 5", "10: idle of [group.sleeptime] is a text in quotes; found 5"),
        (
            "every_turns = 2",
            "[[group.trigger]]\nidle = \"5m\"\nfrom = \"any\"",
            "10: [[group.trigger]]: from is no key of a trigger with idle; allowed are idle, agent, task, priority",
        ),
        (
            "every_turns = 2",
            "[[group.trigger]]\nblock_changed = \"story\"\nagent = \"cit\"",
            "10: agent of a trigger names \"cit\", but this file has no such [[agent]]; did you mean cid?",
        ),
        (
            "every_turns = 2",
            "[[group.trigger]]\nblock_changed = \"story\"\nagent = \"ann\"",
            "10: ann has a trigger and does not work in the background; add it to agents of [group.sleeptime]",
        ),
        (
            "limit = 100",
            "access = { an = \"read\" }",
            "15: access names \"an\", which is no agent and no role of the group; there are ann, bob, cid, *",
        ),
        (
            "limit = 100",
            "access = { boob = \"read\" }",
            "15: access names \"boob\", which is no agent and no role of the group; did you mean bob?",
        ),
        (
            "limit = 100",
            "access = { ann = \"write\" }",
            "15: access of \"ann\" is one of none, read, read_write, admin",
        ),
        ("limit = 100", "access = \"read\"", "15: access is a table such as { critic = \"read\", editor = \"admin\" }"),
        ("limit = 100", "read_only = \"yes\"", "15: read_only of [[block]] is true or false; found the text \"yes\""),
        (MODEL, "model = 4", "22: model of [[agent]] is a text in quotes; found 4"),
        (MODEL, "temperature = 3", "22: temperature of [[agent]] is a number from 0 to 2; found 3"),
        (MODEL, "temperature = nan", "22: temperature of [[agent]] is a number from 0 to 2; found nan"),
        (MODEL, "max_steps = -1", "22: max_steps of [[agent]] is a whole number from 1 to 4294967295; found -1"),
        (
            MODEL,
            "model = \"gpt-4.1\"",
            "22: \"gpt-4.1\" names no model; write \"offline\", \"scripted/FILE\" or PROVIDER/MODEL such as \
             \"openai/gpt-4.1-mini\"",
        ),
        (MODEL, "tags = [\" \"]", "22: \" \" is not a valid tag: use a few words on one line"),
    ]);
}

#[test]
fn names_and_labels_have_a_form_and_stand_once_regardless_of_case() {
    answered(&[
        (
            "name = \"desk\"",
            "name = \"the desk\"",
            "2: \"the desk\" is no name for a group: use letters, digits, - and _",
        ),
        ("name = \"desk\"", "", "1: this group has no name; give it one: name = \"…\""),
        (
            "[[agent]]\nname = \"cid\"",
            "[[agent]]\nname = \"cid\"\n[[agent]]\nname = \"@x\"",
            "33: \"@x\" is no name for an agent: use letters, digits, - and _",
        ),
        (
            "[[agent]]\nname = \"cid\"",
            "[[agent]]\nname = \"cid\"\n[[agent]]\nname = \"You\"",
            "33: \"You\" is no name for an agent: this name means the user, so an agent cannot have it",
        ),
        (
            "[[agent]]\nname = \"cid\"",
            "[[agent]]\nname = \"cid\"\n[[agent]]\nname = \"Ann\"",
            "32: agent \"Ann\" is already defined on line 20; give this one another name",
        ),
        (
            "label = \"style\"",
            "label = \"style\"\n[[block]]\nlabel = \"STORY\"",
            "19: block \"STORY\" is already defined on line 12; give this one another name",
        ),
        (
            "label = \"style\"",
            "label = \"style\"\n[[block]]\nlabel = \"a b\"",
            "20: \"a b\" is not a valid block label: use up to 64 letters, digits, - and _, no spaces",
        ),
        ("label = \"style\"", "tags = []", "17: this block has no label; give it one: label = \"…\""),
    ]);
}

#[test]
fn every_list_names_what_is_in_the_file_and_nothing_twice() {
    answered(&[
        (
            MEMBERS,
            "members = [\"ann\", \"Bob\"]",
            "4: members names \"Bob\", but this file has no such [[agent]]; did you mean bob?",
        ),
        (
            MEMBERS,
            "members = [\n  \"ann\",\n  \"bob\",\n  \"zoe\",\n]",
            "7: members names \"zoe\", but this file has no such [[agent]]; there are ann, bob, cid",
        ),
        (
            MEMBERS,
            "members = [\"ann\", \"bob\", \"other/zo e\"]",
            "4: members names \"other/zo e\", but this file has no such [[agent]]; agents of other groups are \"group/name\"",
        ),
        (MEMBERS, "members = [\"ann\", \"bob\", \"ann\"]", "4: members names \"ann\" twice; once is enough"),
        (
            "agents = [\"cid\"]",
            "agents = [\"cit\"]",
            "9: agents names \"cit\", but this file has no such [[agent]]; did you mean cid?",
        ),
        (
            "shared_blocks = [\"story\"]",
            "shared_blocks = [\"sotry\"]",
            "6: shared_blocks names \"sotry\", but this file has no such [[block]]; did you mean story?",
        ),
        (
            "blocks = [\"style\"]",
            "blocks = [\"x\"]",
            "23: blocks names \"x\", but this file has no such [[block]]; there are story, style",
        ),
    ]);
}

#[test]
fn a_pattern_that_cannot_run_cannot_be_written_down() {
    let robin = "manager_type = \"round_robin\"\n";
    let full = format!("{robin}{MEMBERS}\n{TURNS}");
    answered(&[
        (MEMBERS, "members = []", "1: round_robin needs members, the names of one agent or more who speak in turn"),
        (
            TURNS,
            "manager_agent = \"ann\"",
            "5: round_robin has no manager_agent; name the agent in members, or use manager_type sleeptime",
        ),
        (&full, "manager_type = \"sleeptime\"", "1: sleeptime needs manager_agent, the name of the agent who answers"),
        (
            &full,
            "manager_type = \"sleeptime\"\nmanager_agent = \"bob\"\nmembers = [\"ann\"]",
            "5: sleeptime has no members; manager_agent answers, and [group.sleeptime] agents work in the background",
        ),
        (
            &full,
            "manager_type = \"sleeptime\"\nmanager_agent = \"cid\"",
            "8: \"cid\" is the manager_agent and cannot work in the background too",
        ),
        (
            "agents = [\"cid\"]",
            "agents = []",
            "8: [group.sleeptime] needs agents, the names of one or more who work in the background",
        ),
        (
            robin,
            "manager_type = \"handoff\"\n",
            "3: manager_type handoff is not supported yet; use one of round_robin, supervisor, dynamic, sleeptime",
        ),
        (
            robin,
            "manager_type = \"roundrobin\"\n",
            "3: there is no manager_type \"roundrobin\"; did you mean round_robin?",
        ),
        (
            robin,
            "manager_type = \"swarm\"\n",
            "3: there is no manager_type \"swarm\"; use one of round_robin, supervisor, dynamic, sleeptime",
        ),
    ]);
}

/// A dynamic group with all its settings.
const PANEL: &str = r#"[group]
name = "panel"
manager_type = "dynamic"
manager_agent = "chair"
members = ["ann", "bob"]
termination_token = "DONE!"
max_turns = 10
allow_repeat = false
status = "active"
wait_seconds = 60
mail_per_minute = 100
roles = { bob = "reviewer" }
terminate = { any = [
  { tokens = 20000 },
  { all = [{ seconds = 600 }, { text = "that is all" }] },
  { speaker = "bob" },
] }

[[agent]]
name = "chair"
contacts = ["press/zoe"]

[[agent]]
name = "ann"
[[agent.rule]]
type = "requires_approval"
tool_name = "memory_insert"

[[agent]]
name = "bob"
"#;

/// Asserts that each change of the panel is answered with exactly this sentence.
fn of_the_panel(cases: &[(&str, &str, &str)]) {
    assert_eq!(faults(PANEL), Vec::<String>::new());
    for (old, new, sentence) in cases {
        assert_eq!(PANEL.matches(old).count(), 1, "{old:?} stands once in the panel");
        assert_eq!(faults(&PANEL.replace(old, new)), [format!("team.toml:{sentence}")], "{new}");
    }
}

#[test]
fn a_manager_orchestrates_members_and_is_none_of_them() {
    let manager = "manager_agent = \"chair\"\n";
    let members = "members = [\"ann\", \"bob\"]\n";
    of_the_panel(&[
        (manager, "", "1: dynamic needs manager_agent, the name of the agent who chooses who speaks"),
        (
            members,
            "members = [\"ann\", \"bob\", \"chair\"]\n",
            "5: \"chair\" is the manager_agent, who chooses who speaks, and cannot be a member too",
        ),
        (
            "manager_agent = \"chair\"\n",
            "manager_agent = \"chiar\"\n",
            "4: manager_agent names \"chiar\", but this file has no such [[agent]]; did you mean chair?",
        ),
        (
            members,
            "members = [\"ann\", \"bob\", \"press/Bob\"]\n",
            "5: \"press/Bob\" and \"bob\" would both be called Bob in this group; rename one",
        ),
        (members, "members = [\"ann\", \"bob\", \"panel/ann\"]\n", "5: members names \"ann\" twice; once is enough"),
    ]);
    let desk = "[group]\nname = \"d\"\nmanager_type = \"supervisor\"\n[[agent]]\nname = \"ann\"\n";
    assert_eq!(
        faults(desk),
        [
            "team.toml:1: supervisor needs members, the names of one agent or more who work",
            "team.toml:1: supervisor needs manager_agent, the name of the agent who delegates",
        ]
    );
}

#[test]
fn a_setting_of_another_manager_type_is_refused_where_it_stands() {
    let token = "termination_token = \"DONE!\"";
    of_the_panel(&[
        (token, "max_rounds = 3", "6: max_rounds belongs to supervisor groups, and this one is dynamic; leave it out"),
        (
            token,
            "continue_order = false",
            "6: continue_order belongs to round_robin groups, and this one is dynamic; leave it out",
        ),
    ]);
    answered(&[(
        TURNS,
        "allow_repeat = true",
        "5: allow_repeat belongs to dynamic groups, and this one is round_robin; leave it out",
    )]);
}

#[test]
fn settings_of_a_group_say_what_they_may_be() {
    of_the_panel(&[
        (
            "termination_token = \"DONE!\"",
            "termination_token = \" \"",
            "6: termination_token is empty; give it a word, or leave it out for DONE!",
        ),
        ("max_turns = 10", "max_turns = 0", "7: max_turns of [group] is a whole number from 1 to 4294967295; found 0"),
        ("allow_repeat = false", "allow_repeat = 1", "8: allow_repeat of [group] is true or false; found 1"),
        ("status = \"active\"", "status = \"pause\"", "9: there is no status \"pause\"; did you mean paused?"),
        ("status = \"active\"", "status = \"off\"", "9: there is no status \"off\"; use active, paused, archived"),
        (
            "wait_seconds = 60",
            "wait_seconds = 0",
            "10: wait_seconds of [group] is a whole number from 1 to 4294967295; found 0",
        ),
        (
            "mail_per_minute = 100",
            "mail_per_minute = 0",
            "11: mail_per_minute of [group] is a whole number from 1 to 4294967295; found 0",
        ),
        (
            "{ bob = \"reviewer\" }",
            "{ bop = \"x\" }",
            "12: roles names \"bop\", who is not in the group; did you mean bob?",
        ),
        (
            "{ bob = \"reviewer\" }",
            "{ bob = \"\" }",
            "12: the role of bob is a word or two on one line, up to 60 characters",
        ),
        (
            "{ bob = \"reviewer\" }",
            "[\"bob\"]",
            "12: roles is a table of agents, each with a word or two: { lawyer = \"reviewer\" }",
        ),
    ]);
}

#[test]
fn a_condition_is_one_key_with_a_value_that_can_come_true() {
    let tokens = "{ tokens = 20000 }";
    of_the_panel(&[
        (tokens, "{ tokens = 0 }", "14: tokens of terminate is a whole number, 1 or more; found 0"),
        (
            tokens,
            "{ seconds = \"ten\" }",
            "14: seconds of terminate is a whole number, 1 or more; found the text \"ten\"",
        ),
        (tokens, "{ text = \" \" }", "14: text of terminate is empty; give it a word"),
        (tokens, "{ to_user = false }", "14: to_user is true or left out"),
        (tokens, "{ any = [] }", "14: any of terminate needs at least one condition"),
        (
            tokens,
            "{ tokens = 1, text = \"x\" }",
            "14: terminate: text and tokens are in one condition; write one condition each, in any = [ … ] or all = [ … ]",
        ),
        (tokens, "{ tokns = 3 }", "14: unknown key \"tokns\" in terminate; did you mean tokens?"),
        (tokens, "{ tool = \"web_serch\" }", "14: terminate: there is no tool \"web_serch\"; did you mean web_search?"),
        (
            "{ speaker = \"bob\" }",
            "{ speaker = \"bub\" }",
            "16: speaker names \"bub\", but this file has no such [[agent]]; did you mean bob?",
        ),
        (
            tokens,
            "\"tokens\"",
            "14: terminate is one condition, such as { tokens = 20000 }, or several: { any = [{ seconds = 600 }, …] }",
        ),
        (
            tokens,
            "{ termination_token = \"x\" }",
            "14: unknown key \"termination_token\"; Letta's termination_token belongs in [group] itself, beside terminate",
        ),
    ]);
    for good in ["{ to_user = true }", "{ external = \"bell\" }", "{ tool = \"delegate\" }", "{ max_turns = 4 }"] {
        assert_eq!(faults(&PANEL.replace(tokens, good)), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn a_rule_names_a_type_and_a_tool_there_is() {
    let kind = "type = \"requires_approval\"";
    let tool = "tool_name = \"memory_insert\"";
    of_the_panel(&[
        (kind, "type = \"run_first\"", "26: rule type run_first is not supported yet; use requires_approval"),
        (
            kind,
            "type = \"max_count_per_step\"",
            "26: rule type max_count_per_step is not supported yet; use requires_approval",
        ),
        (
            kind,
            "type = \"require_approval\"",
            "26: there is no rule type \"require_approval\"; did you mean requires_approval?",
        ),
        (kind, "", "25: this rule has no type; give it one: type = \"requires_approval\""),
        (tool, "", "25: this rule has no tool_name; name the tool it is for"),
        (
            tool,
            "tool_name = \"memory_inser\"",
            "27: there is no tool \"memory_inser\" to make a rule for; did you mean memory_insert?",
        ),
        (
            tool,
            "tool_name = \"pass\"\nchildren = []",
            "28: unknown key \"children\"; Letta's children belongs to rules that are not supported yet",
        ),
        (
            tool,
            "tool_name = \"pass\"\n[[agent.rule]]\ntype = \"requires_approval\"\ntool_name = \"pass\"",
            "28: this rule is already on line 25; remove one of them",
        ),
        ("[[agent.rule]]", "[agent.rule]", "25: rule is written once per rule, with two brackets: [[agent.rule]]"),
        (
            "[[agent.rule]]",
            "tool_rules = []\n[[agent.rule]]",
            "25: unknown key \"tool_rules\"; Letta's tool_rules is one [[agent.rule]] each here",
        ),
    ]);
}

#[test]
fn contacts_are_agents_of_other_groups_by_full_name() {
    let contacts = "[\"press/zoe\"]";
    of_the_panel(&[
        (contacts, "[\"zoe\"]", "21: contacts names \"zoe\"; write agents of other groups as \"group/name\""),
        (
            contacts,
            "[\"panel/ann\"]",
            "21: contacts names \"panel/ann\" of this group; agents of one group can always write to each other",
        ),
        (contacts, "[\"press/zoe\", \"press/zoe\"]", "21: contacts names \"press/zoe\" twice; once is enough"),
    ]);
}

#[test]
fn a_sleeptime_group_needs_somebody_in_the_background() {
    let text =
        "[group]\nname = \"g\"\nmanager_type = \"sleeptime\"\nmanager_agent = \"ann\"\n[[agent]]\nname = \"ann\"\n";
    assert_eq!(faults(text), ["team.toml:1: sleeptime needs [group.sleeptime] with agents, one or more"]);
}

#[test]
fn a_value_over_its_limit_and_two_sources_for_one_thing_are_refused() {
    answered(&[
        ("limit = 100", "limit = 2", "14: value has 3 characters, over the limit of 2; shorten it or raise the limit"),
        (
            MODEL,
            "system = \"x\"\nsystem_file = \"x.md\"",
            "23: system_file cannot be combined with system; an agent has one system prompt: keep one of them",
        ),
        (MODEL, "system_file = \"x.md\"", "22: system_file \"x.md\" cannot be read: there is no such file"),
        (MODEL, "system_file = \"secret.md\"", "22: system_file \"secret.md\" cannot be read: permission denied"),
        (
            "persona = \"I am Bob.\"",
            "persona = \"I am Bob.\"\nblocks = [\"Persona\"]\n[[block]]\nlabel = \"Persona\"",
            "29: agent bob has a persona of its own and would get the block \"Persona\" too; keep one of them",
        ),
    ]);
}

#[test]
fn a_tool_is_one_of_those_there_are() {
    let all = "conversation_search, list_agents, memory_finish_edits, memory_insert, memory_replace, memory_rethink, \
               pass, send_message_to_agent_async, web_search";
    answered(&[
        ("tools = [\"-pass\"]", "tools = [\"-pas\"]", "24: there is no tool \"pas\"; did you mean pass?"),
        ("tools = [\"-pass\"]", "tools = [\"rm\"]", &format!("24: there is no tool \"rm\"; there are {all}")),
    ]);
    assert_eq!(faults(&with("\"-pass\"", "\"-pass\", \"web_search\"")), Vec::<String>::new());
}

#[test]
fn a_file_that_is_not_toml_or_has_the_wrong_brackets_says_so() {
    let said = faults(&with("name = \"desk\"", "name = desk"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("team.toml:2: this is not TOML: "), "{said:?}");
    let said = faults(&with(TURNS, "max_turns = 2\nmax_turns = 3"));
    assert!(said[0].starts_with("team.toml:6: this is not TOML: duplicate key"), "{said:?}");
    assert_eq!(
        faults("[[group]]\nname = \"g\"\n"),
        ["team.toml:1: group is one table per file, with one pair of brackets: [group]"]
    );
    assert_eq!(
        faults("[group]\nname = \"g\"\nmembers = [\"a\"]\n[agent]\nname = \"a\"\n"),
        ["team.toml:4: agent is written once per agent, with two brackets: [[agent]]"]
    );
    for empty in ["", "# nothing\n"] {
        assert_eq!(
            faults(empty),
            ["team.toml:1: there is no [group]; a team file needs one, with a name and its agents"]
        );
    }
}

#[test]
fn all_faults_of_a_file_are_told_in_the_order_of_their_lines() {
    let text = with(TURNS, "max_turns = 0").replace("limit = 100", "lmit = 100").replace("-pass", "-run");
    let lines: Vec<String> = faults(&text).iter().map(|fault| fault.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["team.toml:5", "team.toml:15", "team.toml:24"]);
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_answered_with_lines(cut in 0..GOOD.len(), odd in ".{0,6}", skip in 0usize..30) {
        let mut text = GOOD.get(..cut).unwrap_or_default().to_owned();
        text.push_str(&odd);
        text.push_str(GOOD.get(cut + skip..).unwrap_or_default());
        let count = text.lines().count().max(1);
        for fault in faults(&text) {
            let line = fault.split(':').nth(1).and_then(|line| line.parse::<usize>().ok());
            proptest::prop_assert!(line.is_some_and(|line| (1..=count + 1).contains(&line)), "{fault}");
        }
    }
}
