//! Nightdesk: a terminal workbench for groups of agents that keep thinking while you are away.
//!
//! # The house
//!
//! ```text
//!     faces    tui       cli
//!                 \     /
//!    engine        engine           runs · steps · background · mail
//!               /    |    \
//!     ports  store  llm  tools   agentfile
//!               \    |    /     /
//!    domain        domain           nouns, rules and patterns; no I/O, no async, no clock
//! ```
//!
//! Imports run downwards only, and no files import each other in a circle; a parent may use its own submodules. A face
//! knows the engine's handle and the domain; the engine knows no face.
//!
//! - [`domain`]: the nouns, [`domain::Change`] and what it means ([`domain::state::apply`]), who speaks next
//!   ([`domain::pattern`]), what ends a turn ([`domain::terminate`]), what makes a job ([`domain::trigger`]), how texts
//!   are edited and merged ([`domain::memory`]), and what the rows say goes on: who does what, what is blocked on
//!   whom, what is due ([`domain::status`]); and every setting of a group or an agent, one row each
//!   ([`domain::setting`]).
//! - [`store`]: the `SQLite` file; the only SQL. One writer thread with two lanes, readers beside it, the owner's lock.
//! - [`llm`]: the model port; the four protocols spoken directly, the offline model, the scripted model.
//! - [`tools`]: what agents may call, staged on a desk and committed with the step.
//! - [`agentfile`]: team files in.
//! - [`config`]: `config.toml`, read, checked and written.
//! - [`toml_file`]: what the readers of team files, configuration and themes share.
//! - [`engine`]: the handle, the driver, turns, speeches, steps, jobs, the owner's socket.
//! - [`tui`]: the workbench: plain data, a pure update, a view, one event loop.
//! - [`cli`]: one file a subcommand.
//!
//! # Four ideas
//!
//! **One way to write.** Every durable change is a [`domain::Change`] in a [`domain::Commit`]. One transaction
//! applies it, logs it, and only then it is published; a commit whose ground has moved is refused as a
//! [`domain::Conflict`] that carries what is there now. The fold of the log equals the tables, row for row (F16).
//!
//! **A step is the atom, and a run can park.** [`engine::step`]: a snapshot, one model call, the tool calls that
//! need nobody else, one commit. What needs somebody is committed as pending and the run parks: no task, no
//! connection, rows. When the answers are there, the calls of the step go on ([`engine::step::resume`]), in this
//! program or the next. Delegation, mail that is waited for and approvals are this one mechanism: what is waited
//! for, and what came of it, is derived from rows ([`engine::wait`]).
//!
//! **A pattern is a pure function** of the committed steps ([`domain::pattern`]), so a restart needs no saved state.
//!
//! **Sleep-time is a policy on top of any pattern.** Triggers are evaluated inside the commit that causes them,
//! so a job exists exactly when its cause does.
//!
//! # Flows
//!
//! *A message.* A face asks [`engine::Handle`]; [`engine::answer`] commits the message with its run; the
//! [`engine::driver`] hears the store's doorbell and starts [`engine::turn::perform`]; the pattern names a
//! speaker; [`engine::speech`] takes the agent's place and makes steps; each step's text is live in
//! [`engine::live`] until its commit replaces it. Faces follow both through [`engine::follow`].
//!
//! *A delegation.* A supervisor's manager calls `delegate`: its step commits the call, a run for each worker and
//! itself as parked. The driver starts the workers side by side ([`engine::speech::work`]); when the last is over,
//! the manager's call has its result and the manager goes on.
//!
//! *A choice.* A dynamic group's manager is asked who speaks next ([`engine::choice`]): a run of its own under the
//! turn, validated, tried again, and in the end replaced by the next in order.
//!
//! *Mail.* A call sends it with its step; [`engine::mail`] delivers it into the recipient's own conversation as a
//! turn, which makes the reply where one is waited for.
//!
//! *An approval.* A rule stops the call before it is made; the inbox lists it; a decision is a commit, and the call
//! is made, or refused, when the run goes on.
//!
//! *A job.* The commit that ends the Nth turn also makes the job ([`domain::trigger`]); the driver claims it
//! under a fence; [`engine::background`] makes its steps below every foreground run; the commit of the last
//! step moves the cursor and ends the job.
//!
//! *An edit.* A person's save rests on the version it began from and merges by lines; a step's edits are made
//! again on current values; where lines clash, both texts are kept and shown.
//!
//! *Two programs.* The first takes the lock beside the store and listens on a socket; the others speak the same
//! handle over it ([`engine::session`]). A command that only looks gets a handle that only reads
//! ([`engine::read`]): no lock, whoever owns the store.
//!
//! # Invariants
//!
//! - Nothing acknowledged is lost, nothing is applied twice, whenever the program is killed.
//! - The foreground never waits for the background: [`engine::gates`].
//! - What is on screen is committed, or is marked as still streaming.
//! - Text of models, tools and people is neutralised before it reaches a cell ([`tui::text::clean`]); keys
//!   live in a type that does not print ([`llm::secret`]).
//! - Nobody waits in a circle: the commit that would close one is refused, by name ([`domain::state`]).
//! - At rest nothing wakes: no interval timers, one deadline where one is needed.
//!
//! # Labels
//!
//! Comments and tests name promises by label. Jobs: J1 a job exists exactly when the commit that caused it
//! does; J2 a claim is a commit that raises the fence; J3 one running job an agent, one waiting a group,
//! the window fixed at the claim; J4 each step's effects are one commit under the fence; J5 completed and
//! failed move the cursor, cancelled leaves it; J6 a job of a dead owner is available again; J7 retries by
//! class, and three crashes in a row are poison; J8 a cancel drops the stream and is the next commit; J9 an
//! empty input costs no model call; J11 mail is sent once, read once, in order, and comes back when it fails. Faults: F1 killed at a named commit point; F2 killed anywhere; F3 a torn
//! log file; F4 a full disk; F5 an unwritable or vanished store; F6 a hung provider, a stale fence; F7 a
//! misbehaving provider; F8 a second program; F13 a migration killed half way; F14 a row from another build;
//! F15 many agents, blocks and mails at once; F16 the fold.
//!
//! # Where this differs from the plan it began with, and why
//!
//! - State rows are JSON bodies in one table a noun, with generated columns for what is asked of them: a
//!   fact stands in one place, and the fold compares bodies byte for byte.
//! - The transcript has no index of heights: messages are dense in `seq`, so a position is (message, row) and
//!   paging costs the same anywhere. Prefix sums over 100,000 heights would be state to keep for nothing.
//! - A queued turn carries its text in its run and becomes a message when it starts, so that the conversation
//!   reads in the order it was answered.
//! - Whoever is asked by mail answers in its own conversation, not in the sender's: what it was told there stays
//!   its context, and one turn a conversation is all the queue there has to be.
//! - A worker hears what was said before it was asked, not what the others answer beside it, so that the same
//!   script gives the same prompts; its manager reads the answers once, in the result of its call.
//! - The wait-for graph is over agents, not over runs: who is queued for an agent waits for the run that holds it,
//!   so a queue adds no edges of its own.
//! - A job that waits for a person parks, too, and gives its agent back: the foreground never waits for it.
//! - A manager's choice is a run with an outcome, not a tool result: it is asked again without a new run, and the
//!   conversation shows one line for it.
//! - A job that waits for its next try keeps its window; further causes make a job behind it, since they
//!   happened after that window.

pub mod agentfile;
pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod llm;
pub mod store;
pub mod toml_file;
pub mod tools;
pub mod tui;
