//! Operations in flight: who may run next, and who waits for a predecessor.

use std::collections::BTreeMap;

use super::content::Slot;
use super::namespace::Inode;
use crate::{Op, PAGE};

/// The caller's side of an operation: gone once the process is dead.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) lane: u64,
    pub(super) token: u64,
    pub(super) op: Op,
}

/// What an operation does to the disk.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Read {
        offset: u64,
        len: usize,
        moved: usize,
    },
    Write {
        offset: u64,
        len: usize,
        moved: usize,
        /// The bytes, shared page by page: a whole page moves by reference.
        data: Vec<Slot>,
        dsync: bool,
    },
    Sync {
        /// Set once the sync has begun: what is written later is not covered.
        begun: Option<Cover>,
    },
    /// The kernel refuses it.
    Refuse {
        errno: i32,
    },
}

/// The operations that a sync makes durable: those that had completed when it began.
#[derive(Debug, Clone)]
pub(super) struct Cover {
    pub(super) before: u64,
    pub(super) except: Vec<u64>,
}

impl Cover {
    pub(super) fn has(&self, op: u64) -> bool {
        op < self.before && !self.except.contains(&op)
    }
}

#[derive(Debug)]
pub(super) struct Effect {
    pub(super) id: u64,
    pub(super) inode: Inode,
    pub(super) kind: Kind,
    /// The next of its chain.
    pub(super) next: Option<usize>,
    /// Passed over for long.
    pub(super) slow: bool,
    /// Whether the faults had their chance.
    pub(super) tried: bool,
    pub(super) ticket: Option<Ticket>,
}

impl Effect {
    /// Whether `result` lets the next of the chain start: a short read does not.
    pub(super) fn succeeded(&self, result: Result<usize, i32>) -> bool {
        match (&self.kind, result) {
            (Kind::Read { len, .. }, Ok(n)) => n == *len,
            (_, result) => result.is_ok(),
        }
    }
}

/// All operations of one disk that were submitted and have not completed.
#[derive(Debug, Default)]
pub(super) struct Flight {
    slots: Vec<Option<Effect>>,
    free: Vec<usize>,
    /// Those that may run, in no meaningful order but the same in every replay.
    runnable: Vec<usize>,
}

impl Flight {
    /// Adds an operation; `head` if it may run at once.
    pub(super) fn add(&mut self, effect: Effect, head: bool) -> usize {
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[index] = Some(effect);
        if head {
            self.runnable.push(index);
        }
        index
    }

    pub(super) fn link(&mut self, from: usize, to: usize) {
        if let Some(effect) = self.slots[from].as_mut() {
            effect.next = Some(to);
        }
    }

    pub(super) fn runnable(&self) -> usize {
        self.runnable.len()
    }

    pub(super) fn is_slow(&self, nth: usize) -> bool {
        self.slots[self.runnable[nth]].as_ref().is_some_and(|e| e.slow)
    }

    /// Takes the `nth` runnable operation out to run it; `put_back` or `release` must follow.
    pub(super) fn take(&mut self, nth: usize) -> (usize, Effect) {
        let index = self.runnable[nth];
        let effect = self.slots[index].take().expect("a runnable operation is there");
        (index, effect)
    }

    pub(super) fn put_back(&mut self, index: usize, effect: Effect) {
        self.slots[index] = Some(effect);
    }

    /// The `nth` runnable operation, taken as `index`, is over.
    pub(super) fn release(&mut self, nth: usize, index: usize) {
        debug_assert_eq!(self.runnable[nth], index);
        self.runnable.swap_remove(nth);
        self.free.push(index);
    }

    pub(super) fn start(&mut self, index: usize) {
        self.runnable.push(index);
    }

    /// Takes out an operation that never started.
    pub(super) fn cancel(&mut self, index: usize) -> Effect {
        self.free.push(index);
        self.slots[index].take().expect("a linked operation waits")
    }

    /// Writes in flight to a file.
    pub(super) fn writes_to(&self, inode: Inode) -> Vec<u64> {
        let of_file = |e: &&Effect| e.inode == inode && matches!(e.kind, Kind::Write { .. });
        self.slots.iter().flatten().filter(of_file).map(|e| e.id).collect()
    }

    /// Takes every ticket, chains in order.
    pub(super) fn take_tickets(&mut self) -> Vec<Ticket> {
        let mut by_id: BTreeMap<u64, Ticket> = BTreeMap::new();
        for effect in self.slots.iter_mut().flatten() {
            if let Some(ticket) = effect.ticket.take() {
                by_id.insert(effect.id, ticket);
            }
        }
        by_id.into_values().collect()
    }

    /// A copy that nobody waits for.
    pub(super) fn fork(&self) -> Self {
        let fork = |e: &Effect| Effect {
            id: e.id,
            inode: e.inode,
            kind: e.kind.clone(),
            next: e.next,
            slow: e.slow,
            tried: e.tried,
            ticket: None,
        };
        Self {
            slots: self.slots.iter().map(|s| s.as_ref().map(fork)).collect(),
            free: self.free.clone(),
            runnable: self.runnable.clone(),
        }
    }
}

/// Shares the first `len` bytes of a buffer, page by page.
pub(super) fn share(bytes: &[u8], len: usize) -> Vec<Slot> {
    bytes[..len].chunks_exact(PAGE).map(super::content::slot).collect()
}
