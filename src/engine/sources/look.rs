//! One look of a source at its files: what is new in them, as much as fits, and where the marks are then.
//!
//! It reads only regular files below the folder of the source, and follows no links, neither to them nor to a folder on
//! the way. It runs on a thread of its own and looks at nothing else.
//!
//! A file is known by its mark: as the same file at the same place, as the same file elsewhere (it was renamed), or as
//! another file at the same place (it was written anew), each time only if what was read before is still its beginning.
//! If so, what follows is new; if not, the whole file is.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::domain::Source;
use crate::domain::trigger::{MarkMove, News, Piece, SourceMark};

/// The most files of a source.
pub const MOST_FILES: usize = 256;
/// The most entries of folders that a look lists.
const MOST_ENTRIES: usize = 20_000;
/// The deepest folder below the folder of a source.
const DEEPEST: usize = 16;
/// The fingerprint of a longer beginning is that of so many bytes at its start and at its end.
const FINGERPRINT: u64 = 1 << 20;
/// A file whose last change is older than this cannot change again at the same time of its file system.
const SETTLED: Duration = Duration::from_secs(2);

/// What to look at.
pub struct Look {
    /// The source.
    pub source: Source,
    /// Whose marks they are.
    pub reader: String,
    /// The marks as they are now.
    pub marks: Vec<SourceMark>,
    /// The most bytes of new text.
    pub room: usize,
    /// What the look before remembered.
    pub memory: Memory,
    /// When the look ends, with what it has.
    pub until: Instant,
    /// Ends it at once.
    pub stop: CancellationToken,
}

/// What one look remembers for the next; without it, that one only does more work or waits longer for a line.
#[derive(Debug, Default)]
pub struct Memory {
    /// Last lines without an end, by path: where each begins, its length and its fingerprint.
    tails: BTreeMap<String, (u64, usize, String)>,
    /// Files that were read to their end and have not changed for some time, by path.
    quiet: BTreeMap<String, Quiet>,
    /// The last file that was read where not all fitted: the next look begins behind it.
    last: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quiet {
    identity: (u64, u64),
    size: u64,
    modified: (i64, i64),
}

/// What a look found.
#[derive(Debug, Default)]
pub struct Found {
    /// The new text, in the order of the files.
    pub pieces: Vec<Piece>,
    /// The marks that move on.
    pub moves: Vec<MarkMove>,
    /// Files that are gone for so long that their marks are of no use.
    pub forgotten: Vec<String>,
    /// True if there is more than fitted.
    pub more: bool,
    /// True if the last line of a file has no end yet.
    pub unfinished: bool,
    /// What could not be read, as the end of a sentence.
    pub fault: Option<String>,
    /// For the next look.
    pub memory: Memory,
}

/// Whether a mark may be that of a file.
type IsCandidate<'a> = dyn Fn(&Opened, &SourceMark) -> bool + 'a;

/// A file that was opened, and how it was then.
struct Opened {
    path: String,
    file: File,
    quiet: Quiet,
}

impl Look {
    /// Looks at the files.
    pub fn run(mut self) -> Found {
        let mut found = Found { memory: std::mem::take(&mut self.memory), ..Found::default() };
        let folder = match open_folder(&self.source.folder) {
            Ok(folder) => folder,
            Err(why) => return Found { fault: Some(why), ..found },
        };
        let mut listing = Listing { matches: &self.source.matcher(), left: MOST_ENTRIES, paths: BTreeSet::new() };
        let deep = if self.source.is_deep() { DEEPEST } else { 0 };
        let name = self.source.name();
        if let Err(error) = listing.add(&folder, "", deep) {
            found.fault = Some(format!("{name} cannot be listed: {}", plain(&error)));
        } else if listing.left == 0 {
            found.fault = Some(format!("{name} has more than {MOST_ENTRIES} entries; name fewer files"));
        } else if listing.paths.len() > MOST_FILES {
            let count = listing.paths.len();
            found.fault = Some(format!("{name} has {count} files, of which the first {MOST_FILES} are read"));
        }
        let paths: Vec<String> = listing.paths.into_iter().take(MOST_FILES).collect();
        self.forget(&mut found, &paths);
        let mut known = self.known(&mut found, &folder, paths);
        // Behind the last one that was read, so that a file that always grows does not keep others waiting.
        if let Some(last) = found.memory.last.take() {
            let at = known.iter().position(|(file, _)| file.path > last).unwrap_or(0);
            known.rotate_left(at);
        }
        for (file, mark) in known {
            if let Err(error) = self.read(&mut found, &file, mark) {
                let name = self.source.name_of(&file.path);
                found.fault.get_or_insert_with(|| format!("{name} cannot be read: {}", plain(&error)));
            }
        }
        if !found.more {
            found.memory.last = None;
        }
        found
    }

