//! What the replacement policy knows of each frame, and the queues that frames stand in.
//!
//! Plain data under the policy's lock; nothing here is seen by a hit.

use super::frame::Locked;
use super::slots::Slots;
use crate::sync::Arc;

const NIL: u32 = u32::MAX;

/// Where a frame stands. All but `Out` are lists, kept for each size class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Queue {
    /// Has memory and no block.
    Free = 0,
    /// Its table is gone; evicted before anything else, once its pins are.
    Dead = 1,
    /// Filled by a scan, and not asked for by a point read since.
    Scan = 2,
    /// Filled by a point read, on probation.
    Small = 3,
    /// Proven: asked for again.
    Main = 4,
    /// In no list: its slab has no memory, or a fill lost its buffer.
    Out = 5,
}

/// Number of lists.
pub(super) const LISTS: usize = 5;

/// Who has a frame.
pub(super) enum Hold {
    /// The policy: the frame is free or out.
    Policy(Locked),
    /// A block of this table. While it loads, the fill has the lock. None: the table is gone.
    Block(Option<Arc<Slots>>, u32),
}

/// The policy's notes on one frame.
pub(super) struct Meta {
    pub(super) hold: Hold,
    prev: u32,
    next: u32,
    /// The frame's hit count when the policy last looked.
    pub(super) hits_seen: u32,
    /// The policy's clock when the frame entered its queue, or last went round in `Main`.
    pub(super) stamp: u32,
    pub(super) queue: Queue,
    /// Rounds in `Main` that the frame has earned.
    pub(super) credit: u8,
}

/// Bytes of state and notes for each page of frame memory.
pub(super) const META_BYTES: usize = size_of::<Meta>() + size_of::<super::frame::Frame>();

impl Meta {
    pub(super) fn new(lock: Locked) -> Self {
        Self {
            hold: Hold::Policy(lock),
            prev: NIL,
            next: NIL,
            hits_seen: 0,
            stamp: 0,
            queue: Queue::Out,
            credit: 0,
        }
    }
}

/// The notes of all frames made so far.
pub(super) struct Metas {
    shift: u32,
    slabs: Vec<Box<[Meta]>>,
}

impl Metas {
    pub(super) fn new(shift: u32) -> Self {
        Self { shift, slabs: Vec::new() }
    }

    /// Adds the next slab's frames.
    pub(super) fn push_slab(&mut self, locks: Vec<Locked>) {
        self.slabs.push(locks.into_iter().map(Meta::new).collect());
    }

    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    /// The slab that frame `id` lies in.
    pub(super) fn slab_of(&self, id: u32) -> usize {
        (id >> self.shift) as usize
    }

    pub(super) fn at(&self, id: u32) -> &Meta {
        &self.slabs[(id >> self.shift) as usize][(id & ((1 << self.shift) - 1)) as usize]
    }

    pub(super) fn at_mut(&mut self, id: u32) -> &mut Meta {
        &mut self.slabs[(id >> self.shift) as usize][(id & ((1 << self.shift) - 1)) as usize]
    }
}

/// A doubly linked list through the notes. First in, first out, and anyone may leave.
#[derive(Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self { head: NIL, tail: NIL, len: 0 };

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn first(&self) -> Option<u32> {
        (self.head != NIL).then_some(self.head)
    }

    /// The frame after `id`, which is in this list.
    pub(super) fn after(metas: &Metas, id: u32) -> Option<u32> {
        let next = metas.at(id).next;
        (next != NIL).then_some(next)
    }

    pub(super) fn push_back(&mut self, metas: &mut Metas, id: u32) {
        let meta = metas.at_mut(id);
        (meta.prev, meta.next) = (self.tail, NIL);
        match self.tail {
            NIL => self.head = id,
            tail => metas.at_mut(tail).next = id,
        }
        self.tail = id;
        self.len += 1;
    }

    pub(super) fn push_front(&mut self, metas: &mut Metas, id: u32) {
        let meta = metas.at_mut(id);
        (meta.prev, meta.next) = (NIL, self.head);
        match self.head {
            NIL => self.tail = id,
            head => metas.at_mut(head).prev = id,
        }
        self.head = id;
        self.len += 1;
    }

    pub(super) fn remove(&mut self, metas: &mut Metas, id: u32) {
        let (prev, next) = (metas.at(id).prev, metas.at(id).next);
        match prev {
            NIL => self.head = next,
            prev => metas.at_mut(prev).next = next,
        }
        match next {
            NIL => self.tail = prev,
            next => metas.at_mut(next).prev = prev,
        }
        self.len -= 1;
    }
}
