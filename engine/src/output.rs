//! Tables that a job is writing, and how their edits reach the manifest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Completion, IoErrorKind, Lane};
use ringwood_sstable::{Residency, Room, Table, TableOptions, TableSpec, TableWriter};

use crate::manifest::{Edit, Manifest, TableMeta};
use crate::store::Store;
use crate::version::TableHandle;
use crate::{Error, ErrorKind, Result, files};

/// A table being written by a job.
pub(crate) struct Output {
    pub(crate) id: u64,
    path: PathBuf,
    pub(crate) writer: TableWriter,
    is_sealed: bool,
}

impl Output {
    /// Begins a table under a new number, of about `bytes`, with `buffers` output buffers. Its hot entries find `room` in the cache, if any.
    pub(crate) fn create(store: &Store, buffers: usize, bytes: u64, room: Option<Room>) -> Result<Self> {
        let id = store.new_file_number();
        let path = files::table(&store.dir, id);
        let options = TableOptions { expected_bytes: bytes, ..store.table_options.clone() };
        let mut writer =
            TableWriter::create(&store.disk, &path, id, options, buffers, store.budget.output_buffer)?;
        if let Some(room) = room {
            writer.warm(&store.cache, room);
        }
        Ok(Self { id, path, writer, is_sealed: false })
    }

    /// Adds no more entries: the rest of the file follows.
    pub(crate) fn seal(&mut self) -> Result<()> {
        if !self.is_sealed {
            self.is_sealed = true;
            self.writer.seal()?;
        }
        Ok(())
    }

    /// Pushes the writes that are ready, under `token`. Returns whether there were any.
    pub(crate) fn push(&mut self, lane: &mut dyn Lane, token: u64) -> Result<bool> {
        let mut pushed = false;
        while lane.room() > 0 {
            let Some(op) = self.writer.next_op() else { break };
            if let Err(op) = lane.push(token, op) {
                return Err(Error::new(ErrorKind::Io, format!("a lane with room refused a {}", op.verb())));
            }
            pushed = true;
        }
        // With all buffers full and nothing in flight, nobody else would ever tell.
        self.writer.failure().map_or(Ok(pushed), |error| Err(error.clone().into()))
    }

    /// Sends full buffers on their way, and takes completed ones back when the writer needs them: with `wait`, waiting for one. For a
    /// lane that carries nothing but this output.
    pub(crate) fn pump(&mut self, lane: &mut dyn Lane, wait: bool, done: &mut Vec<Completion>) -> Result<()> {
        let pushed = self.push(lane, self.id)?;
        let is_needed = self.is_sealed || !self.writer.has_room();
        if lane.in_flight() > 0 && is_needed {
            lane.reap(usize::from(wait), done)?;
        } else if pushed {
            lane.submit()?;
        }
        for completion in done.drain(..) {
            self.writer.complete(completion)?;
        }
        Ok(())
    }

    /// Ends the writing of a table whose writes and sync are all through.
    pub(crate) fn finish(mut self) -> Result<Written> {
        let warmed = self.writer.take_residency();
        let summary = self.writer.finish()?;
        let properties = summary.properties;
        let meta = TableMeta {
            id: self.id,
            bytes: summary.file_bytes,
            tail_bytes: summary.tail_bytes,
            salt: Some(summary.salt),
            entries: properties.entries,
            tombstones: properties.deletes,
            seq_min: properties.seq_smallest,
            seq_max: properties.seq_largest,
            is_loaded: false,
            smallest: properties.smallest_key.into(),
            largest: properties.largest_key.into(),
        };
        Ok(Written { path: self.path, meta, warmed })
    }
}

/// A table whose file is whole and synced. Its name in the directory is not yet.
pub(crate) struct Written {
    path: PathBuf,
    meta: TableMeta,
    /// Its blocks that are in the cache.
    warmed: Option<Residency>,
}

impl Written {
    fn into_spec(self) -> (TableSpec, TableMeta) {
        let Self { path, meta, warmed } = self;
        (TableSpec { path, id: meta.id, tail_bytes: meta.tail_bytes, salt: meta.salt, warmed }, meta)
    }

    /// Opens it, on an idle lane. One that does not open is removed.
    pub(crate) fn open(self, store: &Store, lane: &mut dyn Lane) -> Result<Arc<TableHandle>> {
        let opened = open_written(store, lane, vec![self])?.pop();
        let (table, meta) = opened.expect("as many as were given");
        Ok(TableHandle::new(Arc::new(table), meta, &store.graveyard))
    }

    /// Removes a table that will not be used.
    pub(crate) fn discard(self, store: &Store) {
        remove(store, &self.path);
    }
}

/// Opens tables, on an idle lane, in as few enters as can be: all of them, or none, and then they are removed.
pub(crate) fn open_written(
    store: &Store,
    lane: &mut dyn Lane,
    written: Vec<Written>,
) -> Result<Vec<(Table, TableMeta)>> {
    let (specs, metas): (Vec<_>, Vec<_>) = written.into_iter().map(Written::into_spec).unzip();
    let opened = Table::open_all(&store.disk, lane, &store.cache, specs);
    let tables: Result<Vec<Table>, _> = opened.into_iter().collect();
    match tables {
        Ok(tables) => Ok(tables.into_iter().zip(metas).collect()),
        Err(error) => {
            metas.iter().for_each(|meta| remove(store, &files::table(&store.dir, meta.id)));
            Err(error.into())
        }
    }
}

/// Removes a table that nothing names.
fn remove(store: &Store, path: &Path) {
    // If it fails, the next open removes it.
    let _ = store.disk.remove(path);
}

/// Appends to the manifest, after making the names of new tables durable if there are any.
///
/// A failure leaves unknown what the device holds, so the store takes no more writes, and nobody may remove a table that the edits name: the
/// next opening reads what came of it. A manifest that could not be replaced for want of space or descriptors is as it was, and so is a
/// directory that could not be opened for its sync.
pub(crate) fn append(store: &Store, manifest: &mut Manifest, edits: &[Edit]) -> Result<()> {
    if edits.iter().any(|e| matches!(e, Edit::TableAdd { .. })) {
        sync_names(store, manifest)?;
    }
    append_named(store, manifest, edits)
}

/// Makes the names of all new files durable. Under one lock with the manifest, so that nobody relies on a directory whose sync has just
/// failed.
pub(crate) fn sync_names(store: &Store, _manifest: &mut Manifest) -> Result<()> {
    store.check_sound()?;
    store.disk.sync_dir(&store.dir).map_err(|error| {
        // Too many files: it comes of opening the directory, before anything is synced.
        let is_harmless = error.kind() == IoErrorKind::TooManyFiles;
        let error = Error::from(error);
        if !is_harmless {
            store.poison(&error);
        }
        error
    })
}

/// As [`append`], for edits whose new tables have durable names already.
pub(crate) fn append_named(store: &Store, manifest: &mut Manifest, edits: &[Edit]) -> Result<()> {
    store.check_sound()?;
    let appended = manifest.append(edits, || store.new_file_number());
    appended.inspect_err(|error| {
        if manifest.has_failed() {
            store.poison(error);
        }
    })
}

#[cfg(test)]
mod tests;
