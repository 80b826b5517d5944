//! What the forms of groups and agents look like.

use crate::support::app_harness::{Desk, overview, said, story};
use nightdesk::testing::domain::ManagerType;
use nightdesk::testing::domain::{Agent, AgentId, Block, BlockId, BlockOwner, Editor, Group};
use nightdesk::testing::engine::protocol::{Overview, Reply, RequestError};
use nightdesk::testing::tui::effect::Msg;
use nightdesk::testing::tui::glyph;

const SIZES: [(&str, (u16, u16)); 2] = [("80x24", (80, 24)), ("120x40", (120, 40))];

fn rich() -> Overview {
    let mut overview = overview(4);
    overview.groups[0].roles.insert("agent-critic".into(), "doubts what the others say".into());
    let review = Group {
        description: "Reads what is to be printed".into(),
        members: vec!["agent-second".into(), "agent-critic".into()],
        manager_agent: Some("agent-third".into()),
        ..Group::new("group-2".into(), "review", ManagerType::Dynamic)
    };
    overview.groups.push(review);
    for (name, does) in [("second", "Reads everything twice"), ("third", "Decides who reads next")] {
        let agent = Agent::new(AgentId(format!("agent-{name}")), name, "group-2".into());
        overview.agents.push(Agent { description: does.into(), ..agent });
    }
    let persona = Block {
        id: BlockId::from("block-persona"),
        label: "persona".into(),
        owner: BlockOwner::Agent(AgentId::from("agent-critic")),
        editor: Editor::File,
        ..story(
            4,
            "I doubt what I am told, and say so.\nI ask who said it first, and when; what nobody can tell I leave out.",
        )
    };
    overview.blocks.push(persona);
    let critic = overview.agents.iter_mut().find(|agent| agent.name == "critic").unwrap();
    critic.blocks = vec![BlockId::from("block-persona")];
    critic.description = "Doubts everything".into();
    overview
}

fn at(size: (u16, u16), keys: &str) -> Desk {
    let mut desk = Desk::new(rich(), said(), size);
    desk.keys("<Esc>1");
    desk.keys(keys);
    desk
}

/// The screen after these keys, at both sizes.
fn at_both_sizes(name: &str, keys: &str, play: impl Fn(&mut Desk)) {
    for (size_name, size) in SIZES {
        let mut desk = at(size, keys);
        play(&mut desk);
        assert_screen!(format!("{name}_{size_name}"), desk.text());
    }
}

fn answer(desk: &mut Desk, reply: Result<Reply, RequestError>) {
    let (ticket, _) = desk.asked.pop().expect("nothing was asked");
    desk.send(Msg::Answered(ticket, reply));
}

#[test]
fn a_new_group_offers_the_types_with_what_each_is_best_for() {
    at_both_sizes("new_group", "N", |_| {});
}

#[test]
fn a_dynamic_group_has_fields_of_its_own() {
    at_both_sizes(
        "dynamic",
        "N<Right><Right><Tab>panel<Tab>weighs plans<Tab>chair<Enter><Tab>critic<Enter>scout<Enter>",
        |_| {},
    );
}

#[test]
fn a_group_is_edited_as_it_is() {
    at_both_sizes("edit_group", "e<Tab><Tab><Up><Up>", |_| {});
}

#[test]
fn a_new_agent_is_described() {
    at_both_sizes("new_agent", "nscout<Tab>finds what others overlook<Tab>I look where nobody looks.", |_| {});
}

#[test]
fn an_agent_is_edited_as_it_is() {
    at_both_sizes("edit_agent", "jje<Tab><Tab>", |_| {});
}

#[test]
fn a_fault_stands_below_its_field() {
    at_both_sizes("fault", "N<Tab>panel<Tab><Tab>ghost<Enter><C-s>", |desk| {
        let text = "members names \"ghost/writer\", but there is no group ghost; there are newsroom and review: name one \
                    of their agents, or write a name without a stroke for a new one";
        answer(desk, Err(RequestError::new(text)));
    });
}

#[test]
fn members_are_picked_from_those_there_are() {
    at_both_sizes("picker", "N<Tab>panel<Tab><Tab>r", |_| {});
}

#[test]
fn a_member_is_added_by_one_key() {
    at_both_sizes("add_member", "+sec", |_| {});
}

#[test]
fn leaving_a_form_asks() {
    at_both_sizes("leave", "N<Tab>panel<Esc>", |_| {});
}

#[test]
fn a_deletion_shows_what_goes_with_it() {
    at_both_sizes("delete", "D", |desk| {
        let lines = [
            "the group newsroom goes, with 7 turns and 4 messages",
            "agents reporter, critic, editor and \
            archivist go with 1 block of their own",
            "blocks story and human go, with all their versions",
        ];
        let lines = lines.map(str::to_owned).into();
        answer(desk, Ok(Reply::Deletion { lines, done: false }));
    });
}

#[test]
fn the_smallest_screen_is_still_of_use() {
    let desk = at((40, 12), "N<Right><Right><Tab>panel<Tab><Tab>chair<Enter>leads<Tab>critic<Enter>");
    assert_screen!("members_40x12", desk.text());
    let desk = at((40, 12), "N");
    assert_screen!("new_group_40x12", desk.text());
    let desk = at((40, 12), "jje<Tab><Tab>");
    assert_screen!("persona_40x12", desk.text());
}

#[test]
fn every_field_is_seen_when_it_has_the_caret() {
    for size in [(40, 12), (80, 24), (120, 40)] {
        for open in ["N<Right><Right>", "e", "n", "jje"] {
            let mut desk = at(size, open);
            for _ in 0..14 {
                let text = desk.text();
                assert!(text.contains("│›"), "{open} at {size:?}\n{text}");
                desk.keys("<Tab>");
            }
            for _ in 0..30 {
                desk.keys("<Up>");
            }
        }
    }
}

#[test]
fn the_chosen_type_is_seen_on_the_smallest_screen() {
    let mut desk = at((40, 12), "N");
    for kind in [ManagerType::Supervisor, ManagerType::Dynamic, ManagerType::Sleeptime] {
        desk.keys("<Right>");
        assert!(desk.text().contains(&format!("✓ {}", kind.title())), "{}", desk.text());
        let last = kind.best_for().split(' ').next_back().unwrap();
        assert!(desk.text().contains(last), "{}", desk.text());
    }
}

#[test]
fn the_caret_stands_in_the_field_and_colours_tell_nothing_alone() {
    let desk = at((80, 24), "e<Tab><Tab><Up><Up>");
    assert_screen!("edit_group_styles", desk.picture());
}

#[test]
fn a_field_shows_the_end_of_a_long_text_with_the_caret_and_its_start_without() {
    let mut desk = at((80, 24), "N<Tab>panel<Tab>");
    desk.keys(&format!("begins {} ends", "x".repeat(90)));
    assert!(desk.text().contains("xxx ends") && !desk.text().contains("begins xxx"), "{}", desk.text());
    desk.keys("<Tab>");
    assert!(desk.text().contains("begins xxx") && !desk.text().contains("xxx ends"), "{}", desk.text());
}

#[test]
fn seven_bit_signs_do() {
    let mut desk = Desk::new(rich(), said(), (80, 24));
    desk.app.look.glyphs = &glyph::ASCII;
    desk.keys("<Esc>1N<Right>");
    let text = desk.text();
    let form: Vec<&str> = text.lines().skip(2).take(20).filter_map(|line| line.get(1..)).collect();
    assert!(form.iter().all(|line| line.is_ascii()), "{text}");
    assert_screen!("ascii_80x24", text);
}
