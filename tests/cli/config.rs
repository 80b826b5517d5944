//! The configuration file: what is accepted, what each fault is called, and that writing loses nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nightdesk::testing::config::{
    Choice, Config, ConfigError, Glyphs, KeySource, Limits, Paths, Provider, ProviderKind, save_choice, save_provider,
};
use nightdesk::testing::domain::CareTask;

const PLANTED_KEY: &str = "0123456789abcdef";

fn corpus(kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config").join(kind);
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5, "the corpus is there");
    files
}

fn valid(name: &str) -> Config {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/config/valid/{name}.toml"));
    Config::load(&file).unwrap()
}

#[test]
fn every_valid_file_is_accepted() {
    for file in corpus("valid") {
        if let Err(error) = Config::load(&file) {
            panic!("{error}");
        }
    }
}

#[test]
fn every_invalid_file_is_refused_with_the_sentence_it_states() {
    for file in corpus("invalid") {
        let text = fs::read_to_string(&file).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix("# expects ").unwrap();
        let error = Config::parse(&text, "config.toml").unwrap_err().to_string();
        let expected = format!("config.toml:{expected}");
        let matches = if expected.ends_with(':') { error.starts_with(&expected) } else { error == expected };
        assert!(matches, "{}\nexpected {expected}\ngot      {error}", file.display());
    }
}

#[test]
fn a_fault_is_one_line_and_never_quotes_a_key() {
    for file in corpus("invalid") {
        let error = Config::load(&file).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains(PLANTED_KEY), "{said}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn care_has_usual_times_and_a_backup_only_where_one_is_asked_for() {
    let usual = Config::default().care;
    let tasks: Vec<_> = usual.schedules.keys().copied().collect();
    assert_eq!(tasks, [CareTask::Check, CareTask::Retention, CareTask::Index]);
    assert_eq!((usual.keep_backups, usual.keep_completed, usual.keep_failed), (7, 7 * 86_400, 30 * 86_400));
    assert_eq!(Config::parse("[care]", "config.toml").unwrap().care, usual);
    let care = valid("care").care;
    let times: Vec<_> =
        care.schedules.iter().map(|(task, at)| (*task, at.pattern.as_str(), at.zone.as_str())).collect();
    let zone = "Europe/Zurich";
    let expected = [
        (CareTask::Backup, "0 3 * * *", zone),
        (CareTask::Retention, "30 4 * * *", zone),
        (CareTask::Index, "0 5 * * 0", zone),
    ];
    assert_eq!(times, expected);
    assert_eq!((care.keep_backups, care.keep_completed, care.keep_failed), (3, 36 * 3_600, 90 * 86_400));
}

#[test]
fn an_absent_file_is_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::load(&dir.path().join("config.toml")).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!((config.model.as_str(), config.theme.as_str()), ("offline", "terminal"));
}

#[test]
fn a_file_that_cannot_be_read_names_itself() {
    let dir = tempfile::tempdir().unwrap();
    let error = Config::load(dir.path()).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }));
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
}

#[test]
fn a_provider_says_where_its_key_lies_or_takes_the_usual_place() {
    let config = valid("all_kinds");
    let expected = BTreeMap::from([
        ("claude", (ProviderKind::Anthropic, KeySource::Env("ANTHROPIC_API_KEY".into()), None)),
        ("gemini", (ProviderKind::Gemini, KeySource::Env("GEMINI_API_KEY".into()), None)),
        ("ollama", (ProviderKind::Ollama, KeySource::None, Some(2))),
        ("openai", (ProviderKind::OpenAi, KeySource::File("~/.config/nightdesk/openai.key".into()), Some(8))),
        ("openrouter", (ProviderKind::OpenAi, KeySource::Env("OPENROUTER_API_KEY".into()), None)),
    ]);
    let read: BTreeMap<_, _> =
        config.provider.iter().map(|(name, p)| (name.as_str(), (p.kind, p.key.clone(), p.max_parallel))).collect();
    assert_eq!(read, expected);
    assert_eq!(valid("local_server").provider["local"].key, KeySource::None, "a server of one's own wants no key");
}

