//! The schema, its migrations, and the check of a file's version.
//!
//! State rows are JSON text in one table per kind; `position` counts them in order of creation. Fields that queries need
//! are generated columns, which are NULL if the JSON is damaged, so that a damaged row is listed with its fault and
//! breaks no query. Insert-only records (messages, steps, calls, revisions) are stored once, in their own tables under their
//! change number; their log entries have no body.

use std::path::{Path, PathBuf};

use super::connection::Sql;
use super::error::sentence;
use super::file::refused;
use super::{StoreError, base, failpoint};
use crate::domain::state::RULES;

/// The `application_id` of a store: `DESK`.
const APPLICATION: i64 = 0x4445_534B;

/// The SQL of each migration. Their number is the version of the schema and of the JSON in it. A released migration
/// never changes: a new row kind or column is a new file and a new line.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    #[cfg(test)]
    include_str!("migrations/sample.sql"),
];

/// The identification of a file.
struct Told {
    application: i64,
    version: usize,
    empty: bool,
}

fn told(sql: &Sql, path: &Path) -> Result<Told, StoreError> {
    let number = |query: &str| sql.conn().query_row(query, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<Told> {
        Ok(Told {
            application: number("PRAGMA application_id")?,
            version: usize::try_from(number("PRAGMA user_version")?).unwrap_or(usize::MAX),
            empty: number("SELECT count(*) FROM sqlite_schema")? == 0,
        })
    };
    read().map_err(|error| refused(path, sentence(&error)))
}

/// The version of the file, 0 for an empty one. Rejects a file that is not a store or is newer than `latest`.
fn accept(told: &Told, latest: usize, path: &Path) -> Result<usize, StoreError> {
    match told {
        Told { application: 0, version: 0, empty: true } => Ok(0),
        Told { application: APPLICATION, version, .. } if *version > latest => Err(refused(
            path,
            format!(
                "it was written by a newer Nightdesk (version {version}, this one knows {latest}); update Nightdesk"
            ),
        )),
        Told { application: APPLICATION, version, .. } if *version > 0 => Ok(*version),
        _ => Err(refused(path, "it is another program's database; give the path of another file")),
    }
}

/// Runs the missing migrations, each in its own transaction. Copies an existing store first.
pub(super) fn migrate(sql: &Sql, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let from = accept(&told(sql, path)?, migrations.len(), path)?;
    let failed = |error: rusqlite::Error| refused(path, sentence(&error));
    sql.conn().query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(failed)?;
    if from > 0 && from < migrations.len() {
        back_up(sql, path, from)?;
    }
    for (at, migration) in migrations.iter().enumerate().skip(from) {
        transaction(sql, path, || step(sql, path, at, migration, migrations.len()))?;
    }
    // No change was logged under older rules since, so they end here.
    if rules(sql, path)?.is_some_and(|rules| rules < RULES) {
        transaction(sql, path, || base::write(sql).map_err(|fault| fault.opening(path)))?;
    }
    Ok(())
}

/// Runs `work` in one transaction.
fn transaction(sql: &Sql, path: &Path, work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let run = |statement| sql.conn().execute_batch(statement).map_err(|error| refused(path, sentence(&error)));
    run("BEGIN IMMEDIATE")?;
    let done = work().and_then(|()| run("COMMIT"));
    if done.is_err() && !sql.conn().is_autocommit() {
        run("ROLLBACK")?;
    }
    done
}

/// The version of the rules of the base; `None` before there is one. Rejects rules newer than this program's.
fn rules(sql: &Sql, path: &Path) -> Result<Option<u32>, StoreError> {
    match base::rules(sql).map_err(|fault| fault.opening(path))? {
        Some(rules) if rules > RULES => Err(refused(
            path,
            format!("it was written by a newer Nightdesk (rules {rules}, this one knows {RULES}); update Nightdesk"),
        )),
        rules => Ok(rules),
    }
}

/// Runs one migration inside its transaction, unless another program has just done it, and makes its result the base.
fn step(sql: &Sql, path: &Path, at: usize, migration: &str, latest: usize) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| refused(path, sentence(&error));
    if accept(&told(sql, path)?, latest, path)? == at {
        sql.conn().execute_batch(migration).map_err(failed)?;
        base::write(sql).map_err(|fault| fault.opening(path))?;
        failpoint::pass(failpoint::MIGRATION);
        sql.conn().pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
        sql.conn().pragma_update(None, "user_version", at + 1).map_err(failed)?;
    }
    Ok(())
}

/// The path of the copy made before a store of this version is upgraded.
fn backup_path(path: &Path, version: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".v{version}"));
    PathBuf::from(name)
}

