//! Which files a source reads, and when it looks at them.

use std::borrow::Borrow;

use globset::{GlobBuilder, GlobMatcher};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::schedule::Hours;
use crate::domain::{AgentId, GroupId};

/// Files of a folder whose new text is the input of jobs. It has no folder of its own to resolve against: its path is
/// absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The folder, without wildcards. Nothing outside it is read.
    pub folder: String,
    /// Which files below the folder, as a pattern; `None` means all files directly in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The time between two looks, in seconds; `None` means a look when the system tells of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u32>,
    /// The hours in which it looks; `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Hours>,
    /// The time zone of these hours; `None` means UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// The characters that make a pattern of a part of a path.
const WILD: [char; 8] = ['*', '?', '[', ']', '{', '}', '\\', '!'];

impl Source {
    /// The name of this kind of trigger, by which all of them are looked up.
    pub const KEY: &str = "source";
    /// The time between two looks of one that waits for the system to tell of a change, in seconds: it may not tell.
    pub const FALLBACK: u32 = 600;

    /// The files that an absolute pattern names, looked at when the system tells of a change.
    ///
    /// # Errors
    /// A sentence: what is wrong with the pattern.
    pub fn of_file(text: &str) -> Result<Self, String> {
        let parts = parts("file", text)?;
        let Some((last, before)) = parts.split_last() else { return Err("file is a folder; write folder".to_owned()) };
        let literal: Vec<String> = before.iter().map_while(|part| plain(part)).collect();
        let below: Vec<&str> = parts[literal.len()..].to_vec();
        if below.iter().any(|part| plain(part).as_deref().unwrap_or(part).starts_with('.')) {
            return Err(format!("file {text:?} names hidden files, which are not read"));
        }
        if last.is_empty() || text.ends_with('/') {
            return Err(format!("file {text:?} names no file; write folder for all files of a folder"));
        }
        let pattern = below.join("/");
        glob(&pattern).map_err(|why| format!("file {text:?} is no pattern of files: {why}"))?;
        Ok(Self { pattern: Some(pattern), ..Self::of(&literal) })
    }

    /// All files directly in an absolute folder, looked at when the system tells of a change.
    ///
    /// # Errors
    /// A sentence: what is wrong with the path.
    pub fn of_folder(text: &str) -> Result<Self, String> {
        Ok(Self::of(&parts("folder", text)?))
    }

    fn of<S: Borrow<str>>(folder: &[S]) -> Self {
        let folder = format!("/{}", folder.join("/"));
        Self { folder, pattern: None, every: None, between: None, zone: None }
    }

    /// The path as it is written: its key in a team file, and the value.
    #[must_use]
    pub fn written(&self) -> (&'static str, String) {
        match &self.pattern {
            None => ("folder", self.folder.clone()),
            Some(pattern) => ("file", format!("{}/{pattern}", globset::escape(self.folder.trim_end_matches('/')))),
        }
    }

    /// Whether a path below the folder, such as `2026/a.md`, is one of its files. A hidden one never is.
    pub fn matcher(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static {
        // A row of another version can hold a pattern that this one cannot read: no file matches it.
        let glob = self.pattern.as_ref().map(|pattern| glob(pattern).ok());
        move |path: &str| {
            let hidden = path.split('/').any(|part| part.starts_with('.'));
            let found = match &glob {
                None => !path.contains('/'),
                Some(glob) => glob.as_ref().is_some_and(|glob| glob.is_match(path)),
            };
            found && !hidden
        }
    }

    /// Whether its files may lie in folders below its folder.
    #[must_use]
    pub fn is_deep(&self) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.contains('/') || pattern.contains("**"))
    }

    /// Its short name: `notes/*.md`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.pattern {
            None => self.name_of(""),
            Some(pattern) => self.name_of(pattern),
        }
    }

    /// The short name of a file below its folder: `notes/a.md`.
    #[must_use]
    pub fn name_of(&self, path: &str) -> String {
        let folder = self.folder.rsplit('/').next().unwrap_or_default();
        if path.is_empty() { format!("{folder}/") } else { format!("{folder}/{path}") }
    }

    /// Under which its marks are kept: a source of the same files for the same agent goes on where this one stopped.
    #[must_use]
    pub fn reader(&self, group: &GroupId, agent: Option<&AgentId>) -> String {
        let agent = agent.map_or("*", AgentId::as_str);
        let Self { folder, pattern, .. } = self;
        format!("{group} {agent} {folder} {}", pattern.as_deref().unwrap_or_default())
    }

    /// The first moment from `at` on that lies in its hours.
    #[must_use]
    pub fn opening(&self, at: Timestamp) -> Timestamp {
        self.between.map_or(at, |hours| hours.opening(at, self.zone.as_deref().unwrap_or("UTC")))
    }
}

