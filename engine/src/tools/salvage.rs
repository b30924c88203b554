//! Saving what is whole of a damaged store into a new one.
//!
//! The newest version of every key that can be read wins. Tables are merged by key and sequence number, so their levels do not
//! matter; the log is replayed over them in its own order. A table whose keyspace is not known, because the manifest is damaged, is
//! saved into a keyspace of its own name, [`LOST`], unless the store has only one keyspace.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_sstable::{Kind, Step, Table, TableWalk};
use ringwood_wal::WalError;

use super::{Inspector, Problem, Progress, has_no_log, verify};
use crate::files::{self, FileName};
use crate::manifest::{self, Contents, State, TableMeta};
use crate::{Db, Durability, Error, ErrorKind, Keyspace, Options, Result, WriteBatch, batch};

/// The keyspace for tables of which nobody knows where they belong.
const LOST: &str = "lost+found";
/// Bytes of one read; each table that the merge has come to holds one.
const READ_BYTES: usize = 64 << 10;
/// A batch is written when it has so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// The caller is told of the progress after so many entries.
const ENTRIES_A_TELL: u64 = 1024;

/// What was saved and what was lost.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Salvaged {
    /// Keyspaces of the new store, and the entries written to each.
    pub keyspaces: Vec<(String, u64)>,
    /// Tables read.
    pub tables: u64,
    /// Batches of the log replayed.
    pub log_batches: u64,
    /// What could not be saved.
    pub lost: Vec<Problem>,
    /// Whether the caller ended it early: the new store is not complete.
    pub interrupted: bool,
}

