//! What the tests in `tests/` name, item by item. Not part of the interface.

pub mod cli {
    pub mod setting {
        pub use crate::cli::setting::readme_tables;
    }
}
pub mod config {
    pub use crate::config::{
        Care, Choice, Config, ConfigError, Glyphs, KeySource, Limits, Paths, Provider, ProviderKind, save_choice,
        save_provider,
    };
}
pub mod domain {
    pub use crate::domain::{
        Actor, Agent, AgentId, Basis, Block, BlockId, BlockOwner, Call, CareMark, CareTask, Cause, CauseKind, Change,
        Choice, Commit, Conflict, Content, Conversation, ConversationId, ConversationOwner, Cursor, Editor, Group,
        GroupId, GroupStatus, Ids, Job, JobId, JobOutcome, JobState, LogEntry, Mail, MailId, MailKind, MailStatus,
        ManagerType, Message, MessageId, MessageQuery, NoticeKind, Occurrence, PendingCall, PendingKind, Person,
        PersonId, Precondition, Priority, Reading, RemovedRecord, Revision, RosterEdit, Rule, Run, RunId, RunKind,
        RunState, SearchResult, Sleeptime, Source, SourceMark, Step, StepId, StopReason, Task, TerminationCondition,
        Trigger, TriggerId, TriggerSpec, Value, When, way_back,
    };
    pub mod block {
        pub use crate::domain::block::{AccessRule, DEFAULT_LIMIT, Editor, Grantee, Level};
    }
    pub mod change {
        pub use crate::domain::change::ChangeKind;
    }
    pub mod group {
        pub use crate::domain::group::Sleeptime;
    }
    pub mod job {
        pub use crate::domain::job::JobFault;
    }
    pub mod mail {
        pub use crate::domain::mail::MAX_DEPTH;
    }
    pub mod message {
        pub use crate::domain::message::NoticeKind;
    }
    pub mod run {
        pub use crate::domain::run::{CallResult, PendingKind, RunKind, RunStateName, Task};
    }
    pub mod state {
        pub use crate::domain::state::{
            ApplyError, DeletedBlock, InMemoryRows, Kind, MailRate, Row, RowFault, Rows, StoreMeta, check,
        };
    }
    pub mod text_edit {
        pub use crate::domain::text_edit::UndoClash;
    }
    pub mod trigger {
        pub use crate::domain::trigger::{Hours, MarkMove, Missed, News, Occasion, Piece, Schedule, derived_changes};
    }
}
pub mod engine {
    pub use crate::engine::{Engine, Handle, Options, Scope};
    pub mod connection {
        pub use crate::engine::connection::{Connection, EngineAt, Program};
    }
    pub mod context {
        pub use crate::engine::context::CONTEXT_BYTES;
    }
    pub mod directory {
        pub use crate::engine::directory::Colleagues;
    }
    pub mod handle {
        pub use crate::engine::handle::Subscription;
    }
    pub mod session {
        pub use crate::engine::session::{OpenError, Session};
    }
    pub mod protocol {
        pub use crate::engine::protocol::{
            AgentForm, AuditFilter, AuditKind, Blame, BlameLine, BlockChange, BlockClash, BlockForm, BlockRequest,
            Expired, Filter, GroupForm, JobDetail, JobEdit, LiveUpdate, OnClash, Overview, Phase, Recipient, Reply,
            Request, RequestError, RevisionCause, RowUpdate, SeenBlock, SeenBlocks, Timestamped, Update, Writer,
        };
    }
}
pub mod llm {
    pub use crate::llm::{
        ChatModel, Delta, Done, ErrorClass, KeyState, MemoryBlock, ModelError, Models, Prompt, PromptMessage, Stop,
        ToolCall, ToolSpec, Usage,
    };
    pub mod scripted {
        pub use crate::llm::scripted::Scripted;
    }
}
pub mod store {
    pub use crate::store::{
        Clock, CommitError, FRAME_BYTES, Lane, ManualClock, MessagePage, Mode, Observer, Options, OwnerError, POINTS,
        StepInput, Store, StoreError, StoreLock, Synchronous, SystemClock, VARIABLE,
    };
}
pub mod team_file {
    pub use crate::team_file::{Existing, ParseContext, Plan, TeamError, TeamFile, load, parse, plan, schema, starter};
}
pub mod tools {
    pub use crate::tools::{Directory, Tool, ToolContext, ToolOutcome, ToolRegistry};
}
pub mod tui {
    pub mod app {
        pub use crate::tui::app::App;
        pub mod view {
            pub use crate::tui::app::view::view;
        }
    }
    pub mod command {
        pub use crate::tui::command::{KeyContext, readme_table};
    }
    pub mod effect {
        pub use crate::tui::effect::{Connect, Effect, ExitMode, Msg, RequestId};
    }
    pub mod glyph {
        pub use crate::tui::glyph::{ASCII, GlyphSet, UNICODE};
    }
    pub mod pane {
        pub use crate::tui::pane::{PaneId, RenderContext};
        pub mod conversation {
            pub use crate::tui::pane::conversation::Anchor;
        }
    }
    pub mod term {
        pub use crate::tui::term::{Environment, TermError};
        pub mod input {
            pub use crate::tui::term::input::Input;
        }
        pub mod pacer {
            pub use crate::tui::term::pacer::{FrameIntervals, Pacer};
        }
        pub mod screen {
            pub use crate::tui::term::screen::{Caps, Screen};
        }
        pub mod sequence {
            pub use crate::tui::term::sequence::{Modes, enter, leave};
        }
        pub mod tty {
            pub use crate::tui::term::tty::{Tty, TtyEvent};
        }
    }
    pub mod theme {
        pub use crate::tui::theme::Theme;
    }
}
