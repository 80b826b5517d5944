//! The table of commands.

use crossterm::event::KeyCode;

use super::key::Key;
use super::when::When;
use crate::tui::pane::id::{PaneId, panes};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The command this row describes.
    pub command: Command,
    /// Name in the palette and in hints, three words at most.
    pub title: &'static str,
    /// Description in the imperative, without a full stop.
    pub doc: &'static str,
    /// Keys, the displayed one first.
    pub keys: &'static [Key],
    /// Additional keys that apply in panes only, where no text is typed.
    pub pane_keys: &'static [Key],
    /// Contexts in which the command applies.
    pub when: When,
}

macro_rules! commands {
    ($($part:ident { $($command:ident: $when:expr, [$($key:expr),* $(,)?] $(+ [$($pane:expr),*])?,
        $title:literal, $doc:literal;)* })*) => {
        /// A command of the workbench.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[doc = $doc] $command,)*)*
            /// Moves the focus to a pane.
            Focus(PaneId),
        }

        $(const $part: &[Entry] = &[
            $(Entry {
                command: Command::$command,
                title: $title,
                doc: $doc,
                keys: &[$($key),*],
                pane_keys: &[$($($pane),*)?],
                when: $when,
            },)*
        ];)*
    };
}

macro_rules! pane_commands {
    ($($(#[cfg($cfg:meta)])? $id:ident: $file:ident::$type:ident, $name:literal, $slot:ident, $goes:literal;)*) => {
        const PANES: &[Entry] = &[
            $($(#[cfg($cfg)])? Entry {
                command: Command::Focus(PaneId::$id),
                title: PaneId::$id.noun(),
                doc: $goes,
                keys: &[Key::alt(KeyCode::Char(PaneId::$id.digit()))],
                pane_keys: &[Key::char(PaneId::$id.digit())],
                when: When::OUTSIDE,
            },)*
        ];
    };
}

panes!(pane_commands);

/// All commands, in display order.
pub const COMMANDS: &[Entry] = &listed();

const fn listed() -> [Entry; FIRST.len() + PANES.len() + REST.len()] {
    let parts = [FIRST, PANES, REST];
    let mut all = [FIRST[0]; FIRST.len() + PANES.len() + REST.len()];
    let (mut part, mut to) = (0, 0);
    while part < parts.len() {
        let mut at = 0;
        while at < parts[part].len() {
            all[to] = parts[part][at];
            (at, to) = (at + 1, to + 1);
        }
        part += 1;
    }
    all
}

const LISTS: When = When::PANES.or(When::DIALOG).or(When::MERGE).or(When::JOB).or(When::CALL).or(When::LETTER);
/// Contexts in which a call that awaits approval can be decided.
const DECIDING: When = When::INBOX.or(When::CONVERSATION).or(When::CALL);

commands! {
FIRST {
    Send: When::COMPOSER, [Key::code(KeyCode::Enter)], "send",
        "Send the message; `@name` at its start addresses only that agent";
    NewLine: When::COMPOSER, [Key::ctrl('j'), Key::alt(KeyCode::Enter)], "new line", "Start a new line";
    LeaveComposer: When::COMPOSER, [Key::code(KeyCode::Esc)], "panes", "Leave the composer for the panes";
    Compose: When::PANES, [Key::char('i')], "write", "Return to the composer";
    Editor: When::COMPOSER.or(When::PANES).or(When::EDITOR).or(When::FORM), [Key::ctrl('g')], "$EDITOR",
        "Open the message, block or form text in `$EDITOR`";
    NextPane: When::COMPOSER.or(When::PANES), [Key::code(KeyCode::Tab)], "panes",
        "Go to the next pane; after `@na` in the composer, complete the name";
    PreviousPane: When::COMPOSER.or(When::PANES), [Key::code(KeyCode::BackTab)], "previous pane",
        "Go to the previous pane";
}
REST {
    Zoom: When::PANES, [Key::char('z')], "zoom", "Enlarge the pane to the whole screen, or restore it";

    Up: LISTS.or(When::FORM), [Key::code(KeyCode::Up), Key::char('k')], "up", "Go up";
    Down: LISTS.or(When::FORM), [Key::code(KeyCode::Down), Key::char('j')], "down", "Go down";
    Fold: When::PANES, [Key::code(KeyCode::Left), Key::char('h')], "fold", "Fold the selected item";
    Unfold: When::PANES, [Key::code(KeyCode::Right), Key::char('l')], "unfold", "Unfold the selected item";
    HalfUp: LISTS, [Key::ctrl('u')], "half a page up", "Go up half a page";
    HalfDown: LISTS, [Key::ctrl('d')], "half a page down", "Go down half a page";
    PageUp: LISTS.or(When::COMPOSER), [Key::code(KeyCode::PageUp)], "page up", "Go up a page";
    PageDown: LISTS.or(When::COMPOSER), [Key::code(KeyCode::PageDown)], "page down", "Go down a page";
    Top: LISTS, [Key::char('g'), Key::code(KeyCode::Home)], "top", "Go to the first item";
    End: LISTS, [Key::char('G'), Key::code(KeyCode::End)], "end", "Go to the last item and follow new ones";
    Open: LISTS, [Key::code(KeyCode::Enter)], "open", "Open, fold or choose the selected item";
    Search: When::CONVERSATION, [Key::char('/')], "search", "Search the messages";
    NextMatch: When::CONVERSATION, [Key::char('n')], "next match", "Go to the next match";
    PreviousMatch: When::CONVERSATION, [Key::char('N')], "previous match", "Go to the previous match";
    KeepSearch: When::SEARCH, [Key::code(KeyCode::Enter)], "keep", "Keep the search and leave the search line";
    DropSearch: When::SEARCH, [Key::code(KeyCode::Esc)], "leave", "Drop the search and return";
    Back: When::PANES, [Key::code(KeyCode::Esc)], "back", "Close the open item, end the search or the zoom";
    Earlier: When::CONVERSATION.or(When::BLOCKS), [Key::char('[')], "earlier",
        "Go to the previous turn; for a block, to the previous version";
    Later: When::CONVERSATION.or(When::BLOCKS), [Key::char(']')], "later",
        "Go to the next turn; for a block, to the next version";

    Copy: When::PANES, [Key::char('y')], "copy", "Copy the selected message, block, job, call or mail";
    CopyCode: When::CONVERSATION, [Key::char('Y')], "copy code", "Copy the code fence under the cursor line";
    Edit: When::CONVERSATION.or(When::BLOCKS), [Key::char('e')], "edit",
        "Edit the block in place; in the conversation, put your message back into the composer";
    Cancel: When::CONVERSATION.or(When::JOBS).or(When::JOB), [Key::char('x')], "cancel", "Cancel the reply or the job";
    Retry: When::CONVERSATION.or(When::JOBS).or(When::JOB), [Key::char('r')], "retry",
        "Run the job again; in the conversation, send your last message again";
    RunNow: When::ROSTER.or(When::JOBS), [Key::char('R')], "run now", "Make the background agent work now";
    Undo: When::BLOCKS.or(When::JOBS).or(When::JOB), [Key::char('u')], "undo",
        "Restore the block's previous value; for a job, undo all its edits";
    SetModel: When::ROSTER, [Key::char('m')], "model", "Set the agent's model";
    NewAgent: When::ROSTER, [Key::char('n')], "new agent", "Create an agent in the selected group with a form";
    NewGroup: When::ROSTER, [Key::char('N')], "new group", "Create a group with a form";
    EditSelected: When::ROSTER, [Key::char('e')], "edit selected", "Edit the selected group or agent in a form";
    AddMember: When::ROSTER, [Key::char('+')], "add member", "Add a member to the selected group";
    RemoveMember: When::ROSTER, [Key::char('-')], "remove member", "Remove the selected agent from its group; asks first";
    Delete: When::ROSTER, [Key::char('D')], "delete",
        "Delete the selected group or agent; shows first what is deleted with it";
    Save: When::EDITOR.or(When::FORM), [Key::ctrl('s')], "save",
        "Save the block, merging with edits made meanwhile; save the form";
    LeaveEditor: When::EDITOR.or(When::FORM), [Key::code(KeyCode::Esc)], "leave",
        "Leave the block or the form; asks if there are changes";

    NextField: When::FORM, [Key::code(KeyCode::Tab), Key::code(KeyCode::Enter)], "next field", "Go to the next field";
    PreviousField: When::FORM, [Key::code(KeyCode::BackTab)], "previous field", "Go to the previous field";
    RemoveName: When::FORM, [Key::ctrl('x')], "remove", "Remove the name under the caret from the list";
    MoveUp: When::FORM, [Key::alt(KeyCode::Up)], "move up", "Move the name under the caret up";
    MoveDown: When::FORM, [Key::alt(KeyCode::Down)], "move down", "Move the name under the caret down";
    Approve: DECIDING, [Key::char('a')], "approve", "Approve the call";
    ApproveRun: DECIDING, [Key::char('A')], "approve for run",
        "Approve the call, and this tool for the rest of the run";
    Deny: DECIDING, [Key::char('d')], "deny", "Deny the call, with an optional reason for the agent";
    WriteMail: When::ROSTER.or(When::MAIL), [Key::char('w')], "write mail", "Write mail to the selected agent";
    Answer: When::MAIL.or(When::LETTER), [Key::char('r')], "answer", "Answer the mail";
    Filter: When::MAIL, [Key::char('f')], "filter", "Show only the mail of the selected agent, or all mail again";

    Theirs: When::MERGE, [Key::char('t')], "theirs", "Take their side of the conflict";
    Yours: When::MERGE, [Key::char('y')], "yours", "Take your side of the conflict";
    Both: When::MERGE, [Key::char('b')], "both", "Take both sides of the conflict";
    EditPiece: When::MERGE, [Key::char('e')], "edit", "Edit the result by hand";
    UndoPiece: When::MERGE, [Key::char('u')], "undo", "Reopen the last resolved conflict";
    Close: When::DIALOG.or(When::MERGE).or(When::JOB).or(When::CALL).or(When::LETTER), [Key::code(KeyCode::Esc)], "close", "Close the dialog";

    Palette: When::ANYWHERE, [Key::ctrl('p')] + [Key::char(':')], "commands", "List all commands";
    Help: When::ANYWHERE, [Key::f(1)] + [Key::char('?')], "help", "Show the commands and keys that apply here";
    Models: When::ANYWHERE, [Key::f(2)], "models", "Connect a language model";
    Interrupt: When::ANYWHERE, [Key::ctrl('c')], "cancel or quit", "Cancel the running reply, else ask to quit";
    Suspend: When::ANYWHERE, [Key::ctrl('z')], "suspend", "Suspend the workbench; `fg` brings it back";
}
}
