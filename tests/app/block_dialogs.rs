//! Blocks made, changed, shared and deleted in the terminal, each after whom it touches was listed; and what an agent knew.

use crate::support::app_harness::{Desk, overview, said, story};
use nightdesk::testing::domain::block::{AccessRule, Grantee, Level};
use nightdesk::testing::domain::{Block, BlockId, BlockOwner};
use nightdesk::testing::engine::protocol::{
    BlockChange, BlockForm, BlockRequest, Overview, Recipient, Reply, Request, RequestError, SeenBlock, SeenBlocks,
};
use nightdesk::testing::tui::command::KeyContext;
use nightdesk::testing::tui::effect::Msg;

const SIZES: [(&str, (u16, u16)); 3] = [("40x12", (40, 12)), ("80x24", (80, 24)), ("120x40", (120, 40))];

fn asked(desk: &mut Desk) -> BlockRequest {
    let (_, request) = desk.asked.pop().expect("nothing was asked");
    let Request::Block(request) = request else { panic!("another request: {request:?}") };
    *request
}

fn answer(desk: &mut Desk, reply: Result<Reply, RequestError>) {
    let (ticket, _) = desk.asked.pop().expect("nothing was asked");
    desk.send(Msg::Answered(ticket, reply));
}

fn listed(lines: &[&str]) -> Reply {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Reply::BlockChanged { lines, done: false, block: None }
}

fn toast(desk: &Desk) -> &str {
    desk.app.toast.as_ref().map_or("", |(toast, _)| toast.text.as_str())
}

fn with(change: impl FnOnce(&mut Overview), size: (u16, u16)) -> Desk {
    let said = said();
    let mut overview = overview(said.len() as u64);
    change(&mut overview);
    Desk::new(overview, said, size)
}

#[test]
fn a_block_is_created_once_it_was_listed_who_gets_it() {
    for (name, size) in SIZES {
        let mut desk = Desk::newsroom(size);
        desk.keys("<Esc>3nsources<Tab>who said what");
        assert_screen!(format!("new_block_{name}"), desk.text());
    }
    let mut desk = Desk::newsroom((80, 24));
    desk.keys("<Esc>3nsources<Tab>who said what<C-s>");
    let form =
        BlockForm { label: Some("sources".into()), description: Some("who said what".into()), ..BlockForm::default() };
    let owner = Recipient::Group("group-1".into());
    let request = |really| BlockRequest::Create { owner: owner.clone(), form: form.clone(), really };
    assert_eq!(desk.asked.last().map(|(_, request)| request.clone()), Some(Request::Block(Box::new(request(false)))));
    answer(&mut desk, Ok(listed(&["newsroom shares the block sources: reporter, critic, editor and archivist"])));
    assert_screen!("new_block_listed_80x24", desk.text());
    desk.keys("<Enter>");
    assert!(desk.asked.is_empty(), "nothing is done unless it is chosen");
    desk.keys("<C-s>");
    assert_eq!(asked(&mut desk), request(true), "the same again was listed already");
    desk.keys("!");
    assert_eq!(desk.app.context(), KeyContext::FORM, "what is pending is not typed into");
}

#[test]
fn a_field_that_is_wrong_says_so_and_nothing_is_sent() {
    let mut desk = Desk::newsroom((80, 24));
    desk.keys("<Esc>3n<C-s>");
    assert!(desk.asked.is_empty() && desk.text().contains("a block needs a label"), "{}", desk.text());
    desk.keys("x<Tab><Tab><Tab><C-u>many<C-s>");
    assert!(desk.asked.is_empty() && desk.text().contains("the limit is a number of characters"), "{}", desk.text());
    desk.keys("<C-u>500<C-s>");
    let text = "block x: the label clashes with one of critic".to_owned();
    answer(&mut desk, Err(RequestError { text, conflict: None }));
    assert!(desk.text().contains("the label clashes"), "{}", desk.text());
}

