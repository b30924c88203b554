//! A tree: one keyspace's memtables and tables.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use ringwood_wal::Lsn;

use crate::cursor::Spares;
use crate::memtable::Memtable;
use crate::version::{Mem, Version, View};

pub(crate) struct Tree {
    pub(crate) id: u32,
    pub(crate) name: String,
    view: ArcSwap<View>,
    dropped: AtomicBool,
}

impl Tree {
    pub(crate) fn new(
        id: u32,
        name: String,
        mem: Arc<Memtable>,
        log_start: Lsn,
        version: Version,
    ) -> Arc<Self> {
        let active = Mem::new(mem, log_start);
        let view = View { active, frozen: Vec::new(), version: Arc::new(version), spares: Spares::default() };
        Arc::new(Self { id, name, view: ArcSwap::from_pointee(view), dropped: AtomicBool::new(false) })
    }

    /// The view now, for a short while: a lock-free load.
    pub(crate) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        #[cfg(test)]
        crate::interleave::point();
        let view = self.view.load();
        #[cfg(test)]
        crate::interleave::point();
        view
    }

    /// The view now, to keep.
    pub(crate) fn view_owned(&self) -> Arc<View> {
        arc_swap::Guard::into_inner(self.view())
    }

    /// Puts a new memtable in place of the active one, which is frozen. The caller holds the commit lock, so that no write is between
    /// the two.
    pub(crate) fn freeze(&self, next: &Arc<Memtable>, log_start: Lsn) {
        self.view.rcu(|view| {
            let mut frozen = Vec::with_capacity(view.frozen.len() + 1);
            frozen.push(Arc::clone(&view.active));
            frozen.extend(view.frozen.iter().cloned());
            view.active.set_log_end(log_start);
            let active = Mem::new(Arc::clone(next), log_start);
            View { active, frozen, version: Arc::clone(&view.version), spares: Spares::default() }
        });
    }

    /// Swaps in a version with newer entries than any memtable, and a new memtable in place of the active one in the same moment: so nobody
    /// sees what is written later and not what the version brings. The caller holds the commit lock. Returns the memtable that is frozen
    /// by this, if it holds anything.
    pub(crate) fn install_over(
        &self,
        version: &Arc<Version>,
        next: &Arc<Memtable>,
        log_start: Lsn,
    ) -> Option<Arc<Mem>> {
        let before = self.view.rcu(|view| {
            let is_written = !view.active.table.is_empty();
            let mut frozen = Vec::with_capacity(view.frozen.len() + 1);
            if is_written {
                view.active.set_log_end(log_start);
                frozen.push(Arc::clone(&view.active));
            }
            frozen.extend(view.frozen.iter().cloned());
            View {
                active: Mem::new(Arc::clone(next), log_start),
                frozen,
                version: Arc::clone(version),
                spares: Spares::default(),
            }
        });
        Some(Arc::clone(&before.active)).filter(|mem| !mem.table.is_empty())
    }

    /// Swaps in a version in which `flushed`, if any, is a table: readers see it in one place or the other.
    pub(crate) fn install(&self, version: &Arc<Version>, flushed: Option<&Arc<Mem>>) {
        self.view.rcu(|view| {
            let mut next = View::clone(view);
            next.version = Arc::clone(version);
            if let Some(mem) = flushed {
                next.frozen.retain(|m| !Arc::ptr_eq(m, mem));
            }
            next
        });
    }

    pub(crate) fn set_dropped(&self) {
        self.dropped.store(true, Ordering::Release);
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({:?})", self.name)
    }
}