fn back_up(sql: &Sql, path: &Path, version: usize) -> Result<(), StoreError> {
    let backup = backup_path(path, version);
    let part = backup.with_added_extension("part");
    let failed = |what: String| {
        refused(path, format!("no copy could be made at {} before it is upgraded: {what}", backup.display()))
    };
    // Removes the rest of an interrupted attempt; the empty file gives the copy its permissions.
    let _ = std::fs::remove_file(&part);
    drop(super::file::make(&part)?);
    let target = part.to_str().ok_or_else(|| failed("its name is not UTF-8".to_owned()))?;
    sql.conn().execute("VACUUM INTO ?1", [target]).map_err(|error| failed(sentence(&error)))?;
    std::fs::rename(&part, &backup).map_err(|error| failed(error.to_string()))
}

/// Rejects a file that is not a store, or is one of a newer Nightdesk.
pub(super) fn check(sql: &Sql, path: &Path) -> Result<(), StoreError> {
    match accept(&told(sql, path)?, MIGRATIONS.len(), path)? {
        0 => Err(refused(path, "it is empty; give the path of another file")),
        version if version == MIGRATIONS.len() => rules(sql, path).map(drop),
        _ => Ok(()),
    }
}

/// Rejects a file whose schema or rules are not the current ones.
pub(super) fn verify(sql: &Sql, path: &Path) -> Result<(), StoreError> {
    match accept(&told(sql, path)?, MIGRATIONS.len(), path)? {
        version if version == MIGRATIONS.len() && rules(sql, path)? == Some(RULES) => Ok(()),
        _ => Err(StoreError::Older { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::super::staged::put;
    use super::super::{Options, Store};
    use super::*;
    use crate::domain::MessageQuery;
    use crate::domain::state::{Kind, sample::Sample};

    const LATER: &str = "CREATE TABLE later (a TEXT) STRICT; INSERT INTO later VALUES ('made'); DROP INDEX job_group;";
    const BROKEN: &str = "CREATE TABLE later (a TEXT) STRICT; CREATE nonsense";
    /// The schema of each released version from the second on.
    const SCHEMAS: [(usize, &str); 7] = [
        (2, include_str!("migrations/0002.schema.txt")),
        (3, include_str!("migrations/0003.schema.txt")),
        (4, include_str!("migrations/0004.schema.txt")),
        (5, include_str!("migrations/0005.schema.txt")),
        (6, include_str!("migrations/0006.schema.txt")),
        (7, include_str!("migrations/0007.schema.txt")),
        (8, include_str!("migrations/0008.schema.txt")),
    ];
    const LATEST: usize = MIGRATIONS.len();

    /// All migrations, followed by this one.
    fn and(more: &'static str) -> Vec<&'static str> {
        MIGRATIONS.iter().copied().chain([more]).collect()
    }

    fn writing(path: &Path) -> Sql {
        Sql::writing(path, &Options::default(), &Arc::default()).unwrap()
    }

    fn version(path: &Path) -> (usize, i64) {
        let sql = writing(path);
        let number = |query| sql.conn().query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
        (
            usize::try_from(number("PRAGMA user_version")).unwrap(),
            number("SELECT count(*) FROM sqlite_schema WHERE name = 'later'"),
        )
    }

    fn store() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        drop(Store::open(&path, Options::default()).unwrap());
        (dir, path)
    }

    #[test]
    fn a_new_store_and_one_that_is_up_to_date_are_not_copied() {
        let (dir, path) = store();
        drop(Store::open(&path, Options::default()).unwrap());
        let names = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let files: Vec<String> = std::fs::read_dir(dir.path()).unwrap().map(names).collect();
        assert_eq!(files, ["desk.db"]);
    }

    #[test]
    fn an_older_store_is_copied_and_upgraded_and_the_older_program_refuses_it() {
        let (_dir, path) = store();
        migrate(&writing(&path), &path, &and(LATER)).unwrap();
        assert_eq!(version(&path), (LATEST + 1, 1));
        let backup = backup_path(&path, MIGRATIONS.len());
        assert_eq!(version(&backup), (LATEST, 0), "the copy is the store as it was");
        assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
        migrate(&writing(&path), &path, &and(LATER)).unwrap();
        let refusal = Store::open(&path, Options::default()).unwrap_err().to_string();
        let newer = format!("newer Nightdesk (version {}, this one knows {LATEST})", LATEST + 1);
        assert!(refusal.contains(&newer), "{refusal}");
        drop(Store::open(&backup, Options::default()).unwrap());
    }

    #[test]
    fn f13_a_migration_that_fails_leaves_the_old_store() {
        let (_dir, path) = store();
        let refusal = migrate(&writing(&path), &path, &and(BROKEN)).unwrap_err().to_string();
        assert!(refusal.starts_with("opening the store "), "{refusal}");
        assert_eq!(version(&path), (LATEST, 0));
        drop(Store::open(&path, Options::default()).unwrap());
    }

    /// Not a test: the program that is killed in the middle of an upgrade.
    #[test]
    fn role_upgrader() {
        let Some(path) = std::env::var_os("NIGHTDESK_TEST_UPGRADE") else { return };
        let path = PathBuf::from(path);
        migrate(&writing(&path), &path, &and(LATER)).unwrap();
    }

    #[test]
    fn f13_killed_half_way_through_a_migration_the_store_is_old_and_can_be_upgraded_again() {
        // Of every version, each is killed in one of the steps of its upgrade.
        let steps = |from| (1..=LATEST + 1 - from).map(move |step| (from, step));
        for (from, step) in (1..=LATEST).flat_map(steps) {
            let (_dir, path) = released(from);
            let killed = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["store::schema::tests::role_upgrader", "--exact"])
                .env("NIGHTDESK_TEST_UPGRADE", &path)
                .env(failpoint::VARIABLE, format!("{}:{step}", failpoint::MIGRATION))
                .output()
                .unwrap();
            assert!(!killed.status.success(), "it was not killed");
            assert_eq!(version(&path), (from + step - 1, 0));
            assert_eq!(version(&backup_path(&path, from)), (from, 0));
            migrate(&writing(&path), &path, &and(LATER)).unwrap();
            assert_eq!(version(&path), (LATEST + 1, 1));
        }
    }

    #[test]
    fn two_programs_that_make_one_store_at_once_both_open_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("desk.db");
        std::thread::scope(|scope| {
            let open = || Store::open(&path, Options::default()).map(drop);
            let both = [scope.spawn(open), scope.spawn(open)];
            for one in both {
                one.join().unwrap().unwrap();
            }
        });
    }

    /// A store as the program of this version creates it.
    fn released(version: usize) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        drop(super::super::file::make(&path).unwrap());
        migrate(&writing(&path), &path, &MIGRATIONS[..version]).unwrap();
        (dir, path)
    }

    fn schema(path: &Path) -> String {
        let sql = writing(path);
        let query = "SELECT type || '|' || name || '|' || tbl_name || '|' || ifnull(sql, '') FROM sqlite_schema \
                     ORDER BY rowid";
        let lines = sql.list(query, [], |row| row.get::<_, String>(0)).unwrap();
        lines.into_iter().map(|line| line + "\n").collect()
    }

    #[test]
    fn the_released_migrations_make_the_schema_they_always_made() {
        for (version, text) in SCHEMAS {
            let (_dir, path) = released(version);
            assert_eq!(schema(&path), text, "version {version}");
        }
    }

    #[test]
    fn every_kind_of_row_has_its_table() {
        let (_dir, path) = store();
        let sql = writing(&path);
        for kind in Kind::ALL {
            let columns = format!("SELECT count(*) FROM pragma_table_info('{}') WHERE name IN ", kind.table());
            let columns = columns + "('position', 'key', 'lookup', 'body')";
            let found: i64 = sql.conn().query_row(&columns, [], |row| row.get(0)).unwrap();
            assert_eq!(found, 4, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn the_texts_of_an_older_store_are_found_after_its_upgrade() {
        let (_dir, path) = released(2);
        let old = writing(&path);
        for (n, body) in [
            (1, r#"{"kind":"text","text":"the launch"}"#),
            (2, r#"{"kind":"text","text":"私の記憶"}"#),
            (3, r#"{"kind":"notice","notice":"error","text":"no launch"}"#),
            (4, "damaged"),
        ] {
            let change = "INSERT INTO changes VALUES (?1, 'message_appended', 'x', '\"engine\"', ?2, NULL, NULL)";
            old.run(change, (n, "2026-05-01T09:00:00Z")).unwrap();
            let message =
                "INSERT INTO message (n, id, conversation, seq, name, body) VALUES (?1, 'm', 'talk', ?1, '', ?2)";
            old.run(message, (n, body)).unwrap();
        }
        drop(old);
        let opened = Store::open(&path, Options::default()).unwrap();
        for (query, expected) in [("launch", 1), ("記憶", 2), ("憶", 2)] {
            let found =
                opened.background().search(MessageQuery::new(Some("talk".into()), query, 9)).await.unwrap().messages;
            assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), [expected], "{query}");
        }
        assert!(backup_path(&path, 2).exists(), "the store was copied first");
    }

    #[tokio::test]
    async fn a_new_row_kind_with_its_migration_opens_a_new_store_and_an_old_one() {
        let (_dir, new) = store();
        let (_first, first) = released(1);
        let (_second, second) = released(2);
        for path in [new, first, second] {
            let opened = Store::open(&path, Options::default()).unwrap();
            let sample = Sample { key: "a".to_owned(), word: "b".to_owned() };
            put(&writing(&path), &sample);
            assert_eq!(opened.row::<Sample>("a").await.unwrap(), Some(sample.clone()));
            assert_eq!(opened.find::<Sample>("b").await.unwrap(), [sample]);
            let differences = opened.background().verify_replay().await.unwrap().differences;
            assert_eq!(differences, ["sample a is in its table and not in the log"], "the fold looks at it, too");
        }
    }
}
