//! `apply` by the real program.

use crate::support::shell::Shell;

#[test]
fn files_outside_the_directory_of_a_team_file_are_used_only_with_allow_outside() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path("teams")).unwrap();
    std::fs::write(shell.path("prompt.md"), "Be kind.\n").unwrap();
    let team = shell.path("teams/t.toml").display().to_string();
    let text = "[group]\nname = \"desk\"\nmanager_type = \"round_robin\"\nmembers = [\"ann\"]\n\
                [[agent]]\nname = \"ann\"\nmodel = \"offline\"\nsystem_file = \"../prompt.md\"\n";
    std::fs::write(&team, text).unwrap();
    assert!(shell.refused(&["apply", &team]).contains("to allow that once, apply with --allow-outside"));
    assert!(!shell.store().exists());
    shell.ok(&["apply", &team, "--allow-outside"]);
    assert_eq!(shell.json(&["group", "list", "--json"]).as_array().unwrap().len(), 1);
}
