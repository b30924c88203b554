//! keyspaces, use, create, drop

use serde_json::json;

use super::session::Session;
use super::show::Mode;
use super::table::Call;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::open::{check_name, keyspaces};
use crate::out::Out;

pub(super) fn list(session: &mut Session, _: &Call<'_>, out: &mut Out) -> Result<()> {
    for name in keyspaces(&session.db) {
        let used = name == session.keyspace.name();
        let name = escape(name.as_bytes());
        match session.mode {
            Mode::Json => out.line(json!({ "keyspace": name, "used": used }))?,
            Mode::Table => out.line(format_args!("{} {name}", if used { '*' } else { ' ' }))?,
            _ => out.line(name)?,
        }
    }
    Ok(())
}

pub(super) fn use_it(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    let name = known(session, call)?;
    session.keyspace = session.db.keyspace(&name)?;
    Ok(())
}

pub(super) fn create(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    let name = name(call)?;
    check_name(&name).map_err(Failure::Usage)?;
    if session.db.keyspaces().contains(&name) {
        return Err(Failure::usage(format!("there is a keyspace {} already", escape(name.as_bytes()))));
    }
    session.db.keyspace(&name)?;
    Ok(())
}

pub(super) fn drop_it(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    let name = known(session, call)?;
    if session.batch.is_some() {
        return Err(Failure::usage("there is a batch, which may name it; `commit` or `discard` that first"));
    }
    session.db.drop_keyspace(&name)?;
    if session.keyspace.name() == name {
        session.keyspace = session.db.keyspace("default")?;
    }
    Ok(())
}

/// The first word, as the name that it is.
fn name(call: &Call<'_>) -> Result<String> {
    let bytes = call.words.first().map(|word| word.to_vec()).unwrap_or_default();
    String::from_utf8(bytes).map_err(|_| Failure::usage("a keyspace's name is UTF-8"))
}

fn known(session: &Session, call: &Call<'_>) -> Result<String> {
    let (name, known) = (name(call)?, keyspaces(&session.db));
    if known.contains(&name) { Ok(name) } else { Err(Failure::no_keyspace(&name, &known)) }
}
