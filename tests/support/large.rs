//! A store with as many messages as wanted: the starter team, one conversation, the same last screens whatever
//! the length.

use std::path::Path;

use nightdesk::testing::domain::{
    Actor, Change, Commit, Content, Conversation, ConversationId, ConversationOwner, Group, GroupId, Ids, Message,
    MessageId, PersonId,
};
use nightdesk::testing::store::{Lane, Mode, Options, Store, Synchronous};
use nightdesk::testing::team_file;

/// Makes the store and closes it again.
pub async fn make(path: &Path, messages: u64) {
    let store = open(path);
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
    store.commit(Lane::Foreground, Commit::new(Actor::Person(PersonId::local()), plan.changes)).await.unwrap();
    append(&store, &ids, group, (messages, 1_000), |at| said(messages - at)).await;
}

/// Opens a store to be filled quickly.
pub fn open(path: &Path) -> Store {
    let options = Options { mode: Mode::Inline, synchronous: Synchronous::Normal, ..Options::default() };
    Store::open(path, options).unwrap()
}

/// Opens a conversation of the group and appends so many messages to it, so many in each commit. Returns it.
pub async fn append(
    store: &Store,
    ids: &Ids,
    group: GroupId,
    (messages, batch): (u64, u64),
    content: impl Fn(u64) -> Content,
) -> ConversationId {
    let talk = Conversation::new(ConversationId::fresh(ids), ConversationOwner::Group(group));
    let commit = |changes| store.commit(Lane::Foreground, Commit::new(Actor::Engine, changes));
    commit(vec![Change::ConversationOpened(talk.clone())]).await.unwrap();
    let time = "2026-05-01T09:00:00Z".parse().unwrap();
    let message = |at| Message::without_run(MessageId::fresh(ids), talk.id.clone(), content(at), time);
    for made in (0..messages).step_by(batch as usize) {
        let upto = (made + batch).min(messages);
        commit((made..upto).map(|at| Change::MessageAppended(message(at))).collect()).await.unwrap();
    }
    talk.id
}

/// What the message so many places from the end says: its words depend on nothing else.
fn said(from_end: u64) -> Content {
    let words = ["launch", "printers", "bees", "cover", "Lucerne", "deadline", "source", "spring", "board", "proof"];
    let count = 12 + (from_end * 7 % 45);
    let text: Vec<&str> = (0..count).map(|i| words[((from_end * 31 + i * 17) % 10) as usize]).collect();
    Content::said(text.join(" "))
}
