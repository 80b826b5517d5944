//! `nightdesk` without a command: the workbench on its store.

use super::desk::{Desk, Places};
use super::{Exit, Failure, apply};
use crate::agentfile::team;
use crate::engine::Scope;

/// Opens the workbench; a store without groups begins with the starter team.
pub async fn workbench(places: &Places) -> Result<Exit, Failure> {
    let desk = places.open(places.options(true, Scope::All), true).await?;
    let shown = match begin(&desk).await {
        Ok(()) => show(&desk),
        Err(failure) => Err(failure),
    };
    desk.close().await;
    shown.map(|()| Exit::Done)
}

async fn begin(desk: &Desk) -> Result<(), Failure> {
    if desk.handle().overview().await?.groups.is_empty() {
        apply::put(desk.handle(), &team::starter()?, false).await?;
    }
    Ok(())
}

fn show(_desk: &Desk) -> Result<(), Failure> {
    Err(Failure::Said("this build has no workbench; use a command, see `nightdesk help`".to_owned()))
}
