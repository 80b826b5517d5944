//! The table itself.

use crossterm::event::KeyCode;

use super::key::Key;
use super::when::When;
use crate::tui::pane::id::{PaneId, panes};

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it does.
    pub command: Command,
    /// Its name in the palette and in hints, two or three words at most.
    pub title: &'static str,
    /// What it does, in a sentence without a full stop.
    pub doc: &'static str,
    /// Its keys, the one shown first.
    pub keys: &'static [Key],
    /// Keys it has besides, only where no text is typed: in panes.
    pub pane_keys: &'static [Key],
    /// Where it applies.
    pub when: When,
}

macro_rules! commands {
    ($($part:ident { $($command:ident: $when:expr, [$($key:expr),* $(,)?] $(+ [$($pane:expr),*])?,
        $title:literal, $doc:literal;)* })*) => {
        /// What there is to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[doc = $doc] $command,)*)*
            /// Gives a pane the focus.
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

/// All commands, in the order they are listed.
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
/// Where a call that waits for the person can be decided on.
const DECIDING: When = When::INBOX.or(When::CONVERSATION).or(When::CALL);

commands! {
FIRST {
    Send: When::COMPOSER, [Key::code(KeyCode::Enter)], "send",
        "Sends the message; `@name` at its start asks only that agent";
    NewLine: When::COMPOSER, [Key::ctrl('j'), Key::alt(KeyCode::Enter)], "new line", "Begins a new line";
    LeaveComposer: When::COMPOSER, [Key::code(KeyCode::Esc)], "panes", "Leaves the composer for the panes";
    Compose: When::PANES, [Key::char('i')], "write", "Returns to the composer";
    Editor: When::COMPOSER.or(When::PANES).or(When::EDITOR).or(When::FORM), [Key::ctrl('g')], "$EDITOR",
        "Opens the message, block or form text in `$EDITOR`";
    NextPane: When::COMPOSER.or(When::PANES), [Key::code(KeyCode::Tab)], "panes",
        "Goes to the next pane; behind `@na` in the composer, completes the name";
    PreviousPane: When::COMPOSER.or(When::PANES), [Key::code(KeyCode::BackTab)], "pane before",
        "Goes to the pane before";
}
REST {
    Zoom: When::PANES, [Key::char('z')], "zoom", "Gives the pane the whole screen, or its place back";

    Up: LISTS.or(When::FORM), [Key::code(KeyCode::Up), Key::char('k')], "up", "Goes up";
    Down: LISTS.or(When::FORM), [Key::code(KeyCode::Down), Key::char('j')], "down", "Goes down";
    Fold: When::PANES, [Key::code(KeyCode::Left), Key::char('h')], "fold", "Folds what is open";
    Unfold: When::PANES, [Key::code(KeyCode::Right), Key::char('l')], "unfold", "Opens what is folded";
    HalfUp: LISTS, [Key::ctrl('u')], "half a page up", "Goes up half a page";
    HalfDown: LISTS, [Key::ctrl('d')], "half a page down", "Goes down half a page";
    PageUp: LISTS.or(When::COMPOSER), [Key::code(KeyCode::PageUp)], "page up", "Goes up a page";
    PageDown: LISTS.or(When::COMPOSER), [Key::code(KeyCode::PageDown)], "page down", "Goes down a page";
    Top: LISTS, [Key::char('g'), Key::code(KeyCode::Home)], "top", "Goes to the first";
    End: LISTS, [Key::char('G'), Key::code(KeyCode::End)], "end", "Goes to the last, and follows what comes";
    Open: LISTS, [Key::code(KeyCode::Enter)], "open", "Opens or folds what is selected, or chooses it";
    Search: When::CONVERSATION, [Key::char('/')], "search", "Searches what was said";
    NextMatch: When::CONVERSATION, [Key::char('n')], "next match", "Goes to the next match";
    PreviousMatch: When::CONVERSATION, [Key::char('N')], "match before", "Goes to the match before";
    KeepSearch: When::SEARCH, [Key::code(KeyCode::Enter)], "keep", "Keeps the search and leaves its line";
    DropSearch: When::SEARCH, [Key::code(KeyCode::Esc)], "leave", "Leaves the search and goes back";
    Back: When::PANES, [Key::code(KeyCode::Esc)], "back", "Closes what is open, ends a search, ends the zoom";
    Earlier: When::CONVERSATION.or(When::BLOCKS), [Key::char('[')], "earlier",
        "Goes to the turn before; for a block, to the version before";
    Later: When::CONVERSATION.or(When::BLOCKS), [Key::char(']')], "later",
        "Goes to the next turn; for a block, to the next version";

    Copy: When::PANES, [Key::char('y')], "copy", "Copies what is selected: message, block, job, call or mail";
    CopyCode: When::CONVERSATION, [Key::char('Y')], "copy code", "Copies the code fence under the cursor line";
    Edit: When::CONVERSATION.or(When::BLOCKS), [Key::char('e')], "edit",
        "Edits the block in place; in the conversation, takes your message back into the composer";
    Cancel: When::CONVERSATION.or(When::JOBS).or(When::JOB), [Key::char('x')], "cancel", "Cancels the reply or the job";
    Retry: When::CONVERSATION.or(When::JOBS).or(When::JOB), [Key::char('r')], "retry",
        "Works the job off again; in the conversation, sends your last message again";
    RunNow: When::ROSTER.or(When::JOBS), [Key::char('R')], "run now", "Makes the background agent work now";
    Undo: When::BLOCKS.or(When::JOBS).or(When::JOB), [Key::char('u')], "undo",
        "Gives the block its value before; for a job, undoes all it did";
    SetModel: When::ROSTER, [Key::char('m')], "model", "Sets the agent's model";
    NewAgent: When::ROSTER, [Key::char('n')], "new agent", "Makes a new agent in the selected group, by a form";
    NewGroup: When::ROSTER, [Key::char('N')], "new group", "Makes a new group, by a form";
    EditSelected: When::ROSTER, [Key::char('e')], "edit selected", "Edits the selected group or agent, by a form";
    AddMember: When::ROSTER, [Key::char('+')], "add member", "Adds a member to the selected group";
    RemoveMember: When::ROSTER, [Key::char('-')], "remove member", "Takes the selected agent out of its group; asks";
    Delete: When::ROSTER, [Key::char('D')], "delete",
        "Deletes the selected group or agent, after showing what goes with it";
    Save: When::EDITOR.or(When::FORM), [Key::ctrl('s')], "save",
        "Saves the block on the version it was opened at; saves the form";
    LeaveEditor: When::EDITOR.or(When::FORM), [Key::code(KeyCode::Esc)], "leave",
        "Leaves the block or the form; with changes, asks";

    NextField: When::FORM, [Key::code(KeyCode::Tab), Key::code(KeyCode::Enter)], "next field", "Goes to the next field";
    PreviousField: When::FORM, [Key::code(KeyCode::BackTab)], "field before", "Goes to the field before";
    RemoveName: When::FORM, [Key::ctrl('x')], "remove", "Takes the name under the caret out of the list";
    MoveUp: When::FORM, [Key::alt(KeyCode::Up)], "move up", "Moves the name under the caret up";
    MoveDown: When::FORM, [Key::alt(KeyCode::Down)], "move down", "Moves the name under the caret down";
    Approve: DECIDING, [Key::char('a')], "approve", "Lets the call that waits run";
    ApproveRun: DECIDING, [Key::char('A')], "approve for run",
        "Lets it run, and this tool in the rest of the run without asking";
    Deny: DECIDING, [Key::char('d')], "deny", "Refuses the call, with a reason for the agent if you like";
    WriteMail: When::ROSTER.or(When::MAIL), [Key::char('w')], "write mail", "Writes mail to the selected agent";
    Answer: When::MAIL.or(When::LETTER), [Key::char('r')], "answer", "Answers the mail";
    Filter: When::MAIL, [Key::char('f')], "filter", "Shows the mail of the selected agent, or all mail again";

    Theirs: When::MERGE, [Key::char('t')], "theirs", "Takes their side of the clash";
    Yours: When::MERGE, [Key::char('y')], "yours", "Takes your side of the clash";
    Both: When::MERGE, [Key::char('b')], "both", "Takes both sides of the clash";
    EditPiece: When::MERGE, [Key::char('e')], "edit", "Edits the piece by hand";
    UndoPiece: When::MERGE, [Key::char('u')], "undo", "Opens the last settled piece again";
    Close: When::DIALOG.or(When::MERGE).or(When::JOB).or(When::CALL).or(When::LETTER), [Key::code(KeyCode::Esc)], "close", "Closes the dialog";

    Palette: When::ANYWHERE, [Key::ctrl('p')] + [Key::char(':')], "commands", "Lists all commands";
    Help: When::ANYWHERE, [Key::f(1)] + [Key::char('?')], "help", "Shows what can be done here, and by which keys";
    Models: When::ANYWHERE, [Key::f(2)], "models", "Connects a language model";
    Interrupt: When::ANYWHERE, [Key::ctrl('c')], "cancel or quit", "Cancels the running reply, else asks to quit";
    Suspend: When::ANYWHERE, [Key::ctrl('z')], "suspend", "Suspends the workbench; `fg` brings it back";
}
}
