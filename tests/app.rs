//! The workbench without a terminal: keys in, state and effects out, and what the screens show.
//!
//! The screens are snapshots; `cargo insta review`, or `INSTA_UPDATE=always cargo test --test app`, accepts new ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot get fails it")]

/// `insta::assert_snapshot!`, with the files of all modules in one directory.
macro_rules! assert_screen {
    ($($arguments:tt)*) => {
        insta::with_settings!({ snapshot_path => "../snapshots" }, { insta::assert_snapshot!($($arguments)*) })
    };
}

#[path = "support"]
mod support {
    pub mod app_harness;
    pub mod waiting;
}

#[path = "app/block_dialogs.rs"]
mod block_dialogs;
#[path = "app/editor.rs"]
mod editor;
#[path = "app/history.rs"]
mod history;
#[path = "app/screens.rs"]
mod screens;
#[path = "app/screens_care.rs"]
mod screens_care;
#[path = "app/screens_forms.rs"]
mod screens_forms;
#[path = "app/screens_panes.rs"]
mod screens_panes;
#[path = "app/screens_triggers.rs"]
mod screens_triggers;
#[path = "app/screens_waiting.rs"]
mod screens_waiting;
#[path = "app/workbench.rs"]
mod workbench;
#[path = "app/workbench_conversation.rs"]
mod workbench_conversation;
#[path = "app/workbench_forms.rs"]
mod workbench_forms;
#[path = "app/workbench_screen.rs"]
mod workbench_screen;