fn local() -> Provider {
    Provider {
        kind: ProviderKind::OpenAi,
        base_url: Some("http://127.0.0.1:8080/v1".into()),
        key: KeySource::None,
        max_parallel: Some(2),
        limits: Limits::default(),
    }
}

#[test]
fn saving_makes_the_file_and_its_directory_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/config.toml");
    let saved = save_provider(&path, "local", &local(), Some("local/qwen3")).unwrap();
    assert_eq!(saved, Config::load(&path).unwrap());
    assert_eq!(saved.provider["local"], local());
    assert_eq!(saved.model, "local/qwen3");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn saving_keeps_every_comment_and_line_of_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let before = "# my desk\ntheme = \"dark\"   # easy on the eyes\nmodel = \"offline\" # for now\n\n\
                  # the box in the cellar\n[provider.cellar]\nkind = \"ollama\" # old\nbase_url = \"http://10.0.0.9:11434\"\n";
    fs::write(&path, before).unwrap();
    save_provider(&path, "local", &local(), Some("local/qwen3")).unwrap();
    let after = fs::read_to_string(&path).unwrap();
    let expected = before.replace("model = \"offline\"", "model = \"local/qwen3\"")
        + "\n[provider.local]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:8080/v1\"\nmax_parallel = 2\n";
    assert_eq!(after, expected);
}

#[test]
fn saving_a_provider_again_replaces_what_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    save_provider(&path, "local", &local(), None).unwrap();
    let changed = Provider {
        kind: ProviderKind::Anthropic,
        base_url: None,
        key: KeySource::Env("MY_KEY".into()),
        max_parallel: None,
        limits: Limits::default(),
    };
    let config = save_provider(&path, "local", &changed, None).unwrap();
    assert_eq!(config.provider, BTreeMap::from([("local".to_owned(), changed)]));
}

#[test]
fn saving_spells_out_a_provider_written_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, "provider.local = { kind = \"ollama\" } # written in one line\n").unwrap();
    assert_eq!(save_provider(&path, "local", &local(), None).unwrap().provider["local"], local());
}

#[test]
fn a_choice_is_saved_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    save_choice(&path, &Choice::Theme("light".into())).unwrap();
    let config = save_choice(&path, &Choice::Glyphs(Glyphs::Ascii)).unwrap();
    assert_eq!((config.theme.as_str(), config.glyphs), ("light", Glyphs::Ascii));
    assert_eq!(save_choice(&path, &Choice::Model("ollama/qwen3".into())).unwrap().model, "ollama/qwen3");
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, "theme = \"dark\"\n").unwrap();
    assert!(save_choice(&path, &Choice::Model("nobody/knows".into())).is_err());
    assert!(save_provider(&path, "no/name", &local(), None).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "theme = \"dark\"\n");
    fs::write(&path, "theme = dark\n").unwrap();
    assert!(save_choice(&path, &Choice::Theme("light".into())).is_err(), "a wrong file is refused");
    assert_eq!(fs::read_to_string(&path).unwrap(), "theme = dark\n", "and not overwritten");
}

#[test]
fn a_linked_file_stays_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("dotfiles.toml"), dir.path().join("config.toml"));
    fs::write(&real, "theme = \"dark\"\n").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    save_choice(&link, &Choice::Theme("light".into())).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "theme = \"light\"\n");
}

#[test]
fn paths_follow_xdg_and_ignore_relative_values() {
    let env = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    let paths =
        Paths::new(env(&[("HOME", "/home/me"), ("XDG_DATA_HOME", "/data"), ("XDG_STATE_HOME", "state")])).unwrap();
    assert_eq!(paths.config_file(), Path::new("/home/me/.config/nightdesk/config.toml"));
    assert_eq!(paths.store_file(), Path::new("/data/nightdesk/desk.db"));
    assert_eq!(paths.log_dir(), Path::new("/home/me/.local/state/nightdesk/logs"));
    assert_eq!(paths.themes_dir(), Path::new("/home/me/.config/nightdesk/themes"));
    assert!(matches!(Paths::new(env(&[])), Err(ConfigError::NoHome)));
    let without_home = env(&[("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d"), ("XDG_STATE_HOME", "/s")]);
    assert!(Paths::new(without_home).is_ok());
}
