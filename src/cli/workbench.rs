//! `nightdesk` without a command: opens the workbench. What is left to do when it ends goes on in [`detached`].

mod detached;

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::paths::Paths;
use super::print::{self, Out};
use super::{CliError, Exit, apply, work};
use crate::config::{Config, OnHangup};
use crate::engine::connection::{EngineAt, Program};
use crate::engine::lasting::{LastingSession, Opening};
use crate::engine::protocol::RequestError;
use crate::engine::session::Session;
use crate::engine::{Handle, Options as EngineOptions, Scope};
use crate::team_file;
use crate::text_file;
use crate::tui::effect::ExitMode;
use crate::tui::glyph::GlyphSet;
use crate::tui::pane::RenderContext;
use crate::tui::run::{self, Options, TuiError};
use crate::tui::session;
use crate::tui::term::Environment;
use crate::tui::theme::{Depth, Source, Theme};

/// Largest theme file that is read, in bytes.
const LARGEST_THEME: u64 = 1 << 20;

/// Opens the workbench. Applies the starter team to a store without groups. `mouse` takes precedence over the
/// configuration.
///
/// # Errors
/// The terminal is unsuitable, the configuration has faults, or the store cannot be opened.
pub async fn workbench(places: &Paths, mouse: Option<bool>, out: &mut Out) -> Result<Exit, CliError> {
    let environment = Environment::from_vars(|name| std::env::var(name).ok());
    // An unsuitable terminal is reported before a store is created.
    environment.check().map_err(|fault| CliError::Message(fault.to_string()))?;
    let config = places.configuration()?;
    let options = options(places, &config, environment, mouse)?;
    let engine = EngineOptions { program: Program::Workbench, ..places.options(true, Scope::All) };
    let desk = places.open(engine.clone(), true).await?;
    if let Err(failure) = begin(&desk).await {
        desk.close().await;
        return Err(failure);
    }
    let again = places.clone();
    let setup = move || {
        let config = again.configuration().map_err(|fault| RequestError::new(fault.to_string()))?;
        let models = Paths::models(&config);
        Ok((config, models))
    };
    let opening = Opening { path: places.store.clone(), options: engine, setup: Box::new(setup) };
    let desk = LastingSession::keep(desk, opening);
    let shown = run::run(desk.handle().clone(), desk.connection(), options).await;
    let goes_on = match &shown {
        Ok(ExitMode::KeepWorking) => true,
        // Nobody can be asked, and what is due is not lost only because a link was.
        Ok(ExitMode::HungUp) if config.on_hangup == OnHangup::Work => has_work(desk.handle()).await,
        Ok(_) | Err(_) => false,
    };
    let elsewhere = matches!(desk.close().await, EngineAt::Elsewhere { .. });
    let left = shown?;
    if goes_on && !elsewhere {
        print::note(&detached::start(places).await?);
    }
    if left == ExitMode::StopWorker {
        return work::stop(places, out).await;
    }
    Ok(Exit::Done)
}

/// True if anything is due or scheduled.
async fn has_work(handle: &Handle) -> bool {
    work::outlook(handle).await.is_ok_and(|(due, scheduled)| due || scheduled)
}

async fn begin(desk: &Session) -> Result<(), CliError> {
    if desk.handle().overview().await?.groups.is_empty() {
        apply::put(desk.handle(), &team_file::starter()?, false).await?;
    }
    Ok(())
}

fn options(
    places: &Paths,
    config: &Config,
    environment: Environment,
    mouse: Option<bool>,
) -> Result<Options, CliError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let over_ssh = environment.over_ssh;
    Ok(Options {
        look: RenderContext {
            theme: theme(places, &config.theme, &environment)?,
            glyphs: GlyphSet::of(config.glyphs),
            over_ssh,
            motion: !over_ssh,
            now: Timestamp::now(),
            zone: TimeZone::system(),
        },
        mouse: mouse.or(config.mouse).unwrap_or(!over_ssh),
        environment,
        store: places.store.clone(),
        session: session::Session::path(&places.store),
        config: places.config.clone(),
        withheld: config.key_variables(),
        editor: variable("VISUAL").or_else(|| variable("EDITOR")),
        now: Arc::new(Timestamp::now),
    })
}

/// Loads a theme in the colours that the terminal supports.
///
/// # Errors
/// There is no such theme, or its file cannot be read or has faults.
pub(super) fn theme(places: &Paths, name: &str, environment: &Environment) -> Result<Theme, CliError> {
    let unread = RefCell::new(None);
    let own = |name: &str| {
        let path = places.dirs.as_ref()?.themes_dir().join(format!("{name}.toml"));
        match text_file::read(&path, LARGEST_THEME) {
            Ok(text) => Some(Source { file: path.display().to_string(), text }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                *unread.borrow_mut() = Some(format!("cannot read the theme {}: {error}", path.display()));
                None
            }
        }
    };
    let theme = Theme::load(name, own);
    if let Some(fault) = unread.take() {
        return Err(CliError::Message(fault));
    }
    let theme = theme.map_err(|fault| CliError::Message(fault.to_string()))?;
    Ok(theme.at(depth_here(environment)))
}

/// Returns the colour depth of this terminal.
pub(super) fn depth_here(environment: &Environment) -> Depth {
    depth(environment.no_color, environment.term.as_deref(), std::env::var("COLORTERM").ok().as_deref())
}

/// Returns the colour depth that the environment of the terminal declares.
fn depth(no_color: bool, term: Option<&str>, colorterm: Option<&str>) -> Depth {
    let term = term.unwrap_or_default();
    match colorterm {
        _ if no_color => Depth::Mono,
        Some("truecolor" | "24bit") => Depth::True,
        _ if term.ends_with("-direct") => Depth::True,
        _ if term.contains("256color") => Depth::Indexed,
        _ => Depth::Ansi,
    }
}

impl From<TuiError> for CliError {
    fn from(fault: TuiError) -> Self {
        Self::Message(fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_gets_no_colours_it_does_not_claim() {
        assert_eq!(depth(false, Some("xterm-256color"), Some("truecolor")), Depth::True);
        assert_eq!(depth(false, Some("tmux-256color"), None), Depth::Indexed);
        assert_eq!(depth(false, Some("linux"), None), Depth::Ansi);
        assert_eq!(depth(true, Some("xterm-256color"), Some("truecolor")), Depth::Mono);
    }
}