    fn is_over(&self) -> bool {
        self.stop.is_cancelled() || Instant::now() >= self.until
    }

    /// Keeps the marks of files that are gone, which often come back, up to a limit.
    fn forget(&self, found: &mut Found, paths: &[String]) {
        let gone: Vec<&SourceMark> = self.marks.iter().filter(|mark| !paths.contains(&mark.path)).collect();
        let surplus = gone.len().saturating_sub(MOST_FILES);
        found.forgotten = gone[..surplus].iter().map(|mark| mark.path.clone()).collect();
        found.memory.tails.retain(|path, _| paths.contains(path));
        found.memory.quiet.retain(|path, _| paths.contains(path));
    }

    /// Opens the files and finds the mark of each, with whether what was read is still its beginning. Files in which
    /// nothing can be new are left out.
    fn known(
        &self,
        found: &mut Found,
        folder: &OwnedFd,
        paths: Vec<String>,
    ) -> Vec<(Opened, Option<(SourceMark, bool)>)> {
        let mut marks: Vec<&SourceMark> =
            self.marks.iter().filter(|mark| !found.forgotten.contains(&mark.path)).collect();
        let mut files = Vec::new();
        for path in paths {
            if self.is_over() {
                found.more = true;
                break;
            }
            match open_below(folder, &path) {
                Ok(Some((file, quiet))) => files.push(Opened { path, file, quiet }),
                Ok(None) => {}
                Err(error) => {
                    let name = self.source.name_of(&path);
                    found.fault.get_or_insert_with(|| format!("{name} cannot be read: {}", plain(&error)));
                }
            }
        }
        let mut known = Vec::new();
        // A file that has not changed since it was read to its end is at its mark.
        files.retain(|file| {
            let at = marks.iter().position(|mark| mark.path == file.path && mark.offset == file.quiet.size);
            match at.filter(|_| found.memory.quiet.get(&file.path) == Some(&file.quiet)) {
                Some(at) => {
                    marks.remove(at);
                    false
                }
                None => true,
            }
        });
        let same_file = |file: &Opened, mark: &SourceMark| (mark.device, mark.inode) == file.quiet.identity;
        let same_place = |file: &Opened, mark: &SourceMark| mark.path == file.path;
        let ways: [&IsCandidate<'_>; 3] =
            [&|file, mark| same_file(file, mark) && same_place(file, mark), &same_file, &same_place];
        for is_candidate in ways {
            let mut rest = Vec::new();
            for file in files {
                if self.is_over() {
                    found.more = true;
                    return known;
                }
                let begins = |mark: &SourceMark| {
                    mark.offset <= file.quiet.size
                        && fingerprint(&file.file, mark.offset).is_ok_and(|hash| hash == mark.hash)
                };
                match marks.iter().position(|mark| is_candidate(&file, mark) && begins(mark)) {
                    Some(at) => known.push((file, Some((marks.remove(at).clone(), true)))),
                    None => rest.push(file),
                }
            }
            files = rest;
        }
        for file in files {
            let at = marks.iter().position(|mark| mark.path == file.path);
            let mark = at.map(|at| (marks.remove(at).clone(), false));
            known.push((file, mark));
        }
        known.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
        known
    }

    /// Reads what is new in a file, as far as there is room.
    fn read(&self, found: &mut Found, file: &Opened, mark: Option<(SourceMark, bool)>) -> io::Result<()> {
        let (start, news) = match &mark {
            Some((mark, true)) => (mark.offset, News::Lines),
            Some((_, false)) => (0, News::Changed),
            None => (0, News::File),
        };
        let used: usize = found.pieces.iter().map(|piece| piece.text.len()).sum();
        let room = Some(self.room.saturating_sub(used)).filter(|room| *room >= char::MAX.len_utf8()).unwrap_or(0);
        let moved = mark.as_ref().is_some_and(|(mark, _)| mark.path != file.path);
        let mut end = start;
        if start < file.quiet.size && (room == 0 || self.is_over()) {
            found.more = true;
        } else if start < file.quiet.size {
            let size = usize::try_from(file.quiet.size - start).unwrap_or(usize::MAX);
            let mut bytes = vec![0; size.min(room)];
            file.file.read_exact_at(&mut bytes, start)?;
            let (taken, text) = whole_lines(found, file, start, &bytes, (size, room));
            if taken > 0 {
                end = start + taken as u64;
                found.memory.last = Some(file.path.clone());
                let file = self.source.name_of(&file.path);
                found.pieces.push(Piece { file, news, text });
            }
        }
        if end > start || moved {
            let (device, inode) = file.quiet.identity;
            let hash = fingerprint(&file.file, end)?;
            let to =
                SourceMark { reader: self.reader.clone(), path: file.path.clone(), offset: end, hash, device, inode };
            found.moves.push(MarkMove { from: mark.map(|(mark, _)| (mark.path, mark.offset)), to });
        }
        if end == file.quiet.size && is_settled(file.quiet.modified.0) {
            found.memory.quiet.insert(file.path.clone(), file.quiet);
        }
        Ok(())
    }
}

/// The text of whole lines, and of how many bytes it is. `size` is that of all that is new in the file, and the text has
/// at most `room` bytes.
fn whole_lines(
    found: &mut Found,
    file: &Opened,
    start: u64,
    bytes: &[u8],
    (size, room): (usize, usize),
) -> (usize, String) {
    let lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut taken = lines;
    if bytes.len() == size && lines < size {
        // The end of the file: a line that has none waits until it has one, or is the same twice.
        let tail = (start + lines as u64, size - lines, hex(&Sha256::digest(&bytes[lines..])));
        if found.memory.tails.get(&file.path) == Some(&tail) {
            found.memory.tails.remove(&file.path);
            taken = size;
        } else {
            found.memory.tails.insert(file.path.clone(), tail);
            found.unfinished = true;
        }
    } else if lines == 0 {
        // A line that is longer than there is room for comes in parts.
        taken = bytes.len();
    }
    let (text, read) = lossy(&bytes[..taken], room, taken == size);
    found.more |= read < size && !(bytes.len() == size && read == lines);
    (read, text)
}

/// Whether a file that was changed at this time, in seconds, cannot change again without another time. Times of files
/// are the system's, whatever clock the engine has.
fn is_settled(modified: i64) -> bool {
    let since = u64::try_from(modified).ok().and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
    since.is_some_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > SETTLED))
}

