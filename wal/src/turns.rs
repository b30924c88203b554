//! Turns: who writes the next commit group, the log thread or a waiter that *leads*.
//!
//! Groups are written one at a time, by whoever holds the turn. A waiter that finds it free, and nobody else waiting, takes it and
//! writes its group itself: that saves it two hand-overs between threads. So does the waiter that makes a group that
//! [gathers](crate::pump::gather) complete. In all other cases the log thread writes, one group for all who wait. The test `turns_loom` runs every interleaving of what follows.
//!
//! # The protocol
//!
//! 1. Who waits first *asks* for its position, then looks whether the turn is free.
//! 2. Who had the turn first gives it back, then looks what is asked for, and wakes the log thread if there is anything. (The log
//!    thread itself looks before it sleeps.)
//! 3. So of a waiter that finds the turn taken and a holder that leaves, at least one sees the other: both have a fence between what
//!    they say and where they look. The waiter may just wait.
//! 4. A waiter that finds the turn free and does not take it tells the log thread.
//! 5. The log thread sleeps only while the turn is taken by a leader, who will look (2), or nothing is due.
//! 6. While a group gathers it is not due before its time is over. Who asks first *lingers*: it waits until then at most, and tells the log
//!    thread if the turn is free then. Who asks after it may just wait. If the first asked before the holder left, the log thread keeps
//!    the time: the holder wakes it.

use crate::Lsn;
use crate::sync::{AtomicU8, AtomicU64, Ordering::SeqCst, fence};

/// Who holds the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Holder {
    /// A thread that waits for its own position.
    Leader = 1,
    /// The log thread.
    Pump = 2,
}

const FREE: u8 = 0;

/// What one who waits is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Write the group: the turn is its own until [`Turns::leave`].
    Lead,
    /// Wait: whoever holds the turn looks what is asked for when it leaves.
    Wait,
    /// Wake the log thread, then wait.
    Tell,
    /// Wait for as long as the group gathers; then wake the log thread, and wait.
    Linger,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Turns {
    holder: AtomicU8,
    /// Someone waits for this position to be durable.
    wanted: AtomicU64,
    /// How many asked so far.
    asks: AtomicU64,
    /// How many asked for what the last group made durable: that is how busy it is.
    served: AtomicU64,
    /// The next group is to wait until so many have asked; 0 if it is not to wait.
    gathering: AtomicU64,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            holder: AtomicU8::new(FREE),
            wanted: AtomicU64::new(0),
            asks: AtomicU64::new(0),
            served: AtomicU64::new(0),
            gathering: AtomicU64::new(0),
        }
    }

    /// Everything before this position is to be durable.
    pub(crate) fn wanted(&self) -> Lsn {
        self.wanted.load(SeqCst)
    }

    /// How many asked so far.
    pub(crate) fn asks(&self) -> u64 {
        self.asks.load(SeqCst)
    }

    /// Says how many asked for the group that begins. By the holder.
    pub(crate) fn serve(&self, askers: u64) {
        self.served.store(askers, SeqCst);
    }

    /// How many asked for what the last group made durable.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(SeqCst)
    }

    /// The next group is to wait until so many have asked; 0: not. By the holder.
    pub(crate) fn gather(&self, asks: u64) {
        self.gathering.store(asks, SeqCst);
    }

    /// Whether the next group waits for more to ask.
    pub(crate) fn is_gathering(&self) -> bool {
        let until = self.gathering.load(SeqCst);
        until > 0 && self.asks() < until
    }

    /// Asks for everything before `lsn` to be durable. Returns what was asked for before.
    pub(crate) fn ask(&self, lsn: Lsn) -> Lsn {
        self.asks.fetch_add(1, SeqCst);
        let before = self.wanted.fetch_max(lsn, SeqCst);
        // Pairs with the one in `leave`.
        fence(SeqCst);
        before
    }

    /// What one who has asked is to do, when `before` is what [`ask`](Self::ask) returned.
    ///
    /// While others wait it is the log thread's: a group for all of them, and the next already forms when the first is done. After
    /// a group for several the same, since they will all be back in a moment; unless the log knows how many, and waits for them: then
    /// it is the turn of the last of them.
    pub(crate) fn turn(&self, before: Lsn, durable: &AtomicU64) -> Turn {
        let is_first = before <= durable.load(SeqCst);
        let is_alone = is_first && self.served.load(SeqCst) <= 1;
        let gathering = self.gathering.load(SeqCst);
        let is_complete = gathering > 0 && self.asks() >= gathering;
        if (is_alone || is_complete) && self.try_take(Holder::Leader) {
            Turn::Lead
        } else if self.is_free() && (gathering == 0 || is_complete) {
            Turn::Tell
        } else if self.is_free() && is_first {
            Turn::Linger
        } else {
            Turn::Wait
        }
    }

    /// Takes the turn if it is free.
    pub(crate) fn try_take(&self, who: Holder) -> bool {
        self.holder.compare_exchange(FREE, who as u8, SeqCst, SeqCst).is_ok()
    }

    /// Gives the turn back. Whoever does so then looks what is asked for.
    pub(crate) fn leave(&self) {
        self.holder.store(FREE, SeqCst);
        // Pairs with the one in `ask`.
        fence(SeqCst);
    }

    /// Whether nobody has the turn.
    pub(crate) fn is_free(&self) -> bool {
        self.holder.load(SeqCst) == FREE
    }
}