/// The parts of an absolute path.
fn parts<'a>(key: &str, text: &'a str) -> Result<Vec<&'a str>, String> {
    let Some(path) = text.strip_prefix('/') else {
        return Err(format!("{key} {text:?} is no whole path; write one that begins with /, or use a team file"));
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") || text.contains(char::is_control) {
        return Err(format!("{key} {text:?} has a part that leads elsewhere; write the path without it"));
    }
    Ok(parts)
}

/// The part of a path that a part of a pattern stands for, if it is only one: `[x]` stands for `x`.
fn plain(part: &str) -> Option<String> {
    let mut name = String::new();
    let mut signs = part.chars();
    while let Some(sign) = signs.next() {
        if sign == '[' {
            let (Some(one), Some(']')) = (signs.next(), signs.next()) else { return None };
            name.push(one);
        } else if WILD.contains(&sign) && sign != '!' {
            return None;
        } else {
            name.push(sign);
        }
    }
    Some(name)
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| error.kind().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Source {
        Source::of_file(text).unwrap()
    }

    #[test]
    fn a_pattern_is_split_into_its_folder_and_what_it_matches_there_and_written_as_it_is_read() {
        for (text, folder, pattern) in [
            ("/team/notes/*.md", "/team/notes", "*.md"),
            ("/team/journal.md", "/team", "journal.md"),
            ("/team/**/a?.{md,txt}", "/team", "**/a?.{md,txt}"),
            ("/te[[]a[]]m/x*/y.md", "/te[a]m", "x*/y.md"),
            ("/a.md", "/", "a.md"),
        ] {
            let source = files(text);
            assert_eq!((source.folder.as_str(), source.pattern.as_deref()), (folder, Some(pattern)), "{text}");
            assert_eq!(files(&source.written().1), source, "{text}");
        }
        let inbox = Source::of_folder("/team//inbox/./").unwrap();
        assert_eq!((inbox.written(), inbox.name()), (("folder", "/team/inbox".to_owned()), "inbox/".to_owned()));
    }

    #[test]
    fn hidden_files_and_paths_that_lead_elsewhere_are_refused() {
        for (text, said) in [
            ("notes/*.md", "file \"notes/*.md\" is no whole path"),
            ("/team/.env", "file \"/team/.env\" names hidden files"),
            ("/team/*/.git/config", "file \"/team/*/.git/config\" names hidden files"),
            ("/team/*/../../etc/passwd", "file \"/team/*/../../etc/passwd\" has a part that leads elsewhere"),
            ("/team/notes/", "file \"/team/notes/\" names no file"),
            ("/team/[", "file \"/team/[\" is no pattern of files: unclosed character class"),
        ] {
            let refused = Source::of_file(text).unwrap_err();
            assert!(refused.starts_with(said), "{refused}");
        }
    }

    #[test]
    fn a_pattern_matches_files_of_its_folders_and_no_hidden_ones() {
        for (text, path, matches) in [
            ("/t/*.md", "a.md", true),
            ("/t/*.md", "b/a.md", false),
            ("/t/*", ".a.md", false),
            ("/t/**/*.md", "a.md", true),
            ("/t/**/*.md", "b/c/a.md", true),
            ("/t/**/*.md", ".git/a.md", false),
            ("/t/a.md", "b.md", false),
        ] {
            assert_eq!(files(text).matcher()(path), matches, "{text} {path}");
        }
        let inbox = Source::of_folder("/t").unwrap().matcher();
        assert_eq!((inbox("a"), inbox("b/a"), inbox(".a")), (true, false, false));
    }
}
