//! What the README shows can be used as it stands. Its keys are looked after by `house.rs`.

use std::path::Path;

use nightdesk::testing::config::{Config, KeySource};
use nightdesk::testing::team_file::{self, ParseContext};

const README: &str = include_str!("../../README.md");

fn between<'a>(from: &str, to: &str) -> &'a str {
    README.split_once(from).unwrap().1.split_once(to).unwrap().0
}

fn toml_after(heading: &str) -> &str {
    README.split_once(heading).unwrap().1.split_once("```toml\n").unwrap().1.split_once("```").unwrap().0
}

#[test]
fn its_team_file_is_one() {
    let read = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let around = ParseContext { file: "README.md", base: Path::new("/"), tools: &[], read: &read, allow_outside: true };
    let file = team_file::parse(toml_after("## A team file"), &around).unwrap();
    assert_eq!((file.agents.len(), file.warnings.as_slice()), (3, &[][..]));
}

#[test]
fn its_configuration_is_one() {
    let config = Config::parse(toml_after("## A real model"), "README.md").unwrap();
    assert!(config.provider.contains_key("local"));
}

#[test]
fn its_two_lines_for_a_server_on_this_machine_are_a_configuration() {
    let lines = toml_after("### Everything on this machine");
    assert_eq!(lines.trim().lines().count(), 2);
    let config = Config::parse(lines, "README.md").unwrap();
    let (provider, _) = config.model.split_once('/').unwrap();
    assert_eq!(config.provider[provider].key, KeySource::None, "it needs no key");
}

#[test]
fn its_picture_is_120_columns_by_40_rows() {
    let picture = between("<!-- screen -->\n```\n", "\n```");
    let rows: Vec<&str> = picture.lines().collect();
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| unicode_width::UnicodeWidthStr::width(*row) <= 120));
}
