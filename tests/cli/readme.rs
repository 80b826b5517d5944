//! What the README shows can be used as it stands. Its keys are looked after by `house.rs`.

use std::path::Path;

use nightdesk::testing::config::Config;
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
    let around = ParseContext { file: "README.md", base: Path::new("/"), tools: &[], read: &read };
    let file = team_file::parse(toml_after("## A team file"), &around).unwrap();
    assert_eq!((file.agents.len(), file.warnings.as_slice()), (3, &[][..]));
}

#[test]
fn its_configuration_is_one() {
    let config = Config::parse(toml_after("## A real model"), "README.md").unwrap();
    assert!(config.provider.contains_key("local"));
}

#[test]
fn its_picture_is_120_columns_by_40_rows() {
    let picture = between("<!-- screen -->\n```\n", "\n```");
    let rows: Vec<&str> = picture.lines().collect();
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| unicode_width::UnicodeWidthStr::width(*row) <= 120));
}