/// Saves what is whole of the store in `from`, which is not changed, into a new store in `to`.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) if `to` is not new or `from` is no store; [`Busy`](ErrorKind::Busy) if `from` is open; what writing
/// the new store fails with. Damage in `from` is in the result.
pub fn salvage(
    from: &Path,
    to: &Path,
    options: Options,
    tell: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Salvaged> {
    let mut old = Inspector::open(from, options.io)?;
    let mut saved = Salvaged::default();
    let state = old.state(&mut saved)?;
    let new = options.create_if_missing(true).error_if_exists(true).open(to)?;
    let mut writer = Writer { keyspaces: BTreeMap::new(), batch: WriteBatch::new(), db: new };
    for keyspace in state.state.keyspaces.values() {
        writer.keyspace(&keyspace.name)?;
    }
    old.save_tables(&state, &mut writer, &mut saved, tell)?;
    if !saved.interrupted {
        old.save_log(&state, &mut writer, &mut saved)?;
    }
    writer.write()?;
    saved.keyspaces = writer.keyspaces.values().map(|(k, n)| (k.name().to_owned(), *n)).collect();
    writer.db.flush()?;
    writer.db.close()?;
    Ok(saved)
}

/// What is known of the old store.
struct Known {
    state: State,
    store_id: Option<u64>,
    /// Whether all of the manifest could be read.
    is_whole: bool,
}

/// A table.
#[derive(Clone)]
struct Found {
    keyspace: String,
    /// Of one that was loaded. Without a manifest to tell it, its entries count as older than all others.
    assigned_seq: Option<u64>,
}

impl Inspector {
    /// What the manifest says, or as much of it as can be read.
    fn state(&mut self, saved: &mut Salvaged) -> Result<Known> {
        if let Err(error) = &self.manifest {
            if !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) {
                return Err(error.clone());
            }
            let means = "the newest manifest in the directory is taken for the one in force";
            saved.lost.push(Problem::new(&self.dir, error.to_string(), means));
            let mut found = None;
            for name in self.reach.disk.list(&self.dir)? {
                if let Some(FileName::Manifest(number)) = FileName::parse(&name) {
                    found = found.max(Some(number));
                }
            }
            if let Some(number) = found {
                let path = files::manifest(&self.dir, number);
                self.manifest = manifest::look(&*self.reach.disk, &mut *self.reach.lane, &path);
            }
        }
        Ok(match &self.manifest {
            Ok(Contents { header, state, damage, .. }) => {
                let is_whole = damage.is_none();
                if let Some(error) = damage {
                    let means =
                        "which tables are in force is known in part; all tables in the directory are read";
                    saved.lost.push(Problem::new(&self.dir, error.to_string(), means));
                }
                Known { state: state.clone(), store_id: Some(header.store_id), is_whole }
            }
            Err(error) => {
                let means = "names of keyspaces and the log are lost; all tables in the directory are read";
                saved.lost.push(Problem::new(&self.dir, error.to_string(), means));
                Known { state: State::default(), store_id: None, is_whole: false }
            }
        })
    }

    /// Merges the tables of each keyspace into the new store.
    fn save_tables(
        &mut self,
        known: &Known,
        writer: &mut Writer,
        saved: &mut Salvaged,
        tell: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut groups: BTreeMap<String, Vec<Arc<Table>>> = BTreeMap::new();
        for (id, found) in self.table_ids(known)? {
            let path = files::table(&self.dir, id);
            let Found { keyspace, assigned_seq } = found;
            match self.reach.table(&path, id, assigned_seq) {
                Ok(table) => groups.entry(keyspace).or_default().push(table),
                Err(error) if matches!(error.kind(), ErrorKind::Exhausted | ErrorKind::Unsupported) => {
                    return Err(error);
                }
                Err(error) => {
                    let means = format!("all of the table is lost to keyspace {keyspace:?}");
                    saved.lost.push(Problem::new(&path, error.to_string(), means));
                }
            }
        }
        let total = groups.values().flatten().map(|t| t.data_bytes()).sum();
        let mut progress = Progress { done: 0, total };
        for (name, tables) in groups {
            writer.keyspace(&name)?;
            saved.tables += tables.len() as u64;
            let mut merge = Merge::new(&self.reach.disk, &tables);
            let (mut last, mut entries): (Option<Vec<u8>>, u64) = (None, 0);
            while let Some(walk) = merge.next(&mut *self.reach.lane, &name, &mut saved.lost)? {
                let entry = walk.entry();
                // The newest version of a key comes first; the older ones are history.
                if last.as_deref() == Some(entry.key) {
                    continue;
                }
                last = Some(entry.key.to_vec());
                if entry.kind == Kind::Put {
                    writer.put(&name, entry.key, entry.value)?;
                }
                entries += 1;
                if entries % ENTRIES_A_TELL == 0
                    && tell(Progress { done: progress.done + merge.bytes(), ..progress }).is_break()
                {
                    saved.interrupted = true;
                    return Ok(());
                }
            }
            progress.done += merge.bytes();
        }
        Ok(())
    }

    /// Numbers of the tables to read, and what is known of each.
    fn table_ids(&self, known: &Known) -> Result<BTreeMap<u64, Found>> {
        let mut ids = BTreeMap::new();
        for keyspace in known.state.keyspaces.values() {
            let found =
                |t: &TableMeta| Found { keyspace: keyspace.name.clone(), assigned_seq: t.assigned_seq() };
            ids.extend(keyspace.levels.iter().flatten().map(|t| (t.id, found(t))));
        }
        if known.is_whole {
            return Ok(ids);
        }
        let mut names = known.state.keyspaces.values().map(|k| k.name.clone());
        let home = match (names.next(), names.next()) {
            (Some(only), None) => only,
            _ => LOST.to_owned(),
        };
        let unknown = Found { keyspace: home, assigned_seq: None };
        let mut there = BTreeMap::new();
        for name in self.reach.disk.list(&self.dir)? {
            if let Some(FileName::Table(id)) = FileName::parse(&name) {
                there.insert(id, ids.get(&id).unwrap_or(&unknown).clone());
            }
        }
        Ok(there)
    }

    /// Replays the log over the tables, as far as it can be read.
    fn save_log(&mut self, known: &Known, writer: &mut Writer, saved: &mut Salvaged) -> Result<()> {
        let Some(store_id) = known.store_id else { return Ok(()) };
        let dir: PathBuf = self.dir.join(files::WAL);
        let (mut batches, mut failed) = (0, None);
        let state = &known.state;
        if has_no_log(&*self.reach.disk, &dir, state) {
            return Ok(());
        }
        let looked =
            ringwood_wal::look(&self.reach.disk, &dir, store_id, state.log_floor, &mut |lsn, payload| {
                replay(state, payload, writer).map_err(|error| {
                    let what = error.to_string();
                    failed = Some(error).filter(|e| e.kind() != ErrorKind::Corrupt);
                    WalError::Refused { lsn, what }
                })?;
                batches += 1;
                Ok(())
            });
        saved.log_batches = batches;
        match (failed, looked) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) => {
                let means =
                    format!("{batches} batches of the log were saved; those behind this place are lost");
                saved.lost.push(Problem::new(&dir, error.to_string(), means));
                Ok(())
            }
        }
    }
}

fn replay(state: &State, payload: &[u8], writer: &mut Writer) -> Result<()> {
    let damaged = |what: &'static str| Error::new(ErrorKind::Corrupt, what);
    let (first, _, ops) = batch::decode(payload).map_err(damaged)?;
    for (op, seq) in ops.zip(first..) {
        let op = op.map_err(damaged)?;
        // Of a keyspace that was dropped since, or in a table already.
        let Some(keyspace) = state.keyspaces.get(&op.keyspace).filter(|k| k.flushed_seq < seq) else {
            continue;
        };
        match op.kind {
            Kind::Put => writer.put(&keyspace.name, op.key, op.value)?,
            Kind::Delete => writer.delete(&keyspace.name, op.key)?,
        }
    }
    Ok(())
}

