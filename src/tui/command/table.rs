//! The table of commands.

use crossterm::event::KeyCode;

use super::context::KeyContext;
use super::key::Key;
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
    pub when: KeyContext,
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
                when: KeyContext::OUTSIDE,
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

const LISTS: KeyContext = KeyContext::PANES
    .or(KeyContext::DIALOG)
    .or(KeyContext::MERGE)
    .or(KeyContext::JOB)
    .or(KeyContext::CALL)
    .or(KeyContext::LETTER);
/// Contexts in which a call that awaits approval can be decided.
const DECIDING: KeyContext = KeyContext::INBOX.or(KeyContext::CONVERSATION).or(KeyContext::CALL);

commands! {
FIRST {
    Send: KeyContext::COMPOSER, [Key::code(KeyCode::Enter)], "send",
        "Send the message; `@name` at its start addresses only that agent";
    NewLine: KeyContext::COMPOSER, [Key::ctrl('j'), Key::alt(KeyCode::Enter)], "new line", "Start a new line";
    UnfoldPaste: KeyContext::COMPOSER, [Key::ctrl('t')], "unfold paste", "Show the lines of the last folded paste";
    ApproveWaiting: KeyContext::COMPOSER, [Key::ctrl('o')], "approve", "Approve the call at the end of the conversation";
    Latest: KeyContext::COMPOSER, [Key::ctrl('l')], "latest", "Go to the end of the conversation and follow it";
    LeaveComposer: KeyContext::COMPOSER, [Key::code(KeyCode::Esc)], "panes", "Leave the composer for the panes";
    Compose: KeyContext::PANES, [Key::char('i')], "write", "Return to the composer";
    Editor: KeyContext::COMPOSER.or(KeyContext::PANES).or(KeyContext::EDITOR).or(KeyContext::FORM), [Key::ctrl('g')], "$EDITOR",
        "Open the message, block or form text in `$EDITOR`";
    NextPane: KeyContext::COMPOSER.or(KeyContext::PANES), [Key::code(KeyCode::Tab)], "panes",
        "Go to the next pane; after `@na` in the composer, complete the name";
    PreviousPane: KeyContext::COMPOSER.or(KeyContext::PANES), [Key::code(KeyCode::BackTab)], "previous pane",
        "Go to the previous pane";
}
REST {
    Zoom: KeyContext::PANES, [Key::char('z')], "zoom", "Enlarge the pane to the whole screen, or restore it";

    Narrower: KeyContext::PANES, [Key::char('<')], "narrower", "Make the pane narrower";
    Wider: KeyContext::PANES, [Key::char('>')], "wider", "Make the pane wider";
    Lower: KeyContext::PANES, [Key::char('{')], "lower", "Make the pane lower";
    Higher: KeyContext::PANES, [Key::char('}')], "higher", "Make the pane higher";
    EvenSizes: KeyContext::PANES, [Key::char('=')], "usual sizes", "Restore the usual sizes of the panes";

    Up: LISTS.or(KeyContext::FORM), [Key::code(KeyCode::Up), Key::char('k')], "up", "Go up";
    Down: LISTS.or(KeyContext::FORM), [Key::code(KeyCode::Down), Key::char('j')], "down", "Go down";
    Fold: KeyContext::PANES, [Key::code(KeyCode::Left), Key::char('h')], "fold", "Fold the selected item";
    Unfold: KeyContext::PANES, [Key::code(KeyCode::Right), Key::char('l')], "unfold", "Unfold the selected item";
    HalfUp: LISTS, [Key::ctrl('u')], "half a page up", "Go up half a page";
    HalfDown: LISTS, [Key::ctrl('d')], "half a page down", "Go down half a page";
    PageUp: LISTS.or(KeyContext::COMPOSER), [Key::code(KeyCode::PageUp)], "page up", "Go up a page";
    PageDown: LISTS.or(KeyContext::COMPOSER), [Key::code(KeyCode::PageDown)], "page down", "Go down a page";
    Top: LISTS, [Key::char('g'), Key::code(KeyCode::Home)], "top", "Go to the first item";
    End: LISTS, [Key::char('G'), Key::code(KeyCode::End)], "end", "Go to the last item and follow new ones";
    Open: LISTS, [Key::code(KeyCode::Enter)], "open", "Open, fold or choose the selected item";
    Search: KeyContext::CONVERSATION, [Key::char('/')], "search", "Search the messages";
    NextMatch: KeyContext::CONVERSATION, [Key::char('n')], "next match", "Go to the next match";
    PreviousMatch: KeyContext::CONVERSATION, [Key::char('N')], "previous match", "Go to the previous match";
    KeepSearch: KeyContext::SEARCH, [Key::code(KeyCode::Enter)], "keep", "Keep the search and leave the search line";
    DropSearch: KeyContext::SEARCH, [Key::code(KeyCode::Esc)], "leave", "Drop the search and return";
    Back: KeyContext::PANES, [Key::code(KeyCode::Esc)], "back", "Close the open item, end the search or the zoom";
    Earlier: KeyContext::CONVERSATION.or(KeyContext::BLOCKS).or(KeyContext::HISTORY), [Key::char('[')], "earlier",
        "Go to the previous turn; for a block, to the previous version";
    Later: KeyContext::CONVERSATION.or(KeyContext::BLOCKS).or(KeyContext::HISTORY), [Key::char(']')], "later",
        "Go to the next turn; for a block, to the next version";
    Compare: KeyContext::HISTORY, [Key::char('c')], "compare", "Compare the shown version with another one, chosen with `[` and `]`, or end that";
    Sides: KeyContext::HISTORY, [Key::char('s')], "side by side", "Show both versions side by side, from 120 columns, or one below the other";
    WhoWrote: KeyContext::HISTORY, [Key::char('b')], "who wrote", "Show who wrote each line, or the difference again";

    Copy: KeyContext::PANES, [Key::char('y')], "copy", "Copy the selected message, block, job, trigger, call or mail";
    CopyCode: KeyContext::CONVERSATION, [Key::char('Y')], "copy code", "Copy the code fence under the cursor line";
    SaveText: KeyContext::CONVERSATION, [Key::char('s')], "write to file", "Write the selected message to a file; asks for the path";
    Edit: KeyContext::CONVERSATION.or(KeyContext::BLOCKS), [Key::char('e')], "edit",
        "Edit the block in place; in the conversation, put your message back into the composer";
    Cancel: KeyContext::CONVERSATION.or(KeyContext::JOBS).or(KeyContext::JOB), [Key::char('x')], "cancel", "Cancel the reply or the job";
    Retry: KeyContext::CONVERSATION.or(KeyContext::JOBS).or(KeyContext::JOB), [Key::char('r')], "retry",
        "Run the job again; in the conversation, send your last message again; asks first";
    RunNow: KeyContext::ROSTER.or(KeyContext::JOBS), [Key::char('R')], "run now",
        "Make the background agent work now; fire the selected trigger";
    Pause: KeyContext::JOBS, [Key::char('p')], "pause", "Pause the selected trigger, or let it go on";
    Undo: KeyContext::BLOCKS.or(KeyContext::HISTORY).or(KeyContext::JOBS).or(KeyContext::JOB).or(KeyContext::ROSTER), [Key::char('u')], "undo",
        "Restore the block's previous or the shown version; undo all edits of a job, or the last change of agents; asks first";
    UndoAll: KeyContext::HISTORY, [Key::char('U')], "undo job", "Undo all edits of the job that made the shown version";
    SetModel: KeyContext::ROSTER, [Key::char('m')], "model", "Set the agent's model";
    NewAgent: KeyContext::ROSTER, [Key::char('n')], "new agent", "Create an agent in the selected group with a form";
    NewGroup: KeyContext::ROSTER, [Key::char('N')], "new group", "Create a group with a form";
    EditSelected: KeyContext::ROSTER.or(KeyContext::JOBS), [Key::char('e')], "edit selected",
        "Edit the selected group, agent or trigger in a form";
    AddMember: KeyContext::ROSTER, [Key::char('+')], "add member", "Add a member to the selected group";
    RemoveMember: KeyContext::ROSTER, [Key::char('-')], "remove member", "Remove the selected agent from its group; asks first";
    Delete: KeyContext::ROSTER.or(KeyContext::BLOCKS), [Key::char('D')], "delete",
        "Delete the selected group, agent or block; shows first what is deleted with it";
    NewBlock: KeyContext::BLOCKS, [Key::char('n')], "new block", "Create a block that the group shares, with a form";
    NewOwnBlock: KeyContext::BLOCKS, [Key::char('N')], "own block", "Create a block of the selected agent, with a form";
    BlockSettings: KeyContext::BLOCKS, [Key::char('E')], "settings",
        "Change label, description, limit and tags of the block in a form; shows first whom it touches";
    Share: KeyContext::BLOCKS, [Key::char('+')], "share", "Share the block with another group or agent";
    Unshare: KeyContext::BLOCKS, [Key::char('-')], "detach", "Detach the block from a group or an agent";
    Access: KeyContext::BLOCKS, [Key::char('a')], "access", "Show who may do what with the block, grant and revoke it";
    SeenHere: KeyContext::CONVERSATION, [Key::char('b')], "as of here",
        "Show the blocks as the agent saw them when it wrote the selected message";
    Save: KeyContext::EDITOR.or(KeyContext::FORM), [Key::ctrl('s')], "save",
        "Save the block, merging with edits made meanwhile; save the form";
    LeaveEditor: KeyContext::EDITOR.or(KeyContext::FORM), [Key::code(KeyCode::Esc)], "leave",
        "Leave the block or the form; asks if there are changes";
    Find: KeyContext::EDITOR, [Key::ctrl('f')], "find", "Find a text in the block";
    FindNext: KeyContext::FIND, [Key::code(KeyCode::Enter), Key::code(KeyCode::Down), Key::ctrl('f')], "next", "Go to the next place found";
    FindPrevious: KeyContext::FIND, [Key::code(KeyCode::Up)], "previous", "Go to the previous place found";
    LeaveFind: KeyContext::FIND, [Key::code(KeyCode::Esc)], "edit on", "Edit on at the place found";
    LineNumbers: KeyContext::EDITOR, [Key::alt(KeyCode::Char('l'))], "line numbers", "Show the numbers of the lines, or hide them";
    UndoTyping: KeyContext::TEXT, [Key::ctrl('_'), Key::ctrl('/'), Key::ctrl('7')], "undo", "Undo the last word, paste or cut";
    RedoTyping: KeyContext::TEXT, [Key::ctrl('r')], "redo", "Make again what was undone";
    SelectAll: KeyContext::TEXT, [Key::alt(KeyCode::Char('a'))], "select all", "Select the whole text; Shift with a move selects up to there";
    CutText: KeyContext::TEXT, [Key::alt(KeyCode::Char('x'))], "cut", "Cut the selected text";
    CopyText: KeyContext::TEXT, [Key::alt(KeyCode::Char('c'))], "copy", "Copy the selected text";
    PutText: KeyContext::TEXT, [Key::ctrl('y')], "put", "Put in what was cut, copied or deleted last";

    NextField: KeyContext::FORM, [Key::code(KeyCode::Tab), Key::code(KeyCode::Enter)], "next field", "Go to the next field";
    PreviousField: KeyContext::FORM, [Key::code(KeyCode::BackTab)], "previous field", "Go to the previous field";
    RemoveName: KeyContext::FORM, [Key::ctrl('x')], "remove", "Remove the name under the caret from the list";
    MoveUp: KeyContext::FORM, [Key::alt(KeyCode::Up)], "move up", "Move the name under the caret up";
    MoveDown: KeyContext::FORM, [Key::alt(KeyCode::Down)], "move down", "Move the name under the caret down";
    Approve: DECIDING, [Key::char('a')], "approve", "Approve the call";
    ApproveRun: DECIDING, [Key::char('A')], "approve for run",
        "Approve the call, and this tool for the rest of the run";
    Deny: DECIDING, [Key::char('d')], "deny", "Deny the call, with an optional reason for the agent";
    WriteMail: KeyContext::ROSTER.or(KeyContext::MAIL), [Key::char('w')], "write mail", "Write mail to the selected agent";
    Answer: KeyContext::MAIL.or(KeyContext::LETTER), [Key::char('r')], "answer", "Answer the mail";
    Filter: KeyContext::MAIL, [Key::char('f')], "filter", "Show only the mail of the selected agent, or all mail again";

    Theirs: KeyContext::MERGE, [Key::char('t')], "theirs", "Take their side of the conflict";
    Yours: KeyContext::MERGE, [Key::char('y')], "yours", "Take your side of the conflict";
    Both: KeyContext::MERGE, [Key::char('b')], "both", "Take both sides of the conflict";
    EditPiece: KeyContext::MERGE, [Key::char('e')], "edit", "Edit the result by hand";
    UndoPiece: KeyContext::MERGE, [Key::char('u')], "undo", "Reopen the last resolved conflict";
    Close: KeyContext::DIALOG.or(KeyContext::MERGE).or(KeyContext::JOB).or(KeyContext::CALL).or(KeyContext::LETTER), [Key::code(KeyCode::Esc)], "close", "Close the dialog";

    Palette: KeyContext::ANYWHERE, [Key::ctrl('p')] + [Key::char(':')], "commands", "List all commands";
    Help: KeyContext::ANYWHERE, [Key::f(1)] + [Key::char('?')], "help", "Show the commands and keys that apply here";
    Models: KeyContext::ANYWHERE, [Key::f(2)], "models", "Connect a language model";
    Mouse: KeyContext::ANYWHERE, [Key::alt(KeyCode::Char('m'))], "mouse",
        "Turn the mouse off, so that the terminal selects text with it, or on again";
    StopWorker: KeyContext::OUTSIDE, [Key::alt(KeyCode::Char('w'))], "stop worker",
        "Stop the worker and take over its work; asks first";
    Interrupt: KeyContext::ANYWHERE, [Key::ctrl('c')], "cancel or quit", "Cancel the running reply, else ask to quit";
    Suspend: KeyContext::ANYWHERE, [Key::ctrl('z')], "suspend", "Suspend the workbench; `fg` brings it back";
}
}
