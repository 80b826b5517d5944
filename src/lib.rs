//! Nightdesk: a terminal workbench for groups of agents that keep thinking while you are away.
//!
//! # Layers
//!
//! ```text
//!     faces    tui ◀── cli                cli starts the workbench
//!                 \     /   \
//!    engine        engine    \            runs · steps · jobs · mail
//!               /    |    \   \
//!     ports  store  llm ◀ tools  team_file
//!               \          /     /
//!    domain        domain                 nouns, rules and patterns; no I/O, no async, no clock
//! ```
//!
//! [`config`] imports the domain, [`text_file`] and [`toml_file`]; the last two import nothing. Several layers use these.
//! Imports run downwards only, and no files import each other in a circle, except that a parent may use its own
//! submodules. `tests/cli/architecture.rs` checks both.
//!
//! The terminal imports the engine's [`engine::handle`] and [`engine::protocol`] and the domain, never the store, a model
//! or a tool. The command line also opens the store's [`engine::session`], reads team files, lists tools and checks
//! models; it does not import the store either. The engine knows no face.
//!
//! - [`domain`]: the nouns, and [`domain::Change`] with its meaning ([`domain::state::apply`]).
//!   - [`domain::pattern`]: who speaks next; one file for each manager type.
//!   - [`domain::terminate`]: what ends a turn; one file for each condition.
//!   - [`domain::trigger`]: what creates a job; one file for each kind of trigger, and a row for each trigger.
//!   - [`domain::setting`]: the settings of groups and agents, one row each; files, command line, forms and help are
//!     loops over these rows.
//!   - [`domain::status`]: what agents do, what blocks a run and what is due, computed from rows alone; used by the
//!     engine and both faces.
//!   - [`domain::block`]: blocks, their versions, and what each agent may do with them.
//!   - [`domain::block_edit`]: the tools that edit a block, one row each.
//!   - [`domain::text_edit`]: how block texts are edited, merged and compared, and who wrote each line.
//! - [`store`]: the `SQLite` file and the only SQL: a writer and readers, each with a lane for the foreground and one for
//!   the background; the tail of the log and the newest messages in memory, the owner lock.
//! - [`llm`]: the model port; the four protocols spoken directly, the offline model, the scripted model.
//!   - [`llm::marks`]: how a prompt says who said what, so that no text can pass for another's.
//!   - [`llm::window`]: how much a model holds; [`engine::context`] fits what an agent sees into it.
//! - [`tools`]: what agents may call; effects are staged and committed with the step.
//! - [`team_file`]: reads team files and plans the changes they ask for.
//! - [`config`]: reads, checks and writes `config.toml`.
//! - [`text_file`]: reads files that a person or a setting names: regular files only, with a limit of their size; writes
//!   new files for their owner alone.
//! - [`toml_file`]: what the readers of team files, configuration and themes share.
//! - [`engine`]: runs turns, steps and jobs over the store.
//!   - [`engine::handle`] and [`engine::protocol`]: what a face calls, and the values it exchanges with the engine.
//!   - [`engine::session`]: becomes the owner of a store, or joins the program that owns it; [`engine::lasting`] does so
//!     again whenever that program ends.
//!   - [`engine::worker`] stops a worker from elsewhere; [`engine::copies`] copies a store, puts a copy back, and erases;
//!     [`engine::care`] takes care of it in jobs without an agent: backup, check, retention, index.
//!   - [`engine::requests`]: the requests that write; [`engine::read`]: the requests that only read.
//!   - [`engine::scheduler`]: starts what is due; [`engine::turn`], [`engine::speech`], [`engine::speaker_selection`] and
//!     [`engine::background`] are what it starts.
//!   - [`engine::next`]: what follows a part of a turn, decided in one place from [`engine::progress`] and committed with
//!     the step that ends the part.
//!   - [`engine::claim_order`]: which of the due jobs starts next.
//!   - [`engine::timers`]: takes triggers whose time has come, each time once.
//!   - [`engine::sources`]: looks at files, and takes what is new in them, each line once.
//!   - [`engine::work`]: a run in progress and how it ends; [`engine::call`]: one model call; [`engine::step`]: its
//!     tool calls and its commit.
//!   - [`engine::budget`]: whether a group or an agent may use more tokens today; [`engine::termination`] asks it, too.
//!   - [`engine::fallback`]: the models that an agent asks while the provider of its own is down.
//!   - [`engine::errors`]: what happens after an error that is no model's; [`engine::alerts`]: who is told of failures,
//!     approvals and mail while no screen is there.
//!   - [`engine::span_clock`]: the clock of time-outs, waits, expiry and limits.
//!   - [`engine::candidates`]: whom a manager may choose, and what its answer means.
//!   - [`engine::pending`] and [`engine::wait`]: the calls a parked run waits on, and their results.
//! - [`tui`]: the workbench: plain data, a pure update, a view, one event loop.
//! - [`cli`]: one file for each subcommand.
//!
//! # Four ideas
//!
//! **One way to write.** Every durable change is a [`domain::Change`] in a [`domain::Commit`]. A transaction applies
//! it and appends it to the log; it is published after that. A commit whose preconditions no longer hold is refused
//! with a [`domain::Conflict`] that carries the current state. Replaying the log reproduces the tables row for row
//! (F16).
//!
//! **A step is atomic, and a run can park.** A step is a snapshot, one model call ([`engine::call`]), the tool calls
//! that need nobody else, and one commit ([`engine::step`]). A call that needs an answer is committed as pending, and
//! its run parks: it has no task and no connection, only rows. When the answers are there, the remaining calls of the
//! step are made ([`engine::step::resume`]), in this program or the next. Delegation, mail that is waited for and
//! approvals all use this mechanism: what a run waits for, and the result, is derived from rows ([`engine::wait`]).
//!
//! **A pattern is a pure function** of the committed steps ([`domain::pattern`]), so a restart needs no saved state.
//!
//! **Sleep-time is a policy on top of any pattern.** Triggers are evaluated inside the commit that causes them, so a
//! job exists exactly when its cause does.
//!
//! # Flows
//!
//! *A message.* A face calls [`engine::Handle`]; [`engine::requests`] commits the message with its turn and the speech
//! that the pattern names ([`engine::next`]), which has its agent if that is free; the store signals the
//! [`engine::scheduler`], which starts [`engine::turn::perform`]; [`engine::speech`] runs its steps. The last of them
//! carries what follows in its commit: the next speech, or the end of the turn. The text of a step is in
//! [`engine::live`] until its commit replaces it. Faces receive both through [`engine::follow`]: commits with their rows
//! from the store's tail in memory, by a cursor.
//!
//! *A delegation.* The manager of a supervisor group calls `delegate`: its step commits the call, a run for each
//! worker, and its own run as parked. The driver starts the workers in parallel ([`engine::speech::work`]). When the
//! last one has finished, the call has its result and the manager resumes. A worker whose agent is free begins with the
//! commit that asks it.
//!
//! *A choice.* The manager of a dynamic group is asked who speaks next ([`engine::speaker_selection`]) in a run of its own below
//! the turn. An unusable answer is asked for again; after the last try the next member in order speaks.
//!
//! *Mail.* A call sends it with its step. [`engine::mail`] delivers it into the recipient's own conversation as a
//! turn, which sends the reply if one is waited for.
//!
//! *An approval.* A rule stops the call before it is made, and the inbox lists it. The decision is a commit; the run
//! resumes and makes the call, or reports the refusal to the agent.
//!
//! *A job.* The commit that causes it, for example the end of the Nth turn, fires a trigger of the group and so creates
//! it ([`domain::trigger`]); jobs that cause each other are at most three deep.
//! The driver starts it, and [`engine::background`] claims it under a fence and runs its steps below every foreground
//! run. The commit of the last step moves the cursor and ends the job.
//!
//! *Care of the store.* When a task is due, [`engine::care`] commits a job of it, once for all times that were missed; the
//! scheduler starts it as any other job, one at a time. Retention removes what jobs that ended long ago left, a few at a time.
//!
//! *An edit.* A person's save names the version it started from and is merged by lines. A step's edits are applied
//! again to the current values. Where lines conflict, both texts are kept and shown; the draft, its base and what is
//! decided so far outlive the program.
//!
//! *Access.* What an agent may not read of a block is in nothing that its step reads ([`store`]), and a block that is kept
//! here is in no prompt for a model elsewhere ([`engine::context`]). An edit without access is refused when it is applied
//! ([`domain::state`]). The agent can ask: the call waits like an approval, and the yes is committed with the access.
//!
//! *Two programs.* The first takes the locks of the store, one of them on the file itself, and listens on a socket; the
//! others, by whatever name of the store, use the same handle over it ([`engine::session`]). When the owner ends, the
//! workbenches that had joined it open the store again: the lock lets one take over, the others join that one, and each goes
//! on after the last update it received ([`engine::lasting`]). A suspended owner is told
//! from a dead one, and keeps the store; one whose log or lock is removed saves what it has and ends: the others name it and say how to bring it back. A command that only reads
//! gets a handle that only reads ([`engine::read`]) and needs no lock, whichever program owns the store.
//!
//! # Invariants
//!
//! - Nothing acknowledged is lost and nothing is applied twice, whenever the program is killed.
//! - The foreground never waits for the background: [`engine::limits`] for agents and models, [`store::Lane`] for commits
//!   and reads.
//! - What is on screen is committed, or is marked as still streaming.
//! - Text from models, tools and people is neutralised before it reaches a cell ([`tui::text::clean`]); keys
//!   live in a type that does not print ([`llm::secret`]).
//! - No agents wait for each other in a circle: the commit that would close one is refused and names the agents
//!   ([`domain::state`]).
//! - An idle program does not wake up: it has no interval timers, and one deadline only where one is needed.
//!
//! # Labels
//!
//! Comments and tests name promises by label.
//!
//! Jobs: J1 a job exists exactly when the commit that caused it does; J2 a claim is a commit that raises the fence, and
//! of eight one is for the oldest job; J3 one running job per agent, one waiting per agent and group, the window fixed
//! at the claim; J4 each step's effects are one commit under the fence; J5 completed and failed move the cursor,
//! cancelled leaves it; J6 a job of a dead owner is available again; J7 retries by error class, and three crashes in a
//! row are poison; J8 a cancel drops the stream and is the next commit; J9 an empty input costs no model call; J11 mail
//! is sent once, read once, in order, and comes back when it fails; J13 a budget that is used up ends turns and lets
//! jobs wait for the next day; J14 care of the store, retention among it, is jobs in the same queue.
//!
//! Faults: F1 killed at a named commit point; F2 killed anywhere; F3 a torn log file; F4 a full disk; F5 an unwritable
//! or vanished store; F6 a hung provider, a stale fence; F7 a misbehaving provider; F8 a second program; F9 a
//! clock that jumps; F10 a job that ends the program; F11 a cancel at each point of F1; F12 a person and agents edit one
//! block; F13 a migration killed half way; F14 a row from another build; F15 many agents, blocks and mails at once; F16
//! replay of the log equals the tables.
//!
//! # Design decisions
//!
//! - A query of the foreground and a commit that finds the writer idle run in their caller: two changes of threads cost
//!   more than either. A transaction writes each row once, whatever its changes did to it ([`store`]).
//! - What a step reads of a conversation stays in memory between steps, in a bounded cache: messages never change, so one
//!   that is kept is true in every later state, and a step costs the same however long the conversation is.
//! - A turn costs a commit for its message and one for each step. A step that ends a part rests on the turn and the group
//!   as they were read, and says what follows; if either has changed, it is decided again. So no part of a turn waits for
//!   the disk on its own, and between two parts a crash finds nothing.
//! - State rows are JSON bodies in one table per noun, with generated columns for what is queried: each fact is stored
//!   once, and a replay compares bodies byte for byte.
//! - The transcript has no index of heights: messages are dense in `seq`, so a position is (message, row) and paging
//!   costs the same anywhere. Prefix sums over 100,000 heights would be state with no use.
//! - A queued turn keeps its text in its run; the text becomes a message when the turn starts, so that the
//!   conversation reads in the order in which it was answered.
//! - The recipient of mail answers in its own conversation, not in the sender's: the mail stays in its context, and
//!   one turn per conversation is the only queue needed.
//! - A worker reads what was said before it was asked, not what the other workers answer at the same time, so that the
//!   same script gives the same prompts. The manager reads the answers once, in the result of its call.
//! - The wait-for graph is over agents, not over runs: a run queued for an agent waits for the run that holds that
//!   agent, so a queue adds no edges of its own.
//! - A job that waits for a person also parks and releases its agent: the foreground never waits for it.
//! - Spans run on elapsed time and are stored as two moments, so that a restart takes them up: [`engine::span_clock`].
//! - A manager's choice is a run with an outcome, not a tool result: another try needs no new run, and the
//!   conversation shows one line for it.
//! - What triggers a group has is a setting of the group; its triggers are rows that follow from it in the same commit,
//!   and keep what became of them while what is asked of them stays the same.
//! - The log is replayed from a base: the rows as the last migration, or stricter rules, found them. So a rule can become
//!   stricter without refusing what was lawful when it was logged.
//! - A cancel is a mark on its turn before it is its end: what works for the turn ends first and keeps its text, and a
//!   crash in between forgets nothing.
//! - A commit names what it rests on: a run's state and steps, a job's fence, a row as it was read. What does not hold is
//!   planned again from what is there now.
//! - How far a file was read is a row, which moves in the commit that makes the job of what was read. When it is looked at
//!   is not: a look changes nothing until it finds something, and a new program looks at once.
//! - The tokens of a day are summed from the steps that are committed, in memory: the sum is no row that could differ from
//!   them, and a look costs a statement for the steps since the last one, and none where no budget is set.
//! - A removed message or step leaves in the log what a replay needs of it, in its place: the log stays without gaps and gives
//!   the tables, and no base has to be written for it. Calls stay: rules count them.
//! - A backup by itself is off unless asked for, since copies fill a disk that nobody watches; the other tasks of care write
//!   nothing that stays.
//! - There is no job that asks a provider which is down: the first call that waits for it is that probe, one at a time, and
//!   its job or turn shows what came of it. A job besides would be a further call that nobody asked for.
//! - A change of groups and agents keeps with it what takes it back, made from the rows that it rests on: the way back is the
//!   same changes in reverse, under the condition that what they left is still so.
//! - A job that waits for its next try keeps its window. Causes that occur after that window create a further job.

mod cli;
mod config;
mod domain;
mod engine;
mod llm;
mod store;
mod team_file;
mod text_file;
mod toml_file;
mod tools;
mod tui;

#[doc(hidden)]
pub mod testing;

pub use cli::completions::answer_shell;
pub use cli::{Cli, CliError, fail, misused, run};
