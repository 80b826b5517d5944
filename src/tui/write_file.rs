//! Writes a text of the workbench to a new file, which only this user can read.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::text_file;

/// Creates a file at a path as typed (`~/` is the home directory) and writes `text` to it. Blocks on file I/O.
///
/// # Errors
/// One sentence on why there is no such file now: something is at this path already, or it cannot be written. No part
/// of the text is left then.
pub fn write_new(path: &str, text: &str) -> Result<(), String> {
    let place = match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    };
    text_file::write_new(&place, text.as_bytes()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{path} exists already; give another name"),
        _ => format!("cannot write {path}: {error}; give another path"),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    fn write(path: &Path, text: &str) -> Result<(), String> {
        write_new(path.to_str().unwrap(), text)
    }

    #[test]
    fn a_new_file_has_the_text_to_the_byte_and_is_for_its_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, text) = (dir.path().join("message.md"), "می\u{200c}خواهم\r\n\tend");
        write(&path, text).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_at_the_path_already_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("mine.md"), dir.path().join("link.md"));
        std::fs::write(&file, "mine").unwrap();
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
        for path in [file.as_path(), &link, dir.path()] {
            let told = write(path, "new").unwrap_err();
            assert_eq!(told, format!("{} exists already; give another name", path.display()));
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        assert!(!dir.path().join("nowhere").exists(), "a link is not followed");
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, locked) = (dir.path().join("no/such/file.md"), dir.path().join("locked"));
        let told = write(&missing, "text").unwrap_err();
        let named = format!("cannot write {}: No such file or directory", missing.display());
        assert!(told.starts_with(&named) && told.ends_with("; give another path"), "{told}");
        assert!(write(Path::new(""), "text").is_err());

        std::fs::create_dir(&locked).unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
        // Root may write everywhere.
        if !rustix::process::geteuid().is_root() {
            let told = write(&locked.join("file.md"), "text").unwrap_err();
            assert!(told.contains("Permission denied") && told.ends_with("; give another path"), "{told}");
        }
    }
}
