//! begin, commit, discard

use ringwood::WriteBatch;

use super::session::Session;
use super::table::Call;
use crate::failure::{Failure, Result};
use crate::out::Out;

pub(super) fn begin(session: &mut Session, _: &Call<'_>, _: &mut Out) -> Result<()> {
    if session.batch.is_some() {
        return Err(Failure::usage("there is a batch already; `commit` or `discard` it first"));
    }
    session.batch = Some(WriteBatch::new());
    Ok(())
}

pub(super) fn commit(session: &mut Session, _: &Call<'_>, _: &mut Out) -> Result<()> {
    let batch = open(session)?;
    if let Err(error) = session.db.write(&batch, session.durability) {
        // Nothing of it was written, and it may be tried again.
        session.batch = Some(batch);
        return Err(error.into());
    }
    Ok(())
}

pub(super) fn discard(session: &mut Session, _: &Call<'_>, _: &mut Out) -> Result<()> {
    open(session).map(drop)
}

fn open(session: &mut Session) -> Result<WriteBatch> {
    session.batch.take().ok_or_else(|| Failure::usage("there is no batch; `begin` starts one"))
}
