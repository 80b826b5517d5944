//! Checks the themes: the configured one and the user's own files.

use super::{Check, bad, good};
use crate::cli::paths::Paths;
use crate::cli::workbench;
use crate::config::Config;
use crate::tui::term::Environment;

/// Most of the user's theme files that are checked.
const MOST: usize = 100;

/// Loads the configured theme and every other one of the user, as the workbench would.
pub(super) fn checks(places: &Paths, config: &Config, environment: &Environment) -> Vec<Check> {
    let load = |name: &str| workbench::theme(places, name, environment);
    let mut checks = vec![match load(&config.theme) {
        Ok(_) => good("theme", format!("{} can be used", config.theme)),
        Err(fault) => bad("theme", format!("{fault}; the workbench does not start with it")),
    }];
    for name in own_names(places).into_iter().filter(|name| *name != config.theme) {
        if let Err(fault) = load(&name) {
            checks.push(bad(format!("theme {name}"), format!("{fault}; it is not in use")));
        }
    }
    checks
}

/// Returns the names of the user's theme files, sorted.
fn own_names(places: &Paths) -> Vec<String> {
    let Some(dirs) = &places.dirs else { return Vec::new() };
    let entries = std::fs::read_dir(dirs.themes_dir()).into_iter().flatten().filter_map(Result::ok);
    let found = entries.filter_map(|entry| {
        let path = entry.path();
        let is_theme = path.extension().is_some_and(|ending| ending == "toml");
        path.file_stem().filter(|_| is_theme).map(|name| name.to_string_lossy().into_owned())
    });
    let mut names: Vec<String> = found.filter(|name| !name.starts_with('.')).take(MOST).collect();
    names.sort_unstable();
    names
}
