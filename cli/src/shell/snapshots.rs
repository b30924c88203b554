//! snapshot, snapshots, at, release

use serde_json::json;

use super::session::Session;
use super::show::Mode;
use super::table::Call;
use crate::failure::{Failure, Result};
use crate::out::Out;

/// The name for no snapshot.
const NOW: &str = "now";

pub(super) fn take(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    let name = call.text(0);
    if name == NOW || session.snapshots.contains_key(&name) {
        return Err(Failure::usage(format!("the name {name} is taken; `release` it, or choose another one")));
    }
    session.snapshots.insert(name, session.db.snapshot());
    Ok(())
}

pub(super) fn list(session: &mut Session, _: &Call<'_>, out: &mut Out) -> Result<()> {
    for (name, snapshot) in &session.snapshots {
        match session.mode {
            Mode::Json => out.line(json!({ "snapshot": name, "sequence": snapshot.sequence() }))?,
            _ => out.line(format_args!("{name}\t{}", snapshot.sequence()))?,
        }
    }
    Ok(())
}

pub(super) fn at(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    let name = call.text(0);
    session.at = if name == NOW { None } else { Some(known(session, name)?) };
    Ok(())
}

pub(super) fn release(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    let name = known(session, call.text(0))?;
    session.snapshots.remove(&name);
    session.at = session.at.take().filter(|at| *at != name);
    Ok(())
}

fn known(session: &Session, name: String) -> Result<String> {
    if session.snapshots.contains_key(&name) {
        return Ok(name);
    }
    let known: Vec<&str> = session.snapshots.keys().map(String::as_str).collect();
    let known =
        if known.is_empty() { "none was taken".into() } else { format!("there are: {}", known.join(", ")) };
    Err(Failure::usage(format!("there is no snapshot {name}; {known}")))
}
