//! The lane's logic, over any [`Port`]: what is queued, what the kernel has, what is done.
//!
//! # Invariants
//!
//! 1. An operation lives in the slab from push to completion. An entry in the kernel's hands refers only to memory and
//!    descriptors of such an operation. The core is dropped only when the kernel holds nothing (see
//!    [`drain`](Core::drain)); else the slab is leaked.
//! 2. Operations in flight ≤ depth ≤ submission queue ≤ half the completion queue, so that neither overflows by our doing.
//! 3. A chain's entries are queued all or none, and handed over in one enter. Where the kernel takes only some of them
//!    (it ran out of memory for requests), the rest is blanked before the next enter and follows as a chain of its own, once
//!    what was taken succeeded in full.
//! 4. What is left to do is decided by counting entries taken and answers seen, never by what `enter` returns.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::chain::Chains;
use super::judge::{Verdict, judge};
use super::port::{FILLER, Port};
use super::refusal::ring_path;
use super::request::{count, entry};
use super::slab::{Slab, Slot};
use crate::counters::Cell;
use crate::{Class, Completion, Counters, IoError, IoErrorKind, Op, Result};

/// Enters in a row that find the kernel out of memory for requests, with none of ours in flight whose end would free some,
/// before the lane gives up.
const STARVED_MAX: u32 = 10_000;

/// What is published as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Op(u32),
    Chain(u32),
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Core<P> {
    pub(super) port: P,
    slots: Slab,
    chains: Chains,
    /// To be put into the submission queue at the next enter.
    pending: VecDeque<Unit>,
    /// Tags in the submission queue that the kernel has not taken, as far as we looked. Empty for a polled ring.
    queued: VecDeque<u64>,
    /// Entries taken by the kernel and not answered.
    taken: usize,
    done: VecDeque<Completion>,
    in_flight: usize,
    counters: Arc<Counters>,
    class: Class,
    depth: usize,
    /// Answers to ask for at most when the caller wants one and the ring can wait a little for more; 0 if it cannot.
    linger_max: usize,
}

impl<P: Port> Core<P> {
    pub(super) fn new(
        port: P,
        counters: Arc<Counters>,
        class: Class,
        depth: usize,
        linger_max: usize,
    ) -> Self {
        assert!(depth <= port.capacity(), "depth {depth} over a queue of {}", port.capacity());
        Self {
            port,
            slots: Slab::default(),
            chains: Chains::default(),
            pending: VecDeque::new(),
            queued: VecDeque::new(),
            taken: 0,
            done: VecDeque::new(),
            in_flight: 0,
            counters,
            class,
            depth,
            linger_max,
        }
    }

    pub(super) fn push(&mut self, token: u64, op: Op) -> std::result::Result<(), Op> {
        op.assert_aligned();
        if self.room() == 0 {
            return Err(op);
        }
        let index = self.slots.insert(Slot::new(token, op, None));
        self.in_flight += 1;
        self.pending.push_back(Unit::Op(index));
        Ok(())
    }

    pub(super) fn push_chain(&mut self, ops: &mut Vec<(u64, Op)>) -> bool {
        assert!(ops.len() <= self.depth, "a chain of {} on a lane of depth {}", ops.len(), self.depth);
        if self.room() < ops.len() {
            return false;
        }
        if ops.is_empty() {
            return true;
        }
        ops.iter().for_each(|(_, op)| op.assert_aligned());
        let id = self.chains.insert();
        for (token, op) in ops.drain(..) {
            let index = self.slots.insert(Slot::new(token, op, Some(id)));
            self.in_flight += 1;
            self.chains.get(id).members.push_back(index);
        }
        self.pending.push_back(Unit::Chain(id));
        self.cell().chains.fetch_add(1, Relaxed);
        true
    }

    pub(super) fn reap(&mut self, min: usize, out: &mut Vec<Completion>) -> Result<usize> {
        let target = min.min(self.in_flight);
        self.harvest();
        let mut look = self.done.is_empty() && self.taken > 0 && self.port.has_hidden();
        let mut starved = 0;
        while self.done.len() < target || self.has_unsent() || look {
            look = false;
            let wanted = target.saturating_sub(self.done.len());
            let seen = self.done.len();
            let busy = self.drive(true, wanted)?;
            self.harvest();
            if !busy || self.done.len() > seen {
                starved = 0;
            } else if target == 0 {
                break; // Asked not to wait: what is queued goes with a later call.
            } else if self.taken > 0 {
                // The kernel has no memory for further requests now; one that ends gives some back.
                self.drive(false, 1)?;
                self.harvest();
            } else {
                starved += 1;
                if starved > STARVED_MAX {
                    let hint = "the kernel has no memory for I/O requests; free memory or raise the control group's limit";
                    return Err(IoError::new("use", ring_path(), IoErrorKind::Memory, hint));
                }
                std::thread::yield_now();
            }
        }
        let count = self.done.len();
        self.in_flight -= count;
        out.extend(self.done.drain(..));
        Ok(count)
    }

