//! flush, compact, stats, and how the shell behaves

use super::session::Session;
use super::show::Mode;
use super::table::{self, Call};
use crate::failure::{Failure, Result};
use crate::out::Out;

pub(super) fn flush(session: &mut Session, _: &Call<'_>, _: &mut Out) -> Result<()> {
    Ok(session.db.flush()?)
}

pub(super) fn compact(session: &mut Session, _: &Call<'_>, _: &mut Out) -> Result<()> {
    Ok(session.db.compact()?)
}

pub(super) fn stats(session: &mut Session, _: &Call<'_>, out: &mut Out) -> Result<()> {
    let stats = session.db.stats();
    match session.mode {
        Mode::Json => out.line(crate::stats::as_json(&stats)),
        _ => out.bytes(stats.to_string().as_bytes()),
    }
}

pub(super) fn timing(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    session.timing = switch(call)?;
    Ok(())
}

pub(super) fn page(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    session.pager.set(switch(call)?);
    Ok(())
}

fn switch(call: &Call<'_>) -> Result<bool> {
    match call.words[0] {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(Failure::usage(format!("{} is neither on nor off", call.text(0)))),
    }
}

pub(super) fn mode(session: &mut Session, call: &Call<'_>, out: &mut Out) -> Result<()> {
    if call.words.is_empty() {
        return out.line(session.mode.name());
    }
    let name = call.text(0);
    session.mode = Mode::of(&name).ok_or_else(|| {
        Failure::usage(format!("there is no mode {name}; there are table, plain, json and hex"))
    })?;
    Ok(())
}

pub(super) fn help(_: &mut Session, call: &Call<'_>, out: &mut Out) -> Result<()> {
    if call.words.is_empty() {
        return out.line(table::overview());
    }
    let name = call.text(0);
    match table::find(&name) {
        Some(spec) => out.line(table::details(spec)),
        None => Err(Failure::usage(format!("there is no command `{name}`; `help` lists them all"))),
    }
}

pub(super) fn quit(session: &mut Session, _: &Call<'_>, _: &mut Out) -> Result<()> {
    session.quit = true;
    Ok(())
}
