//! Where keys lie from left to right: by rank among all first and last keys, so that a picture shows order and overlap, whatever the
//! keys look like.

use ringwood::tools::{KeyspaceTree, TableInfo};

/// The bounds of all tables of a keyspace, in order.
pub(super) struct Axis<'a> {
    bounds: Vec<&'a [u8]>,
}

impl<'a> Axis<'a> {
    pub(super) fn of(keyspace: &'a KeyspaceTree) -> Self {
        let tables = keyspace.levels.iter().flatten();
        let mut bounds: Vec<&[u8]> = tables.flat_map(|t| [&t.smallest[..], &t.largest]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        Self { bounds }
    }

    /// Where a table begins and ends, from 0 to 1.
    pub(super) fn span(&self, table: &TableInfo) -> (f64, f64) {
        let rank = |key: &[u8]| self.bounds.partition_point(|b| *b < key);
        // A table takes the places of its bounds and all between them; one with a single key takes one place.
        let places = self.bounds.len().max(1) as f64;
        (rank(&table.smallest) as f64 / places, (rank(&table.largest) + 1) as f64 / places)
    }

    /// First and last key.
    pub(super) fn ends(&self) -> Option<(&'a [u8], &'a [u8])> {
        Some((self.bounds.first()?, self.bounds.last()?))
    }
}