    pub(super) fn submit(&mut self) -> Result<()> {
        while self.has_unsent() {
            if self.drive(true, 0)? {
                self.harvest();
                break;
            }
        }
        Ok(())
    }

    pub(super) fn room(&self) -> usize {
        self.depth - self.in_flight
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Entries in the kernel's hands.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Waits until the kernel holds nothing of this lane. What it was never told of is dropped with the lane.
    pub(super) fn drain(&mut self) {
        self.pending.clear();
        while self.taken > 0 {
            self.discard_answers();
            if self.taken > 0 {
                // Entries still queued are not handed over: nobody would wait for them. An error other than those that
                // pass by itself aborts inside.
                let _ = self.drive(false, self.taken);
            }
        }
    }

    /// Takes what answers there are, without going on with anything.
    pub(super) fn discard_answers(&mut self) {
        while let Some((tag, _)) = self.port.pop() {
            self.taken -= 1;
            if tag != FILLER {
                let index = self.slots.find(tag).unwrap_or_else(|| unknown(tag));
                self.slots.get(index).submitted = false;
            }
        }
    }

    /// Gives up all operations for good: their memory is never freed, so that the kernel may go on using it.
    pub(super) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.slots));
        self.pending.clear();
        self.taken = 0;
    }

    fn cell(&self) -> &Cell {
        self.counters.cell(self.class)
    }

    fn has_unsent(&self) -> bool {
        !self.pending.is_empty() || !self.queued.is_empty()
    }

    /// One enter. Returns whether the kernel was too busy to take everything.
    fn drive(&mut self, submit: bool, wanted: usize) -> Result<bool> {
        if submit {
            self.publish();
        }
        let flying = self.taken + if submit { self.queued.len() } else { 0 };
        assert!(flying > 0 || self.has_unsent(), "the lane waits for nothing");
        let linger = wanted == 1 && self.linger_max > 1 && flying > 1;
        let want = if linger { self.linger_max } else { wanted }.min(flying);
        let entered = self.port.enter(submit, want as u32, linger);
        self.cell().enters.fetch_add(u64::from(entered.called), Relaxed);
        self.account();
        match entered.result {
            Ok(()) | Err(libc::ETIME) => Ok(false),
            Err(libc::EINTR) => {
                self.cell().retries.fetch_add(1, Relaxed);
                Ok(false)
            }
            Err(libc::EAGAIN | libc::EBUSY) => {
                self.cell().retries.fetch_add(1, Relaxed);
                Ok(true)
            }
            Err(errno) => Err(self.fatal(errno)),
        }
    }

    /// An enter that failed for a reason that does not pass. With operations in the kernel's hands there is no way on: their
    /// buffers can be neither freed nor waited for.
    fn fatal(&self, errno: i32) -> IoError {
        let error = IoError::from_errno("enter", ring_path(), None, errno);
        if self.taken > 0 {
            let count = self.taken;
            log::error!("{error}, with {count} operations in flight: aborting");
            eprintln!(
                "ringwood: {error}, with {count} operations in flight that can no longer be waited for: aborting"
            );
            std::process::abort();
        }
        error
    }

    /// Puts pending units into the submission queue, each as a whole.
    fn publish(&mut self) {
        let polled = self.port.is_polled();
        while let Some(&unit) = self.pending.front() {
            let space = self.port.capacity() - self.port.queued();
            let size = match unit {
                // A polled ring may take any part of a chain at any time, so there only the head goes out.
                Unit::Chain(id) if !polled => self.chains.get(id).members.len(),
                Unit::Op(_) | Unit::Chain(_) => 1,
            };
            if size > space {
                break;
            }
            self.pending.pop_front();
            match unit {
                Unit::Op(index) => self.publish_entry(index, false, false),
                Unit::Chain(id) => {
                    let chain = self.chains.get(id);
                    chain.pending = false;
                    chain.submitted = size;
                    for at in 0..size {
                        let index = self.chains.get(id).members[at];
                        self.slots.get(index).answer = None;
                        self.publish_entry(index, at > 0, at + 1 < size);
                    }
                }
            }
        }
    }

    fn publish_entry(&mut self, index: u32, follows: bool, link: bool) {
        let idle = self.taken == 0 && self.queued.is_empty();
        let tag = self.slots.tag(index);
        let slot = self.slots.get(index);
        slot.submitted = true;
        slot.follows = follows;
        let entry = entry(&mut self.port, slot, tag, link, idle);
        // SAFETY: the buffer and the file are in the slot and stay there until the answer with this tag was popped
        // (invariant 1); nothing touches the buffer of an operation in a slot.
        unsafe { self.port.push(&entry) };
        if self.port.is_polled() {
            self.taken += 1;
            self.cell().sqes.fetch_add(1, Relaxed);
        } else {
            self.queued.push_back(tag);
        }
    }

    /// Finds out which entries the kernel took, and pulls back the rest of a chain that it took in part.
    fn account(&mut self) {
        if self.port.is_polled() {
            return;
        }
        let left = self.port.queued();
        let taken = self.queued.len() - left;
        let fillers = self.queued.drain(..taken).filter(|&tag| tag == FILLER).count();
        self.taken += taken;
        self.cell().sqes.fetch_add((taken - fillers) as u64, Relaxed);
        let Some(first) = self.queued.front().and_then(|&tag| self.slots.find(tag)) else {
            return;
        };
        let slot = self.slots.get(first);
        let Some(id) = slot.chain.filter(|_| slot.follows) else {
            return;
        };
        let mut count = 0;
        for at in 0..self.queued.len() {
            let Some(index) = self.slots.find(self.queued[at]) else {
                break;
            };
            let slot = self.slots.get(index);
            if !slot.follows {
                break;
            }
            slot.submitted = false;
            self.queued[at] = FILLER;
            count += 1;
        }
        self.port.blank(count);
        self.chains.get(id).submitted -= count;
    }

    /// Moves answers from the completion queue to where they belong.
    fn harvest(&mut self) {
        while let Some((tag, answer)) = self.port.pop() {
            self.taken -= 1;
            if tag == FILLER {
                continue;
            }
            let index = self.slots.find(tag).unwrap_or_else(|| unknown(tag));
            let slot = self.slots.get(index);
            slot.submitted = false;
            if let Some(id) = slot.chain {
                slot.answer = Some(answer);
                self.chains.get(id).submitted -= 1;
                self.settle(id);
            } else {
                match judge(slot, answer, self.counters.cell(self.class)) {
                    Verdict::Whole(n) | Verdict::End(n) => self.finish(index, Ok(n)),
                    Verdict::Again => self.pending.push_back(Unit::Op(index)),
                    Verdict::Fail(errno) => self.finish(index, Err(errno)),
                }
            }
        }
    }

    /// Goes through a chain from its front: completes what is decided, in order, and queues the rest anew when the kernel holds
    /// none of it any more.
    fn settle(&mut self, id: u32) {
        loop {
            let chain = self.chains.get(id);
            let (broken, unheld) = (chain.broken, chain.submitted == 0);
            let Some(&index) = chain.members.front() else {
                self.chains.remove(id);
                return;
            };
            let slot = self.slots.get(index);
            let outcome = match slot.answer.take() {
                Some(answer) => match judge(slot, answer, self.counters.cell(self.class)) {
                    Verdict::Whole(n) => Some((Ok(n), broken)),
                    Verdict::End(n) => Some((Ok(n), true)),
                    Verdict::Fail(errno) => Some((Err(errno), true)),
                    // In a broken chain nothing is tried again; before that, the chain goes on from here.
                    Verdict::Again => broken.then_some((Err(libc::ECANCELED), true)),
                },
                None => (broken && !slot.submitted).then_some((Err(libc::ECANCELED), true)),
            };
            if let Some((result, broken)) = outcome {
                let chain = self.chains.get(id);
                chain.broken = broken;
                chain.members.pop_front();
                self.finish(index, result);
                continue;
            }
            // The front is to be submitted (again). What the kernel cancelled behind it goes with it, once it is all back.
            let chain = self.chains.get(id);
            if unheld && !chain.pending {
                chain.pending = true;
                self.pending.push_back(Unit::Chain(id));
            }
            return;
        }
    }

    fn finish(&mut self, index: u32, result: std::result::Result<usize, i32>) {
        let Slot { token, op, fixed, .. } = self.slots.remove(index);
        let cell = self.counters.cell(self.class);
        if let Ok(bytes) = result {
            count(cell, &op, bytes, fixed);
        } else {
            cell.failed.fetch_add(1, Relaxed);
        }
        self.done.push_back(Completion {
            token,
            result: result.map_err(|errno| op.error(errno)),
            buf: op.into_buf(),
        });
    }
}

/// An answer to something that was never asked: the ring's memory is not what it should be, and freeing anything by it
/// would be wrong.
fn unknown(tag: u64) -> ! {
    log::error!("an I/O completion carries the unknown tag {tag:#x}: aborting");
    eprintln!(
        "ringwood: an I/O completion carries the unknown tag {tag:#x}; memory or the ring is corrupt: aborting"
    );
    std::process::abort();
}