/// The text of these bytes, with a sign for what is no UTF-8, and of how many bytes it is: it is never longer than
/// `most`. What is cut off at the end of the bytes is left for the next time, unless this is the `end`.
fn lossy(bytes: &[u8], most: usize, end: bool) -> (String, usize) {
    let (mut text, mut read) = (String::new(), 0);
    for chunk in bytes.utf8_chunks() {
        let (valid, invalid) = (chunk.valid(), chunk.invalid());
        if text.len() + valid.len() > most {
            break;
        }
        text.push_str(valid);
        read += valid.len();
        let is_cut = read + invalid.len() == bytes.len() && !end;
        let sign = char::REPLACEMENT_CHARACTER;
        if invalid.is_empty() || is_cut && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
        {
            continue;
        }
        if text.len() + sign.len_utf8() > most.max(sign.len_utf8()) {
            break;
        }
        text.push(sign);
        read += invalid.len();
    }
    (text, read)
}

/// The paths of the files below a folder.
struct Listing<'a> {
    matches: &'a dyn Fn(&str) -> bool,
    /// How many more entries are listed.
    left: usize,
    paths: BTreeSet<String>,
}

impl Listing<'_> {
    fn add(&mut self, folder: &OwnedFd, prefix: &str, deep: usize) -> io::Result<()> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            // A name that is no text of one line cannot be told to anybody.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') || name.contains(char::is_control) {
                continue;
            }
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            let kind = match entry.file_type() {
                FileType::Unknown => match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            let path = format!("{prefix}{name}");
            if kind == FileType::RegularFile && (self.matches)(&path) {
                self.paths.insert(path);
            } else if kind == FileType::Directory && deep > 0 {
                // One that is gone or closed by now has no files to read.
                let Ok(below) = step_into(folder, name, OFlags::RDONLY) else { continue };
                self.add(&below, &format!("{path}/"), deep - 1)?;
            }
        }
        Ok(())
    }
}

