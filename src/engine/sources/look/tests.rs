//! What a look finds in real files, step by step.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;

/// A folder with a source, and where its marks are.
struct Folder {
    dir: tempfile::TempDir,
    source: Source,
    marks: Vec<SourceMark>,
    memory: Memory,
    room: usize,
}

impl Folder {
    fn new(pattern: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("notes")).unwrap();
        let source = Source::of_file(&format!("{}/notes/{pattern}", base.display())).unwrap();
        Self { dir, source, marks: Vec::new(), memory: Memory::default(), room: 1_000 }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("notes").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).unwrap();
    }

    fn append(&self, name: &str, text: &str) {
        use std::io::Write as _;
        std::fs::OpenOptions::new().append(true).open(self.at(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn look(&mut self) -> Found {
        let look = Look {
            source: self.source.clone(),
            reader: "me".to_owned(),
            marks: self.marks.clone(),
            room: self.room,
            memory: std::mem::take(&mut self.memory),
            until: Instant::now() + Duration::from_mins(1),
            stop: CancellationToken::new(),
        };
        let mut found = look.run();
        self.memory = std::mem::take(&mut found.memory);
        let gone: Vec<&String> = found
            .moves
            .iter()
            .filter_map(|step| step.from.as_ref().map(|(path, _)| path))
            .chain(&found.forgotten)
            .collect();
        self.marks.retain(|mark| !gone.contains(&&mark.path));
        self.marks.extend(found.moves.iter().map(|step| step.to.clone()));
        found
    }

    /// What is new, after which nothing is.
    fn news(&mut self) -> Vec<(String, News, String)> {
        let found = self.look();
        assert_eq!(found.fault, None);
        let again = self.look();
        assert_eq!((again.pieces, again.moves), (Vec::new(), Vec::new()), "it comes once");
        found.pieces.into_iter().map(|piece| (piece.file, piece.news, piece.text)).collect()
    }
}

fn one(file: &str, news: News, text: &str) -> Vec<(String, News, String)> {
    vec![(format!("notes/{file}"), news, text.to_owned())]
}

#[test]
fn what_is_added_to_a_file_is_new_and_all_of_one_that_was_changed_otherwise() {
    let mut folder = Folder::new("*.md");
    folder.write("a.md", "one\n");
    folder.write("b.txt", "not asked for\n");
    assert_eq!(folder.news(), one("a.md", News::File, "one\n"));
    folder.append("a.md", "two\nthree\n");
    assert_eq!(folder.news(), one("a.md", News::Lines, "two\nthree\n"));
    // In its place, with the same beginning.
    folder.write("a.new", "one\ntwo\nthree\nfour\n");
    std::fs::rename(folder.at("a.new"), folder.at("a.md")).unwrap();
    assert_eq!(folder.news(), one("a.md", News::Lines, "four\n"));
    // In its place, with another beginning, as long and longer.
    folder.write("a.md", "One\ntwo\nthree\nfour\n");
    assert_eq!(folder.news(), one("a.md", News::Changed, "One\ntwo\nthree\nfour\n"));
    folder.write("a.md", "1\n");
    assert_eq!(folder.news(), one("a.md", News::Changed, "1\n"), "it was truncated");
    folder.write("a.md", "");
    assert_eq!(folder.news(), []);
    folder.write("a.md", "1\n2\n");
    assert_eq!(folder.news(), one("a.md", News::Lines, "2\n"), "what it had is known");
}

#[test]
fn a_renamed_file_is_known_and_one_in_its_place_is_new() {
    let mut folder = Folder::new("*");
    folder.write("log", "one\n");
    assert_eq!(folder.news(), one("log", News::File, "one\n"));
    std::fs::rename(folder.at("log"), folder.at("log.1")).unwrap();
    folder.write("log", "two\n");
    folder.append("log.1", "one more\n");
    let mut both = one("log", News::File, "two\n");
    both.extend(one("log.1", News::Lines, "one more\n"));
    assert_eq!(folder.news(), both);
    std::fs::remove_file(folder.at("log.1")).unwrap();
    assert_eq!(folder.news(), []);
    std::fs::hard_link(folder.at("log"), folder.at("other")).unwrap();
    assert_eq!(folder.news(), one("other", News::File, "two\n"), "another name is another file");
}

#[test]
fn a_last_line_without_an_end_waits_until_it_has_one_or_stays_as_it_is() {
    let mut folder = Folder::new("a.md");
    folder.write("a.md", "one\ntw");
    let found = folder.look();
    assert_eq!((found.pieces[0].text.as_str(), found.unfinished, found.more), ("one\n", true, false));
    folder.append("a.md", "o");
    let found = folder.look();
    assert_eq!((found.pieces.len(), found.unfinished), (0, true), "it has grown");
    folder.append("a.md", "\nthree");
    assert_eq!(folder.look().pieces[0].text, "two\n");
    let found = folder.look();
    assert_eq!((found.pieces[0].text.as_str(), found.unfinished), ("three", false), "it stays as it is");
    folder.append("a.md", " and more\n");
    assert_eq!(folder.news(), one("a.md", News::Lines, " and more\n"));
}

#[test]
fn what_does_not_fit_comes_in_the_next_looks_and_no_file_keeps_another_waiting() {
    let mut folder = Folder::new("*");
    folder.room = 100;
    let long = (0..60).map(|line| format!("line {line} é\n")).collect::<Vec<_>>().concat();
    folder.write("a", &long);
    folder.write("b", &format!("{}\n", "é".repeat(150)));
    let (mut read, mut looks) = ([String::new(), String::new()], 0);
    loop {
        let found = folder.look();
        let size: usize = found.pieces.iter().map(|piece| piece.text.len()).sum();
        assert!(size <= 100, "{size}");
        assert!(size > 0 || !found.more, "each look reads something");
        for piece in &found.pieces {
            read[usize::from(piece.file == "notes/b")].push_str(&piece.text);
        }
        looks += 1;
        if looks == 3 {
            assert!(read.iter().all(|text| !text.is_empty()), "both are read in turn");
        }
        if !found.more && !found.unfinished {
            break;
        }
    }
    assert_eq!(read, [long, format!("{}\n", "é".repeat(150))]);
}

#[test]
fn what_is_no_utf8_is_replaced_and_no_longer_than_there_is_room() {
    let mut folder = Folder::new("*");
    std::fs::write(folder.at("a"), b"caf\xe9\n\xff\xfe\n").unwrap();
    assert_eq!(folder.news(), one("a", News::File, "caf\u{fffd}\n\u{fffd}\u{fffd}\n"));
    std::fs::write(folder.at("b"), [0xff; 1_000]).unwrap();
    let (mut count, mut looks) = (0, 0);
    while count < 1_000 {
        let found = folder.look();
        assert!(found.pieces.iter().all(|piece| piece.text.len() <= 1_000), "{found:?}");
        count += found.pieces.iter().map(|piece| piece.text.chars().count()).sum::<usize>();
        looks += 1;
        assert!(looks < 10, "{count}");
    }
    assert_eq!(count, 1_000);
}

#[test]
fn no_link_is_followed_and_nothing_hidden_special_or_outside_is_read() {
    let mut folder = Folder::new("**/*");
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret\n").unwrap();
    symlink(outside.path().join("secret"), folder.at("link")).unwrap();
    symlink(outside.path(), folder.at("folder")).unwrap();
    rustix::fs::mkfifoat(CWD, folder.at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    std::fs::create_dir(folder.at(".git")).unwrap();
    folder.write(".git/config", "hidden\n");
    folder.write(".env", "hidden\n");
    folder.write("two\nlines", "no name\n");
    std::fs::create_dir(folder.at("deep")).unwrap();
    folder.write("deep/a", "one\n");
    assert_eq!(folder.news(), one("deep/a", News::File, "one\n"));
    // A file that is a link by the time it is opened is none.
    let opened = open_folder(&folder.source.folder).unwrap();
    assert!(open_below(&opened, "link").unwrap().is_none());
    assert!(open_below(&opened, "folder/secret").unwrap().is_none());
}

#[test]
fn a_folder_that_is_missing_or_behind_a_link_is_told() {
    let mut folder = Folder::new("*");
    folder.write("a", "one\n");
    assert_eq!(folder.news().len(), 1);
    let (here, there) = (folder.at(""), folder.dir.path().join("moved"));
    std::fs::rename(&here, &there).unwrap();
    let missing = folder.look();
    assert_eq!(missing.fault, Some(format!("there is no folder {}", folder.source.folder)));
    assert_eq!(missing.forgotten, [""; 0], "its marks stay");
    symlink(&there, Path::new(&folder.source.folder)).unwrap();
    let fault = folder.look().fault.unwrap();
    assert!(fault.contains("leads through a link, which is not followed"), "{fault}");
    std::fs::remove_file(&folder.source.folder).unwrap();
    std::fs::rename(&there, &folder.source.folder).unwrap();
    assert_eq!(folder.news(), []);
}

#[test]
fn of_too_many_files_the_first_are_read_and_marks_of_files_that_are_gone_are_kept_up_to_a_limit() {
    let mut folder = Folder::new("*");
    folder.room = 100_000;
    for at in 0..MOST_FILES + 3 {
        folder.write(&format!("{at:03}"), "x\n");
    }
    let found = folder.look();
    assert_eq!(found.pieces.len(), MOST_FILES);
    assert_eq!(found.fault.as_deref(), Some("notes/* has 259 files, of which the first 256 are read"));
    for at in 0..MOST_FILES {
        std::fs::remove_file(folder.at(&format!("{at:03}"))).unwrap();
    }
    assert_eq!(folder.news().len(), 3);
    for at in MOST_FILES..MOST_FILES + 3 {
        std::fs::remove_file(folder.at(&format!("{at:03}"))).unwrap();
    }
    folder.look();
    assert_eq!(folder.marks.len(), MOST_FILES, "the marks of those that are gone are limited");
}

#[test]
fn a_file_at_rest_is_not_read_again() {
    let mut folder = Folder::new("*");
    folder.write("a", "one\n");
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    File::options().write(true).open(folder.at("a")).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(folder.news().len(), 1);
    assert!(folder.memory.quiet.contains_key("a"));
    folder.write("a", "two\n");
    assert_eq!(folder.news(), one("a", News::Changed, "two\n"), "its time tells of the change");
}
