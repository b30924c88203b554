//! What a cursor leaves for the next one over the same view.
//!
//! Setting up sources means a reference to each table and memtable, whose counts all threads write, and some memory for each: for a short scan over
//! many tables as much work as a third of its steps. So a cursor that goes gives its parts, which hold no block any more, to its view. Nothing of
//! them outlives the view, and they refer to nothing but what the view holds anyway: tables and memtables go when they would go.

use std::sync::{Mutex, PoisonError};

use ringwood_sstable::BlockFetch;

use super::order::Order;
use super::source::Source;
use crate::version::View;

/// Parts that a view keeps, at most: some kilobytes each.
const SPARES_MAX: usize = 16;

/// What a cursor is made of, but for its moment.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) sources: Vec<Source>,
    pub(super) order: Order,
    /// The key that is being decided on, or was passed; the one to give out, if its entry was left behind.
    pub(super) key: Vec<u8>,
    pub(super) fetch: BlockFetch,
    /// Whether the active memtable is among the sources: it is left out while it is empty.
    has_active: bool,
}

impl Parts {
    fn new(view: &View) -> Self {
        let has_active = !view.active.table.is_empty();
        Self { sources: Source::all(view, has_active), has_active, ..Self::default() }
    }

    /// The source that comes first.
    #[inline]
    pub(super) fn first(&self) -> Option<&Source> {
        self.order.first().map(|first| &self.sources[first])
    }
}

/// The parts that cursors over one view have left. On cache lines of their own: who reads the rest of the view is not to wait for those who
/// come and go here.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Spares(Mutex<Vec<Parts>>);

impl Spares {
    /// Parts for a cursor over `view`, whose spares these are. The caller has loaded its sequence number: what it sees of the active memtable is
    /// there by now.
    pub(super) fn take(&self, view: &View) -> Parts {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(mut parts) = spare else { return Parts::new(view) };
        if !parts.has_active && !view.active.table.is_empty() {
            parts.sources.push(Source::memtable(&view.active));
            parts.has_active = true;
        }
        parts
    }

    /// Keeps the parts of a cursor over these spares' view, if there are not enough.
    pub(super) fn put(&self, mut parts: Parts) {
        parts.sources.iter_mut().for_each(Source::rest);
        parts.fetch.clear();
        parts.order.clear();
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES_MAX {
            spares.push(parts);
        } else {
            drop(spares);
            drop(parts);
        }
    }
}

impl Clone for Spares {
    /// None: a view that is made from another has other sources.
    fn clone(&self) -> Self {
        Self::default()
    }
}
