//! One word for each block of a table: where the block is.
//!
//! ```text
//! 0                empty: not cached, and nothing is known of it
//! 1                loading: a fill is on its way
//! 2 ..= 2^31 - 1   in frame number (word - 2)
//! 2^31 + stamp     a ghost: not cached, evicted at this count of evictions (modulo 2^31)
//! ```
//! The ghosts are the memory of what was evicted lately, which the replacement policy wants; they cost nothing here.
//!
//! # Who changes a word
//!
//! | from → to | who |
//! |---|---|
//! | empty, ghost → loading | a claim, under the policy's lock |
//! | loading → frame | the fill that publishes |
//! | loading → empty | the fill that is abandoned, under the policy's lock |
//! | frame → empty, ghost | whoever evicts, under the policy's lock and holding the frame's LOCKED |
//!
//! # Why a getter has the right block
//!
//! A getter loads word `w` of block `b`, pins the frame that it names, and loads the word again. If it is still `w`, the frame
//! holds `b`. For the pin succeeded on an unlocked frame, in some *epoch* of it (from a publication to the next LOCKED), and
//! it acquired that publication. Every `frame → empty` store of earlier epochs was made under LOCKED before that publication, hence
//! happens before the second load. So the second load's `w` was stored by this epoch's publication: no later epoch can begin
//! while the pin is held, and an earlier epoch's `w` is hidden by the store that ended it. A changed word makes a miss, which
//! the claim then looks at under the lock.

use crate::sync::{Arc, AtomicU32, Ordering};

const EMPTY: u32 = 0;
const LOADING: u32 = 1;
const FRAME: u32 = 2;
const GHOST: u32 = 1 << 31;

/// A word, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    Empty,
    Loading,
    Frame(u32),
    /// The class's count of evictions when the block was evicted, modulo 2^31.
    Ghost(u32),
}

impl Slot {
    #[inline]
    fn decode(word: u32) -> Self {
        match word {
            EMPTY => Self::Empty,
            LOADING => Self::Loading,
            w if w < GHOST => Self::Frame(w - FRAME),
            w => Self::Ghost(w - GHOST),
        }
    }

    fn encode(self) -> u32 {
        match self {
            Self::Empty => EMPTY,
            Self::Loading => LOADING,
            Self::Frame(id) => id + FRAME,
            Self::Ghost(stamp) => stamp | GHOST,
        }
    }
}

/// The words of one table. Aligned, so that the reference count, which misses write, is not on the line that hits read.
#[repr(align(64))]
pub(super) struct Slots {
    /// Which of the cache's gates the waiters of this table's first block use.
    pub(super) stripe: u32,
    words: Box<[AtomicU32]>,
}

impl Slots {
    pub(super) fn new(stripe: u32, blocks: u32) -> Arc<Self> {
        let words = (0..blocks).map(|_| AtomicU32::new(EMPTY)).collect();
        Arc::new(Self { stripe, words })
    }

    pub(super) fn len(&self) -> u32 {
        self.words.len() as u32
    }

    /// The slot of a block: what a frame number in it says is only true once the frame is pinned and the word
    /// [`confirmed`](Self::confirm).
    ///
    /// # Panics
    /// If the table has no such block.
    #[inline]
    pub(super) fn load(&self, block: u32) -> Slot {
        // Acquire: the making of the frame, and that it was unlocked, before a number of it is used.
        Slot::decode(self.words[block as usize].load(Ordering::Acquire))
    }

    /// Whether the block is (still) in frame `id`. For a getter that has `id` pinned.
    #[inline]
    pub(super) fn confirm(&self, block: u32, id: u32) -> bool {
        // Relaxed: ordered by the pin's acquire, as the module documentation argues.
        self.words[block as usize].load(Ordering::Relaxed) == id + FRAME
    }

    /// Whether a fill of the block is under way. For the condition of a gate: its store and load and the gate's own count
    /// must be in one total order, or a wake-up could be missed.
    pub(super) fn is_loading(&self, block: u32) -> bool {
        self.words[block as usize].load(Ordering::SeqCst) == LOADING
    }

    /// Changes a slot, by the table in the module documentation.
    pub(super) fn store(&self, block: u32, slot: Slot) {
        // Release: a published frame's unlocking comes before its number.
        self.words[block as usize].store(slot.encode(), Ordering::Release);
    }
}