#[test]
fn a_block_is_renamed_for_all_that_have_it_after_they_were_listed() {
    let mut desk = Desk::newsroom((120, 40));
    desk.keys("<Esc>3E<C-u>plot<C-s>");
    let form = BlockForm { label: Some("plot".into()), ..BlockForm::default() };
    let change = BlockChange::Configure { form };
    let request = |really| BlockRequest::Change { id: "block-story".into(), change: change.clone(), really };
    assert_eq!(desk.asked.last().map(|(_, request)| request.clone()), Some(Request::Block(Box::new(request(false)))));
    answer(&mut desk, Ok(listed(&["the block story is called plot from now on, for reporter and critic"])));
    assert!(desk.text().contains("is called plot from now on"), "{}", desk.text());
    desk.keys("y");
    let (ticket, done) = desk.asked.pop().expect("nothing was asked");
    assert_eq!(done, Request::Block(Box::new(request(true))));
    let block = Some(Box::new(Block { label: "plot".into(), ..story(12, "") }));
    desk.send(Msg::Answered(ticket, Ok(Reply::BlockChanged { lines: Vec::new(), done: true, block })));
    assert!(desk.app.dialogs.is_empty() && toast(&desk) == "plot is changed", "{}", toast(&desk));
}

#[test]
fn a_block_is_shared_and_detached_by_name_after_a_look_at_whom_it_touches() {
    let mut desk = Desk::newsroom((80, 24));
    desk.keys("<Esc>3+");
    assert_screen!("share_80x24", desk.text());
    desk.keys("critic<Enter>");
    let change = BlockChange::Attach { to: Recipient::Agent("agent-critic".into()) };
    let request = |change: &BlockChange, really| BlockRequest::Change {
        id: "block-story".into(),
        change: change.clone(),
        really,
    };
    assert_eq!(
        desk.asked.last().map(|(_, asked)| asked.clone()),
        Some(Request::Block(Box::new(request(&change, false))))
    );
    answer(&mut desk, Ok(listed(&["critic has the block story"])));
    desk.keys("y");
    assert_eq!(asked(&mut desk), request(&change, true));

    let mut desk = Desk::newsroom((80, 24));
    desk.keys("<Esc>3-<Enter>");
    let change = BlockChange::Detach { from: Recipient::Group("group-1".into()) };
    assert_eq!(
        desk.asked.last().map(|(_, asked)| asked.clone()),
        Some(Request::Block(Box::new(request(&change, false))))
    );
    answer(&mut desk, Ok(listed(&["newsroom has the block story no longer; 4 agents lose it"])));
    assert!(desk.text().contains("Detach story?") && desk.text().contains("4 agents lose it"), "{}", desk.text());
    desk.keys("n");
    assert!(desk.asked.is_empty());
}

#[test]
fn a_block_is_deleted_after_a_look_at_what_goes_with_it() {
    let mut desk = Desk::newsroom((80, 24));
    desk.keys("<Esc>3D");
    answer(&mut desk, Ok(listed(&["12 versions of story are deleted", "reporter, critic and editor lose it"])));
    assert_screen!("delete_block_80x24", desk.text());
    desk.keys("y");
    let change = BlockChange::Delete;
    assert_eq!(asked(&mut desk), BlockRequest::Change { id: "block-story".into(), change, really: true });
}

#[test]
fn access_is_shown_for_each_agent_and_granted_and_revoked_after_a_look() {
    let ruled = |overview: &mut Overview| {
        let rule = |who, level| AccessRule { who, level };
        overview.blocks[0].access =
            vec![rule(Grantee::Everybody, Level::Read), rule(Grantee::Agent("agent-critic".into()), Level::Admin)];
    };
    for (name, size) in SIZES {
        let mut desk = with(ruled, size);
        desk.keys("<Esc>3a");
        assert_screen!(format!("access_{name}"), desk.text());
    }
    let mut desk = with(ruled, (80, 24));
    desk.keys("<Esc>3ajjx");
    let change = BlockChange::Access { who: Grantee::Agent("agent-critic".into()), level: None, reason: String::new() };
    let request = |really| BlockRequest::Change { id: "block-story".into(), change: change.clone(), really };
    assert_eq!(desk.asked.last().map(|(_, asked)| asked.clone()), Some(Request::Block(Box::new(request(false)))));
    answer(&mut desk, Ok(listed(&["the rule about critic is removed", "critic may read it from now on"])));
    assert!(desk.text().contains("critic may read it from now on"), "{}", desk.text());
    desk.keys("y");
    assert_eq!(asked(&mut desk), request(true));
    desk.keys("kw");
    let who = Grantee::Agent("agent-reporter".into());
    let change = BlockChange::Access { who, level: Some(Level::ReadWrite), reason: String::new() };
    assert_eq!(asked(&mut desk), BlockRequest::Change { id: "block-story".into(), change, really: false });
}

