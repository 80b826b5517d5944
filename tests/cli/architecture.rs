//! The house keeps its rules: layers, sizes, and a README that is not stale.

use std::path::{Path, PathBuf};

#[path = "cycles.rs"]
mod cycles;

/// Files longer than this ask whether they hold two things.
const MOST_LINES: usize = 600;

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn source() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |path: PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
    sources(&root).into_iter().map(|(path, text)| (name(path), text)).collect()
}

#[test]
fn no_source_file_grows_over_its_bound() {
    let long: Vec<String> = source()
        .iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn every_fault_has_tests_and_they_are_there() {
    let text = include_str!("../../.github/CONTRIBUTING.md");
    let table = text.split_once("### Faults").unwrap().1.split_once("\n### ").unwrap().0;
    for number in 1..=16 {
        assert!(table.contains(&format!("\n| F{number}: ")), "F{number} has no row");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<(PathBuf, String)> = ["src", "tests"].iter().flat_map(|dir| sources(&root.join(dir))).collect();
    let is_there = |module: &str, name: &str| {
        let of_module = files.iter().filter(|(path, _)| path.file_stem().is_some_and(|stem| stem == module));
        of_module.into_iter().any(|(_, text)| text.contains(&format!("fn {name}(")))
    };
    let paths = table.split('`').skip(1).step_by(2).filter(|code| code.contains("::") && !code.starts_with("World"));
    let missing: Vec<&str> = paths
        .filter(|path| {
            let (modules, name) = path.rsplit_once("::").unwrap();
            !is_there(modules.rsplit("::").next().unwrap(), name)
        })
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_crate_is_closed_so_that_rustc_sees_dead_code() {
    let lib = include_str!("../../src/lib.rs");
    let open: Vec<&str> = lib.lines().filter(|line| line.starts_with("pub mod")).collect();
    assert_eq!(open, ["pub mod testing;"], "only main.rs and the tests use the library");
}

#[test]
fn imports_run_downwards_only() {
    // Who may not be named by whom, as (where, what).
    let walls = [
        (
            "domain",
            &[
                "tokio",
                "rusqlite",
                "ratatui",
                "reqwest",
                "crate::store",
                "crate::engine",
                "crate::llm",
                "crate::tui",
                "crate::cli",
                "std::fs",
                "SystemTime::now",
                "Instant::now",
            ][..],
        ),
        ("store", &["crate::engine", "crate::llm", "crate::tools", "crate::tui", "crate::cli"]),
        ("llm", &["rusqlite", "crate::engine", "crate::store", "crate::tui", "crate::cli"]),
        ("tools", &["rusqlite", "crate::engine", "crate::store", "crate::tui", "crate::cli"]),
        ("team_file", &["rusqlite", "crate::engine", "crate::store", "crate::tui", "crate::cli"]),
        ("engine", &["rusqlite", "reqwest::", "ratatui", "crossterm", "crate::tui", "crate::cli"]),
        (
            "tui",
            &["rusqlite", "reqwest::", "crate::store", "crate::llm", "crate::tools", "crate::team_file", "crate::cli"],
        ),
        ("cli", &["rusqlite", "reqwest::", "ratatui", "crossterm", "crate::store"]),
    ];
    let mut broken = Vec::new();
    for (name, text) in source() {
        for (layer, forbidden) in walls {
            if name != format!("{layer}.rs") && !name.starts_with(&format!("{layer}/")) {
                continue;
            }
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                broken.extend(
                    forbidden
                        .iter()
                        .filter(|word| line.contains(**word))
                        .map(|word| format!("{name} names {word}: {}", line.trim())),
                );
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_top_level_is_what_the_map_names() {
    let entries = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let mut shown: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // `target` is what cargo builds; dotfiles and dotfolders are for tools.
    shown.retain(|name| !name.starts_with('.') && name != "target");
    shown.sort();
    let map = ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "fixtures", "src", "tests", "themes"];
    assert_eq!(shown, map);
}

#[test]
fn the_readme_has_the_table_of_commands_as_it_is() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("<!-- keys -->").expect("README has a place for the keys");
    let (table, _) = rest.split_once("<!-- /keys -->").expect("README has an end of the keys");
    assert_eq!(
        table.trim(),
        nightdesk::testing::tui::command::readme_table().trim(),
        "paste the right side into README.md"
    );
}

#[test]
fn the_readme_has_the_tables_of_settings_as_they_are() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("<!-- settings -->").expect("README has a place for the settings");
    let (tables, _) = rest.split_once("<!-- /settings -->").expect("README has an end of the settings");
    assert_eq!(
        tables.trim(),
        nightdesk::testing::cli::setting::readme_tables().trim(),
        "paste the right side into README.md"
    );
}
