//! The tail of the log: what followers get from a commit, without reading it back.
//!
//! The writer hands over the entries of a transaction and the rows they left, as soon as they are durable; every
//! follower takes them from here by its cursor. The tail keeps the newest commits only, and none while nobody follows.
//! A follower that is behind it reads pages from the store, until it has caught up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Sql;
use super::error::Fault;
use super::tables::{json_bytes, lossy};
use super::{ReadLane, Store, StoreError, log};
use crate::domain::LogEntry;
use crate::domain::state::Kind;

/// The maximum size of the commits in memory, in bytes of JSON.
const TAIL_BYTES: usize = 1024 * 1024;
/// The maximum size of a page, and of a commit in memory, in bytes of JSON. A page with one entry may be larger.
pub(super) const PAGE_BYTES: usize = 128 * 1024;
/// The maximum number of entries in a page.
const PAGE: usize = 256;

/// A state row as a commit left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowImage {
    /// Its kind; one that is followed.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// The row as JSON text; `None` if it was deleted.
    pub body: Option<String>,
}

/// Consecutive log entries with the rows they touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The entries, in order; never empty.
    pub entries: Vec<LogEntry>,
    /// The touched rows of followed kinds, each once, as of change number `as_of`.
    pub rows: Vec<RowImage>,
    /// The number of the change up to which the rows are current: that of the last entry, or a later one.
    pub as_of: u64,
}

impl Page {
    /// The number of the last entry.
    #[must_use]
    pub fn upto(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.n)
    }

    fn first(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.n)
    }
}

/// The newest commits, shared by the writer and the followers.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    commits: VecDeque<(usize, Arc<Page>)>,
    bytes: usize,
    /// Every entry after `start` up to `end` is in `commits`.
    start: u64,
    end: u64,
    followers: usize,
}