#[test]
fn an_empty_pane_says_the_key_and_a_block_that_nobody_has_is_listed() {
    let empty = |overview: &mut Overview| {
        overview.blocks.clear();
        overview.groups[0].shared_blocks.clear();
    };
    let mut desk = with(empty, (200, 60));
    assert!(desk.text().contains("n creates one"), "{}", desk.text());
    desk.keys("<Esc>3e");
    assert!(toast(&desk).contains("n creates one"), "{}", toast(&desk));
    desk.keys("D");
    assert!(toast(&desk).contains("n creates one") && desk.asked.is_empty(), "{}", toast(&desk));

    let free = |overview: &mut Overview| {
        let owner = BlockOwner::Group("group-1".into());
        overview.blocks.push(Block { id: BlockId::from("block-free"), label: "loose".into(), owner, ..story(1, "x") });
    };
    let desk = with(free, (120, 40));
    assert!(desk.text().contains("Blocks that nobody has") && desk.text().contains("loose"), "{}", desk.text());
}

#[test]
fn a_new_group_offers_its_first_shared_block() {
    let mut desk = Desk::newsroom((120, 40));
    desk.keys("<Esc>1N");
    assert!(desk.text().contains("First block"), "{}", desk.text());
    desk.keys("<Tab>desk<Tab>");
    let mut presses = 0;
    while !desk.text().contains("›First block") {
        desk.keys("<Tab>");
        presses += 1;
        assert!(presses < 40, "{}", desk.text());
    }
    desk.keys("plan<Tab>what is next");
    assert_screen!("group_first_block_120x40", desk.text());
}

#[test]
fn what_an_agent_knew_at_a_message_is_shown_and_what_changed_since() {
    let seen = || SeenBlocks {
        seq: 2,
        agent: "agent-reporter".into(),
        name: "reporter".into(),
        step: "step-2".into(),
        at: "2026-05-01T09:40:00Z".parse().unwrap(),
        blocks: vec![
            SeenBlock {
                id: "block-story".into(),
                label: Some("story".into()),
                version: 11,
                value: Some("The story so far\n- Launch: some time in spring".into()),
                now: Some(12),
            },
            SeenBlock { id: "block-gone".into(), label: None, version: 1, value: Some("It was.".into()), now: None },
        ],
    };
    for (name, size) in SIZES {
        let mut desk = Desk::newsroom(size);
        desk.keys("<Esc>2kb");
        let BlockRequest::Seen { conversation, .. } = (match &desk.asked.last().unwrap().1 {
            Request::Block(request) => (**request).clone(),
            other => panic!("another request: {other:?}"),
        }) else {
            panic!("another request")
        };
        assert_eq!(conversation.as_str(), "conversation-1");
        answer(&mut desk, Ok(Reply::SeenBlocks(Box::new(seen()))));
        assert_screen!(format!("seen_{name}"), desk.text());
    }
    let mut desk = Desk::newsroom((80, 24));
    desk.keys("<Esc>2kb");
    answer(&mut desk, Ok(Reply::SeenBlocks(Box::new(seen()))));
    desk.keys("<Enter>");
    assert!(desk.text().contains("- - Launch: some time in spring") && desk.text().contains("+ - Launch: 3 May"));
    desk.keys("<Esc>");
    assert!(desk.app.dialogs.is_empty());
}
