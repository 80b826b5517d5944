//! A store with as many messages as wanted: the starter team, one conversation, the same last screens whatever
//! the length.

use std::path::Path;

use nightdesk::testing::domain::{
    Actor, Change, Commit, Content, Conversation, ConversationId, ConversationOwner, Group, Ids, Message, MessageId,
    PersonId,
};
use nightdesk::testing::store::{Lane, Mode, Options, Store, Synchronous};
use nightdesk::testing::team_file;

/// Messages a commit while filling.
const BATCH: u64 = 1_000;

/// Makes the store and closes it again.
pub async fn make(path: &Path, messages: u64) {
    let options = Options { mode: Mode::Inline, synchronous: Synchronous::Normal, ..Options::default() };
    let store = Store::open(path, options).unwrap();
    let ids = Ids::seeded(9);
    let plan = team_file::plan(&team_file::starter().unwrap(), &team_file::Existing::default(), &ids, false).unwrap();
    let group = plan
        .changes
        .iter()
        .find_map(|change| match change {
            Change::GroupPut(Group { id, .. }) => Some(id.clone()),
            _ => None,
        })
        .unwrap();
    let talk = Conversation::new(ConversationId::fresh(&ids), ConversationOwner::Group(group));
    let mut changes = plan.changes;
    changes.push(Change::ConversationOpened(talk.clone()));
    store.commit(Lane::Foreground, Commit::new(Actor::Person(PersonId::local()), changes)).await.unwrap();
    let mut made = 0;
    while made < messages {
        let upto = (made + BATCH).min(messages);
        let changes = (made..upto).map(|at| Change::MessageAppended(message(&ids, &talk.id, messages - at))).collect();
        store.commit(Lane::Foreground, Commit::new(Actor::Engine, changes)).await.unwrap();
        made = upto;
    }
}

/// The message so many places from the end: its words depend on nothing else.
fn message(ids: &Ids, talk: &ConversationId, from_end: u64) -> Message {
    let words = ["launch", "printers", "bees", "cover", "Lucerne", "deadline", "source", "spring", "board", "proof"];
    let count = 12 + (from_end * 7 % 45);
    let text: Vec<&str> = (0..count).map(|i| words[((from_end * 31 + i * 17) % 10) as usize]).collect();
    let at = "2026-05-01T09:00:00Z".parse().unwrap();
    Message::without_run(MessageId::fresh(ids), talk.clone(), Content::said(text.join(" ")), at)
}
