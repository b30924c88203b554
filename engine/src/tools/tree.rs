//! The tree of a store as its manifest describes it.

use std::path::{Path, PathBuf};

use crate::files;
use crate::manifest::{Contents, TableMeta};

/// A store as its manifest describes it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreTree {
    /// Identity of the store, drawn when it was created.
    pub store_id: u64,
    /// Number of the manifest in force.
    pub manifest: u64,
    /// Log before this position is not needed.
    pub log_floor: u64,
    /// Files from this number on are unused.
    pub next_file: u64,
    /// Sequence numbers up to this one are used, and those in the log.
    pub last_seq: u64,
    /// Keyspaces, in the order of their creation.
    pub keyspaces: Vec<KeyspaceTree>,
}

/// One keyspace.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeyspaceTree {
    /// Its number in files.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// All logged writes up to this sequence number are in tables.
    pub flushed_seq: u64,
    /// Tables by level: level 0 newest first, each deeper one in the order of keys.
    pub levels: Vec<Vec<TableInfo>>,
}

/// One table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its number.
    pub id: u64,
    /// Its file.
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// Entries, versions and tombstones included.
    pub entries: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Least sequence number.
    pub seq_min: u64,
    /// Greatest sequence number.
    pub seq_max: u64,
    /// The sequence number that the manifest gives to all entries of a table that was loaded, which has none of its own.
    pub assigned_seq: Option<u64>,
    /// First key.
    pub smallest: Vec<u8>,
    /// Last key.
    pub largest: Vec<u8>,
}

impl TableInfo {
    fn of(dir: &Path, meta: &TableMeta) -> Self {
        Self {
            id: meta.id,
            path: files::table(dir, meta.id),
            bytes: meta.bytes,
            entries: meta.entries,
            tombstones: meta.tombstones,
            seq_min: meta.seq_min,
            seq_max: meta.seq_max,
            assigned_seq: meta.assigned_seq(),
            smallest: meta.smallest.to_vec(),
            largest: meta.largest.to_vec(),
        }
    }

    /// Whether some key may be in both tables.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.smallest <= other.largest && other.smallest <= self.largest
    }
}

impl StoreTree {
    pub(super) fn of(dir: &Path, contents: &Contents) -> Self {
        let state = &contents.state;
        let keyspaces = state.keyspaces.iter().map(|(&id, keyspace)| {
            let mut levels: Vec<Vec<TableInfo>> = keyspace
                .levels
                .iter()
                .map(|tables| tables.iter().map(|meta| TableInfo::of(dir, meta)).collect())
                .collect();
            for (level, tables) in levels.iter_mut().enumerate() {
                match level {
                    0 => tables.sort_by(|a, b| b.seq_max.cmp(&a.seq_max).then(b.id.cmp(&a.id))),
                    _ => tables.sort_by(|a, b| a.smallest.cmp(&b.smallest)),
                }
            }
            let name = keyspace.name.clone();
            KeyspaceTree { id, name, flushed_seq: keyspace.flushed_seq, levels }
        });
        Self {
            store_id: contents.header.store_id,
            manifest: contents.header.number,
            log_floor: state.log_floor,
            next_file: state.next_file,
            last_seq: state.last_seq,
            keyspaces: keyspaces.collect(),
        }
    }

    /// All tables, with the index of their keyspace and their level.
    pub fn tables(&self) -> impl Iterator<Item = (usize, usize, &TableInfo)> {
        self.keyspaces.iter().enumerate().flat_map(|(k, keyspace)| {
            keyspace
                .levels
                .iter()
                .enumerate()
                .flat_map(move |(l, tables)| tables.iter().map(move |t| (k, l, t)))
        })
    }
}