/// On the way to a folder, the right to read the folders is not needed.
#[cfg(target_os = "linux")]
const PASSING: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASSING: OFlags = OFlags::RDONLY;

fn step_into(folder: &OwnedFd, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

/// Opens an absolute folder, through no link. The error is the end of a sentence.
fn open_folder(path: &str) -> Result<OwnedFd, String> {
    let open = |path: &str| -> Result<OwnedFd, io::Error> {
        Ok(openat(CWD, path, PASSING | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    };
    let failed = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no folder {path}"),
        io::ErrorKind::NotADirectory if std::path::Path::new(path).is_dir() => {
            format!("{path} leads through a link, which is not followed; name the folder it leads to")
        }
        _ => format!("the folder {path} cannot be opened: {}", plain(error)),
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut folder = open("/").map_err(|error| failed(&error))?;
    for (at, part) in parts.iter().enumerate() {
        let flags = if at + 1 == parts.len() { OFlags::RDONLY } else { PASSING };
        folder = step_into(&folder, part, flags).map_err(|error| failed(&error))?;
    }
    if parts.is_empty() {
        folder = step_into(&folder, ".", OFlags::RDONLY).map_err(|error| failed(&error))?;
    }
    Ok(folder)
}

/// Opens a regular file below a folder, through no link; `None` if it is no longer one. It is never waited for.
fn open_below(folder: &OwnedFd, path: &str) -> io::Result<Option<(File, Quiet)>> {
    let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
    let mut below = folder.try_clone()?;
    for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
        match step_into(&below, part, PASSING) {
            Ok(next) => below = next,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(&below, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) if is_gone(&error.into()) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let meta = file.metadata()?;
    let quiet =
        Quiet { identity: (meta.dev(), meta.ino()), size: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()) };
    Ok(meta.is_file().then_some((file, quiet)))
}

/// True if there is no such file, or a link or something else has taken its place.
fn is_gone(error: &io::Error) -> bool {
    let links = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    links || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The fingerprint of the first `length` bytes of a file.
fn fingerprint(file: &File, length: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(length.to_le_bytes());
    let mut bytes = vec![0; usize::try_from(length.min(FINGERPRINT)).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    hash.update(&bytes);
    if length > FINGERPRINT {
        file.read_exact_at(&mut bytes, length - FINGERPRINT)?;
        hash.update(&bytes);
    }
    Ok(hex(&hash.finalize()))
}

/// The first half of a hash is enough to tell beginnings of a file apart.
fn hex(hash: &[u8]) -> String {
    hash[..hash.len() / 2].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An error of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