/// Writes to the new store, in batches.
struct Writer {
    db: Db,
    /// Keyspaces by name, and the puts to each.
    keyspaces: BTreeMap<String, (Keyspace, u64)>,
    batch: WriteBatch,
}

impl Writer {
    fn keyspace(&mut self, name: &str) -> Result<&mut (Keyspace, u64)> {
        if !self.keyspaces.contains_key(name) {
            let keyspace = self.db.keyspace(name)?;
            self.keyspaces.insert(name.to_owned(), (keyspace, 0));
        }
        Ok(self.keyspaces.get_mut(name).expect("it is there now"))
    }

    fn put(&mut self, name: &str, key: &[u8], value: &[u8]) -> Result<()> {
        let (keyspace, count) = self.keyspace(name)?;
        *count += 1;
        let keyspace = keyspace.clone();
        self.batch.put_in(&keyspace, key, value)?;
        self.write_if_full()
    }

    fn delete(&mut self, name: &str, key: &[u8]) -> Result<()> {
        let keyspace = self.keyspace(name)?.0.clone();
        self.batch.delete_in(&keyspace, key)?;
        self.write_if_full()
    }

    fn write_if_full(&mut self) -> Result<()> {
        if self.batch.ops().len() < BATCH_BYTES {
            return Ok(());
        }
        self.write()
    }

    /// Without a log: an interrupted salvage is begun anew.
    fn write(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.db.write(&batch, Durability::None)
    }
}

/// Key, sequence number and walk of an entry; the least key, and of one key the newest version, is the greatest in the heap.
type Head = Reverse<(Vec<u8>, Reverse<u64>, usize)>;

/// Entries of many tables in order: key ascending, newest first. A table is read from when the merge comes to its first key.
struct Merge {
    walks: Vec<TableWalk>,
    /// The next entry of each walk; before its first, its table's first key with a sequence number above all.
    heads: BinaryHeap<Head>,
    /// The walk that gave the last entry.
    taken: Option<usize>,
}

impl Merge {
    fn new(disk: &Arc<dyn ringwood_ring::Disk>, tables: &[Arc<Table>]) -> Self {
        // One read in flight: the walks share a lane.
        let walks: Vec<_> = tables.iter().map(|table| TableWalk::new(disk, table, READ_BYTES, 1)).collect();
        let bound = |(i, table): (usize, &Arc<Table>)| {
            Reverse((table.properties().smallest_key.clone(), Reverse(u64::MAX), i))
        };
        let heads = tables.iter().enumerate().map(bound).collect();
        Self { walks, heads, taken: None }
    }

    /// Bytes of tables that the merge has left behind.
    fn bytes(&self) -> u64 {
        self.walks.iter().map(TableWalk::bytes).sum()
    }

    /// The walk that stands on the next entry; what cannot be read is added to `lost`.
    fn next(
        &mut self,
        lane: &mut dyn ringwood_ring::Lane,
        keyspace: &str,
        lost: &mut Vec<Problem>,
    ) -> Result<Option<&TableWalk>> {
        if let Some(i) = self.taken.take() {
            self.go_on(i, lane, keyspace, lost)?;
        }
        loop {
            let Some(Reverse((_, Reverse(seq), i))) = self.heads.pop() else { return Ok(None) };
            if seq != u64::MAX {
                self.taken = Some(i);
                return Ok(Some(&self.walks[i]));
            }
            self.go_on(i, lane, keyspace, lost)?;
        }
    }

    fn go_on(
        &mut self,
        i: usize,
        lane: &mut dyn ringwood_ring::Lane,
        keyspace: &str,
        lost: &mut Vec<Problem>,
    ) -> Result<()> {
        let walk = &mut self.walks[i];
        loop {
            match walk.advance(lane)? {
                Step::End => return Ok(()),
                Step::Entry => {
                    let entry = walk.entry();
                    self.heads.push(Reverse((entry.key.to_vec(), Reverse(entry.seq), i)));
                    return Ok(());
                }
                Step::Damage(damage) => {
                    let problem = verify::blocks_lost(walk.table(), damage, keyspace);
                    let means = "these blocks are lost; an older version of a key, where there is one, takes its place";
                    lost.push(Problem { means: means.into(), ..problem });
                }
            }
        }
    }
}
