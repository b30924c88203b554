//! What no store can be, whoever wrote its manifest with right checksums: refused before anything counts on it.
//!
//! Numbers are bounded so that no arithmetic on them overflows in a store's life; what is looked up without asking is there.

use std::collections::BTreeSet;

use ringwood_wal::LSN_LIMIT;

use super::edit::{State, TableMeta};
use crate::batch::DEFAULT_KEYSPACE;
use crate::files::NUMBER_MAX;

/// Largest sequence number that is believed; half of what the format can hold, so that there is room to go on.
pub(crate) const SEQ_LIMIT: u64 = 1 << 55;
/// Largest size of a table, in bytes and entries.
const TABLE_LIMIT: u64 = 1 << 48;
/// Most keyspaces in a store's life.
const KEYSPACES_LIMIT: u32 = 1 << 31;

impl State {
    /// Whether a store can be so.
    ///
    /// # Errors
    /// What is impossible about it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let numbers = [
            ("file number", self.next_file, NUMBER_MAX),
            ("sequence number", self.last_seq, SEQ_LIMIT),
            ("log position", self.log_floor, LSN_LIMIT),
            ("keyspace number", self.next_keyspace.into(), KEYSPACES_LIMIT.into()),
        ];
        for (what, number, limit) in numbers {
            if number > limit {
                return Err(format!("it names {what} {number}, and no store gets beyond {limit}"));
            }
        }
        if !self.keyspaces.contains_key(&DEFAULT_KEYSPACE) {
            return Err("it has no default keyspace, and every store has one".into());
        }
        let mut ids = BTreeSet::new();
        for keyspace in self.keyspaces.values() {
            if keyspace.flushed_seq > SEQ_LIMIT {
                return Err(format!("keyspace {:?} is flushed up to an impossible number", keyspace.name));
            }
            for (level, tables) in keyspace.levels.iter().enumerate() {
                if let Some(table) = tables.iter().find(|t| !is_possible(t)) {
                    return Err(format!("what it says of table {} is impossible", table.id));
                }
                if let Some(table) = tables.iter().find(|t| !ids.insert(t.id)) {
                    return Err(format!("it has table {} in two places", table.id));
                }
                if level > 0 {
                    let mut sorted: Vec<&TableMeta> = tables.iter().collect();
                    sorted.sort_unstable_by(|a, b| a.smallest.cmp(&b.smallest));
                    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].largest >= pair[1].smallest) {
                        let (a, b) = (pair[0].id, pair[1].id);
                        return Err(format!("tables {a} and {b} of level {level} overlap, and must not"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_possible(table: &TableMeta) -> bool {
    table.bytes <= TABLE_LIMIT
        && table.tail_bytes <= table.bytes
        && table.entries <= TABLE_LIMIT
        && table.tombstones <= table.entries
        && table.seq_min <= table.seq_max
        && table.seq_max <= SEQ_LIMIT
        && !table.smallest.is_empty()
        && table.smallest <= table.largest
}