impl Tail {
    /// A tail behind this change number.
    pub(super) fn after(end: u64) -> Self {
        Self(Arc::new(Mutex::new(State { start: end, end, ..State::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while somebody follows: the writer then collects what it writes.
    pub(super) fn is_followed(&self) -> bool {
        self.lock().followers > 0
    }

    /// Adds a durable transaction, whose entries end at `upto`. Without `page`, and where entries of another program lie
    /// between, followers read what is missing from the store.
    pub(super) fn push(&self, page: Option<Page>, upto: u64) {
        let sized = page.map(|page| (size(&page), page)).filter(|(bytes, _)| *bytes <= PAGE_BYTES);
        let mut state = self.lock();
        if let Some((bytes, page)) = sized {
            if page.first() != state.end + 1 {
                state.clear(page.first() - 1);
            }
            state.end = upto;
            state.bytes += bytes;
            state.commits.push_back((bytes, Arc::new(page)));
            while state.bytes > TAIL_BYTES {
                state.drop_oldest();
            }
        } else if upto > state.end {
            state.clear(upto);
        }
    }
}

impl State {
    fn clear(&mut self, end: u64) {
        (self.start, self.end, self.bytes) = (end, end, 0);
        self.commits.clear();
    }

    fn drop_oldest(&mut self) {
        if let Some((bytes, page)) = self.commits.pop_front() {
            self.bytes -= bytes;
            self.start = page.upto();
        }
    }
}

/// A follower's access to the tail. While there is one, the writer keeps commits in memory.
pub struct TailReader(Tail);

impl TailReader {
    /// The first commit after change number `cursor`, if it is in memory. `None` if it has to be read from the store,
    /// or there is none yet.
    #[must_use]
    pub fn next(&self, cursor: u64) -> Option<Arc<Page>> {
        let state = self.0.lock();
        if cursor < state.start {
            return None;
        }
        let at = state.commits.partition_point(|(_, page)| page.first() <= cursor);
        state.commits.get(at).map(|(_, page)| Arc::clone(page)).filter(|page| page.first() == cursor + 1)
    }
}

impl Drop for TailReader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.followers -= 1;
        if state.followers == 0 {
            let end = state.end;
            state.clear(end);
        }
    }
}

impl<L: ReadLane> Store<L> {
    /// Starts to follow the commits of this handle.
    #[must_use]
    pub fn tail(&self) -> TailReader {
        let tail = self.0.tail.clone();
        tail.lock().followers += 1;
        TailReader(tail)
    }

    /// The log entries after change number `after`, at most 256 of them and some 128 KiB with their rows, read in one
    /// snapshot; `None` if there are none. Unreadable rows are in it as they are.
    ///
    /// # Errors
    /// [`StoreError`] if the query fails or an entry is unreadable.
    pub async fn page(&self, after: u64) -> Result<Option<Page>, StoreError> {
        self.read(move |sql| sql.snapshot(|sql| page(sql, after))).await
    }
}

fn page(sql: &Sql, after: u64) -> Result<Option<Page>, Fault> {
    let mut bytes = 0;
    let mut entries = Vec::new();
    log::each_since(sql, after, PAGE, |entry| {
        bytes += json_bytes(&entry);
        let fits = entries.is_empty() || bytes <= PAGE_BYTES;
        if fits {
            entries.push(entry);
        }
        fits
    })?;
    if entries.is_empty() {
        return Ok(None);
    }
    let as_of = log::last(sql)?;
    loop {
        if let Some(rows) = touched(sql, &entries)? {
            return Ok(Some(Page { entries, rows, as_of }));
        }
        entries.truncate(entries.len() / 2);
    }
}

/// The rows that these entries touched; `None` if they are too large together and there is more than one entry.
fn touched(sql: &Sql, entries: &[LogEntry]) -> Result<Option<Vec<RowImage>>, Fault> {
    let touches = entries.iter().flat_map(|entry| entry.change.touches()).filter(|(kind, _)| kind.is_followed());
    let mut found: BTreeMap<(Kind, String), Option<String>> = touches.map(|place| (place, None)).collect();
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, key) in found.keys() {
        wanted.entry(kind.table()).or_default().push(key);
    }
    let wanted = super::tables::json(&wanted)?;
    let followed = || Kind::ALL.iter().filter(|kind| kind.is_followed());
    let parts = followed().enumerate().map(|(at, kind)| {
        let table = kind.table();
        format!(
            "SELECT {at}, {table}.key, body FROM json_each(?1, '$.{table}') AS wanted
             CROSS JOIN {table} ON {table}.key = wanted.value"
        )
    });
    let query = parts.collect::<Vec<_>>().join(" UNION ALL ");
    let kinds: Vec<Kind> = followed().copied().collect();
    let (mut bytes, mut fits) = (0, true);
    sql.each(&query, [wanted], |row| {
        let (at, key, body) = (row.get::<_, usize>(0)?, lossy(row, 1)?, lossy(row, 2)?);
        bytes += body.len();
        fits = bytes <= PAGE_BYTES || entries.len() == 1;
        if let Some(kind) = kinds.get(at) {
            found.insert((*kind, key), Some(body));
        }
        Ok(fits)
    })?;
    let image = |((kind, key), body)| RowImage { kind, key, body };
    Ok(fits.then(|| found.into_iter().map(image).collect()))
}

/// Those of these rows that followers get.
pub(super) fn images<'a>(rows: impl Iterator<Item = (&'a (Kind, String), Option<&'a str>)>) -> Vec<RowImage> {
    let followed = rows.filter(|((kind, _), _)| kind.is_followed());
    followed
        .map(|((kind, key), body)| RowImage { kind: *kind, key: key.clone(), body: body.map(str::to_owned) })
        .collect()
}

fn size(page: &Page) -> usize {
    let rows = page.rows.iter().map(|row| row.key.len() + row.body.as_ref().map_or(0, String::len));
    page.entries.iter().map(json_bytes).sum::<usize>() + rows.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::super::{Lane, Mode, Options};
    use super::*;
    use crate::domain::{Actor, Block, BlockOwner, Change, Commit, Editor};

    fn open(path: &std::path::Path) -> Store {
        Store::open(path, Options { mode: Mode::Inline, ..Options::default() }).unwrap()
    }

    /// Commits a new block with this text in it.
    async fn put(store: &Store, name: &str, text: &str) {
        let block = Block {
            id: format!("block-{name}").as_str().into(),
            label: name.to_owned(),
            description: String::new(),
            value: text.to_owned(),
            limit: u32::MAX,
            read_only: false,
            tags: Vec::new(),
            owner: BlockOwner::Group("group-desk".into()),
            version: 1,
            editor: Editor::File,
            edited_at: jiff::Timestamp::UNIX_EPOCH,
            from_file: None,
            access: Vec::new(),
            local_only: false,
        };
        let commit = Commit::new(Actor::Engine, vec![Change::BlockCreated(block)]);
        store.commit(Lane::Foreground, commit).await.unwrap();
    }

    async fn pages(store: &Store, mut after: u64) -> Vec<Page> {
        let mut pages = Vec::new();
        while let Some(page) = store.page(after).await.unwrap() {
            after = page.upto();
            pages.push(page);
        }
        pages
    }

    #[tokio::test]
    async fn a_commit_is_handed_over_with_the_rows_it_left_and_is_not_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("desk.db"));
        put(&store, "before", "").await;
        let tail = store.tail();
        assert_eq!(tail.next(1), None, "nothing yet");
        for text in ["one", "two"] {
            put(&store, text, text).await;
        }
        let before = store.counters().statements;
        let (one, two) = (tail.next(1).unwrap(), tail.next(2).unwrap());
        assert_eq!((tail.next(0), tail.next(3)), (None, None), "what was before is in the store");
        assert_eq!(store.counters().statements, before);
        assert_eq!(store.page(2).await.unwrap().as_ref(), Some(&*two));
        let text = |page: &Page| page.rows[0].body.clone().unwrap();
        assert!(text(&one).contains("one") && text(&two).contains("two"), "{one:?} {two:?}");
        drop(tail);
        assert_eq!(store.tail().next(1), None, "the last follower's commits go with it");
        put(&store, "three", "").await;
        assert_eq!(store.tail().next(3), None, "while nobody follows, nothing is kept");
    }

    #[tokio::test]
    async fn what_is_not_in_memory_is_read_in_pages_of_bounded_size() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("desk.db"));
        let tail = store.tail();
        let text = "x".repeat(20_000);
        for at in 0..100 {
            put(&store, &format!("g{at}"), &text).await;
        }
        assert!(tail.next(0).is_none() && tail.next(99).is_some(), "the newest are kept");
        put(&store, "large", &"x".repeat(2 * PAGE_BYTES)).await;
        put(&store, "last", "").await;
        assert_eq!((tail.next(0), tail.next(100)), (None, None), "too much to keep, and too large");
        assert_eq!(tail.next(101).unwrap().upto(), 102);
        let pages = pages(&store, 0).await;
        let numbers: Vec<u64> = pages.iter().flat_map(|page| page.entries.iter().map(|entry| entry.n)).collect();
        assert_eq!(numbers, (1..=102).collect::<Vec<_>>());
        for page in &pages {
            assert!(size(page) <= 2 * PAGE_BYTES + 1_000 || page.entries.len() == 1, "{} bytes", size(page));
            assert_eq!((page.as_of, page.rows.len()), (102, page.entries.len()));
        }
    }

    #[tokio::test]
    async fn entries_without_rows_are_read_in_pages_of_bounded_size_too() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("desk.db"));
        let event = Change::EventReported { name: "deploy".to_owned(), text: "x".repeat(20_000), group: None };
        store.commit(Lane::Foreground, Commit::new(Actor::Engine, vec![event; 30])).await.unwrap();
        let pages = pages(&store, 0).await;
        assert!(pages.iter().all(|page| size(page) <= PAGE_BYTES), "{:?}", pages.iter().map(size).collect::<Vec<_>>());
        assert_eq!(pages.iter().map(|page| page.entries.len()).sum::<usize>(), 30);
    }

    #[tokio::test]
    async fn what_another_program_committed_in_between_is_missing_from_no_followers_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        let (store, other) = (open(&path), open(&path));
        let tail = store.tail();
        put(&store, "one", "").await;
        put(&other, "two", "").await;
        put(&store, "three", "").await;
        assert_eq!((tail.next(0), tail.next(1)), (None, None), "it has to be read");
        assert_eq!(tail.next(2).unwrap().upto(), 3);
        assert_eq!(pages(&store, 0).await.last().unwrap().upto(), 3);
    }
}
