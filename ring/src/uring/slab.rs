//! Operations in the kernel's hands, by number.
//!
//! # Invariants
//!
//! 1. An operation (and so its buffer and its file) stays in its slot from push to completion: what the kernel was told
//!    of stays alive.
//! 2. A tag names one slot at one generation; a slot changes generation whenever it is emptied, so a stale tag finds
//!    nothing.

use crate::Op;

/// An operation in a slot.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) token: u64,
    pub(super) op: Op,
    /// Bytes transferred so far, where the kernel did it in pieces.
    pub(super) moved: usize,
    /// Times that the kernel asked for another try.
    pub(super) retries: u32,
    /// Whether the last submission used a registered buffer.
    pub(super) fixed: bool,
    /// The kernel has it, or will have it with the next enter.
    pub(super) submitted: bool,
    /// Linked to the operation before it in the submission queue.
    pub(super) follows: bool,
    /// The chain that it belongs to.
    pub(super) chain: Option<u32>,
    /// The kernel's answer, kept until the operations before it in the chain are settled.
    pub(super) answer: Option<i32>,
}

impl Slot {
    pub(super) fn new(token: u64, op: Op, chain: Option<u32>) -> Self {
        Self {
            token,
            op,
            moved: 0,
            retries: 0,
            fixed: false,
            submitted: false,
            follows: false,
            chain,
            answer: None,
        }
    }
}

#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    slot: Option<Slot>,
}

/// Slots, as many as ever were in use at once.
#[derive(Debug, Default)]
pub(super) struct Slab {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Slab {
    pub(super) fn insert(&mut self, slot: Slot) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        self.entries[index as usize].slot = Some(slot);
        index
    }

    /// Empties a slot.
    ///
    /// # Panics
    /// If it is empty: the caller's bookkeeping is broken.
    pub(super) fn remove(&mut self, index: u32) -> Slot {
        let entry = &mut self.entries[index as usize];
        let slot = entry.slot.take().expect("a slot is emptied once");
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(index);
        slot
    }

    /// # Panics
    /// If the slot is empty: the caller's bookkeeping is broken.
    pub(super) fn get(&mut self, index: u32) -> &mut Slot {
        self.entries[index as usize].slot.as_mut().expect("an index is used only while its slot is full")
    }

    /// What the kernel knows the operation by.
    pub(super) fn tag(&self, index: u32) -> u64 {
        u64::from(self.entries[index as usize].generation) << 32 | u64::from(index)
    }

    /// The slot that a tag names, if it still does.
    pub(super) fn find(&self, tag: u64) -> Option<u32> {
        let index = tag as u32;
        let entry = self.entries.get(index as usize)?;
        (entry.slot.is_some() && self.tag(index) == tag).then_some(index)
    }
}
