//! The real program hands a text to the editor of the environment.

use crate::support::binary::Bench;

#[test]
fn the_editor_gets_the_environment_without_the_variables_that_hold_keys() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    // The name of the text's file follows.
    let editor = format!("env > {}; echo written outside >", seen.display());
    let environment = [
        ("VISUAL", ""),
        ("EDITOR", editor.as_str()),
        ("OPENAI_API_KEY", "usual-0123456789"),
        ("ROUTER_KEY", "named-0123456789"),
        ("ORDINARY", "inherited"),
    ];
    let router =
        "[provider.router]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9/v1\"\nkey_env = \"ROUTER_KEY\"\n";
    let mut bench = Bench::start_with((120, 40), &environment, |dir| {
        let config = dir.join("config/nightdesk");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::write(config.join("config.toml"), router).unwrap();
    });
    // Ctrl-G in the composer.
    bench.meter.type_bytes("\u{7}");
    bench.meter.until_text("written outside");
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("ORDINARY=inherited"), "{seen}");
    assert!(!seen.contains("_KEY=") && !seen.contains("0123456789"), "{seen}");
}
