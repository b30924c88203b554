//! A frame: the memory of one cached block, its pins, and who may touch it.
//!
//! One of the two modules of the cache with `unsafe` (the other is `block_ref`). All that the rest of the cache can do to a
//! frame goes through the methods here, and each state allows each method to a known party only.
//!
//! # The state word
//!
//! ```text
//! bit  0..32   pins      BlockRefs, and for a moment getters that have not looked at the lock bit yet
//! bit 32       LOCKED    one party (policy or fill) owns the frame alone: free, loading or being evicted
//! bit 33       ORPHAN    the cache is gone (or never was: private frames): the last unpin frees the frame
//! bit 34       PRIVATE   not in the table: a box of its own
//! bit 40..64   hits      point hits since the frame was made, modulo 2^24; never reset
//! ```
//! Pinning and counting a hit is one `fetch_add`. The hits sit on top of the word so that their wrap-around falls off it.
//!
//! # Why a pinned frame does not change
//!
//! 1. Only the holder of LOCKED writes the content. LOCKED is taken by a compare-exchange from a word with *no pins*, so at that
//!    moment no verified pin exists.
//! 2. A getter's `fetch_add` either comes before that exchange in the word's modification order, and then the exchange
//!    fails; or after it, and then the value it returns has LOCKED set and the getter takes its pin back without having looked
//!    at the content. There is no third case, since both are read-modify-writes of one word.
//! 3. Unpin releases, the exchange acquires (through the chain of read-modify-writes it reads from *every* earlier unpin), so all
//!    reads of the old content happen before the first write of the new one.
//! 4. Publishing is a release that clears LOCKED; a pin is an acquire of it (or of a later read-modify-write in its release
//!    sequence), so the new content happens before every read of it.
//!
//! That a pinned frame holds the block that the getter *wanted* is the slot's business: see `slots`.

use std::ptr::NonNull;

use ringwood_ring::Buf;

use super::block_ref::BlockRef;
use super::table::Table;
use crate::sync::{Arc, AtomicU64, Cell, Ordering, Shadow};

const PIN: u64 = 1;
const PINS: u64 = (1 << 32) - 1;
/// More pins than memory has room for handles: only leaked handles get here.
const PINS_LIMIT: u64 = 1 << 31;
const LOCKED: u64 = 1 << 32;
const ORPHAN: u64 = 1 << 33;
const PRIVATE: u64 = 1 << 34;
const HITS_SHIFT: u32 = 40;
const HIT: u64 = 1 << HITS_SHIFT;
/// Hits after which the count of one frame starts over.
pub(super) const HITS_MODULUS: u32 = 1 << (64 - HITS_SHIFT);

struct Content {
    /// The frame's memory. None while a fill has it, after a fill lost it, and while the slab has none.
    buf: Option<Buf>,
    /// The block: a start of the buffer.
    bytes: NonNull<[u8]>,
}

impl Content {
    fn new(buf: Buf, len: usize) -> Self {
        // A Buf is a handle: moving it does not move its bytes.
        let bytes = NonNull::from(&buf.as_slice()[..len]);
        Self { buf: Some(buf), bytes }
    }

    fn none(buf: Option<Buf>) -> Self {
        Self { buf, bytes: NonNull::from(&[]) }
    }
}

/// See the module documentation. A cache line each, so that the pins of one block do not slow its neighbours.
#[repr(align(64))]
pub(crate) struct Frame {
    state: AtomicU64,
    /// Written by the holder of LOCKED, read by holders of a pin.
    content: Cell<Content>,
    /// What keeps this frame's memory alive once it is an orphan. Written before ORPHAN is set, taken by the last unpin.
    keeper: Cell<Option<Arc<Table>>>,
    shadow: Shadow,
}

// SAFETY: `state` is atomic. `content` and `keeper` are accessed by the parties named on the fields only, in the order that the
// module documentation argues; what they hold (Buf, Arc<Table>) may itself move between threads.
unsafe impl Send for Frame {}
// SAFETY: as above.
unsafe impl Sync for Frame {}

/// What came of trying to pin.
pub(super) enum Pin {
    /// Pinned; the content is readable until the unpin.
    Pinned {
        /// The frame's hit count started over with this hit.
        wrapped: bool,
    },
    /// The frame is free, loading or being evicted. Nothing is pinned.
    Locked,
}

impl Frame {
    /// Frame number `id`, without memory, and the lock on it.
    pub(super) fn new(id: u32) -> (Self, Locked) {
        (Self::with(LOCKED, Content::none(None)), Locked { id })
    }

    /// A frame outside the table, with one pin. The last unpin frees it.
    pub(super) fn private(buf: Buf, len: usize) -> NonNull<Self> {
        let frame = Self::with(PIN | ORPHAN | PRIVATE, Content::new(buf, len));
        NonNull::from(Box::leak(Box::new(frame)))
    }

    fn with(state: u64, content: Content) -> Self {
        Self {
            state: AtomicU64::new(state),
            content: Cell::new(content),
            keeper: Cell::new(None),
            shadow: Shadow::new(),
        }
    }

    /// Pins the frame unless it is locked. `hit` counts a point hit.
    #[inline]
    pub(super) fn pin(&self, hit: bool) -> Pin {
        let add = if hit { PIN | HIT } else { PIN };
        let old = self.state.fetch_add(add, Ordering::Acquire);
        if old & (LOCKED | PINS_LIMIT) != 0 {
            return self.take_back(old, add);
        }
        let wrapped = hit && old >> HITS_SHIFT == u64::from(HITS_MODULUS - 1);
        Pin::Pinned { wrapped }
    }

    #[cold]
    fn take_back(&self, old: u64, add: u64) -> Pin {
        abort_at_limit(old);
        // Relaxed: this pin has read nothing.
        self.state.fetch_sub(add, Ordering::Relaxed);
        Pin::Locked
    }

    /// One more pin of a frame that the caller has pinned already.
    #[inline]
    pub(super) fn pin_again(&self) {
        // Relaxed: the caller's own pin already orders the content before this.
        let old = self.state.fetch_add(PIN, Ordering::Relaxed);
        if old & PINS_LIMIT != 0 {
            abort_at_limit(old);
        }
    }

    /// Takes back a pin, and the hit that was counted with it: the frame turned out to hold another block.
    #[cold]
    pub(super) fn unpin_stranger(&self, hit: bool) {
        // Not an orphan: the getter's table is alive. Relaxed: this pin has read nothing.
        self.state.fetch_sub(if hit { PIN | HIT } else { PIN }, Ordering::Relaxed);
    }

    /// Whether someone pins the frame, and whether it is locked, at this moment.
    pub(super) fn is_pinned(&self) -> bool {
        let now = self.state.load(Ordering::Relaxed);
        now & LOCKED == 0 && now & PINS != 0
    }

    /// Point hits so far, modulo [`HITS_MODULUS`].
    pub(super) fn hits(&self) -> u32 {
        (self.state.load(Ordering::Relaxed) >> HITS_SHIFT) as u32
    }

    /// The block's bytes.
    ///
    /// # Safety
    /// The caller holds a pin; the bytes are good while it does.
    #[inline]
    pub(super) unsafe fn bytes(&self) -> NonNull<[u8]> {
        // SAFETY: while a pin is held nobody writes the content (module documentation).
        self.content.with(|content| unsafe { (*content).bytes })
    }

    /// The bytes are being read (for the models).
    #[inline]
    pub(super) fn touch(&self) {
        self.shadow.read();
    }

    /// Makes the frame its pins' property: the last unpin frees the memory. Without pins it is freed at once.
    ///
    /// # Safety
    /// `table` is the table that the frame lives in, and nobody but the owners of verified pins uses the frame any more.
    unsafe fn orphan(&self, table: &Arc<Table>) {
        let keeper = Arc::clone(table);
        // SAFETY: nobody touches the keeper before ORPHAN is set.
        self.keeper.with_mut(|k| unsafe { *k = Some(keeper) });
        // Release: the keeper, for whoever unpins last. Acquire: the unpins so far, for freeing here.
        let old = self.state.fetch_or(ORPHAN, Ordering::AcqRel);
        if old & PINS == 0 {
            // SAFETY: no pins, and no other party by the caller's promise.
            drop(unsafe { self.take_all() });
        }
    }

    /// Takes out all that the frame owns: drop it when the frame itself is not used any more.
    ///
    /// # Safety
    /// The caller is the only party left.
    unsafe fn take_all(&self) -> (Option<Buf>, Option<Arc<Table>>) {
        self.shadow.write();
        // SAFETY: the only party.
        let buf = self.content.with_mut(|content| unsafe { (*content).buf.take() });
        // SAFETY: the only party.
        let keeper = self.keeper.with_mut(|k| unsafe { (*k).take() });
        (buf, keeper)
    }
}

/// The right to frame `id` alone: proof that its word has LOCKED set on the owner's behalf. There is at most one for each
/// frame of a table, and it is used with the table of its own cache only.
///
/// A free frame's is kept by the policy, a loading frame's by the fill. Losing one makes its frame useless, never unsafe.
pub(super) struct Locked {
    id: u32,
}

impl Locked {
    /// Locks frame `id` if nobody has it pinned or locked. The content stays.
    pub(super) fn try_lock(table: &Table, id: u32) -> Option<Self> {
        let state = &table.frame(id).state;
        let now = state.load(Ordering::Relaxed);
        let free = now & (PINS | LOCKED) == 0;
        let locked =
            free && state.compare_exchange(now, now | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok();
        locked.then_some(Self { id })
    }

    /// The frame's number.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Undoes [`try_lock`](Self::try_lock): the frame can be pinned again, with the content that it has.
    pub(super) fn unlock(self, table: &Table) {
        // Relaxed: nothing was written, and as a read-modify-write it continues the publication's release sequence.
        table.frame(self.id).state.fetch_and(!LOCKED, Ordering::Relaxed);
    }

    /// Exchanges the frame's memory.
    pub(super) fn swap_buf(&mut self, table: &Table, buf: Option<Buf>) -> Option<Buf> {
        let frame = table.frame(self.id);
        frame.shadow.write();
        // SAFETY: the holder of LOCKED is the only one to touch the content (1 and 2 of the module documentation).
        frame.content.with_mut(|content| unsafe { std::mem::replace(&mut *content, Content::none(buf)) }).buf
    }

    /// Puts the loaded block in, unlocks the frame and pins it for the caller.
    pub(super) fn publish(self, table: &Table, buf: Buf, len: usize) -> BlockRef {
        let (frame, loaded) = (table.frame(self.id), Content::new(buf, len));
        frame.shadow.write();
        // SAFETY: as in `swap_buf`.
        frame.content.with_mut(|content| unsafe { *content = loaded });
        // One step from locked to pinned. Getters that pin for a moment may be adding to the word meanwhile.
        frame.state.fetch_add(PIN.wrapping_sub(LOCKED), Ordering::Release);
        // SAFETY: pinned by that addition, for the BlockRef.
        unsafe { BlockRef::adopt(NonNull::from(frame)) }
    }
}

/// The cache's hold on its table. Letting go leaves every pinned frame to its pins.
pub(super) struct TableOwner(Arc<Table>);

impl TableOwner {
    pub(super) fn new(slabs_max: usize, frames_per_slab: usize) -> Self {
        Self(Arc::new(Table::new(slabs_max, frames_per_slab)))
    }

    pub(super) fn table(&self) -> &Arc<Table> {
        &self.0
    }
}

impl Drop for TableOwner {
    fn drop(&mut self) {
        for frame in self.0.frames() {
            // SAFETY: the frame lives in this table. Residencies, fills and waiters hold the cache that owns us, so none is
            // left; the policy's locks go with the cache unused. BlockRefs are the only users.
            unsafe { frame.orphan(&self.0) };
        }
    }
}

/// Gives up one pin.
///
/// # Safety
/// The caller holds a verified pin of `frame`, and hereby gives it up; it uses neither frame nor bytes afterwards.
#[inline]
pub(super) unsafe fn unpin(frame: NonNull<Frame>) {
    // SAFETY: the pin keeps the frame alive until the subtraction. Only the word is borrowed, so that another thread may free
    // the frame right after it.
    let old = unsafe { &(*frame.as_ptr()).state }.fetch_sub(PIN, Ordering::Release);
    if old & ORPHAN != 0 {
        // SAFETY: as ours; `old` is the word that our pin left.
        unsafe { unpin_orphan(frame, old) };
    }
}

/// # Safety
/// The caller's pin of the orphan `frame` left the word `old`.
#[cold]
unsafe fn unpin_orphan(frame: NonNull<Frame>, old: u64) {
    if old & PINS != 1 {
        return;
    }
    // The last pin: no other can come, since an orphan is only pinned again by those who have a pin. Pairs with the release of
    // every other unpin and of `orphan`. A load and not a fence, which ThreadSanitizer does not know.
    // SAFETY: the last user keeps the frame alive.
    let _ = unsafe { &(*frame.as_ptr()).state }.load(Ordering::Acquire);
    if old & PRIVATE != 0 {
        // SAFETY: a private frame comes from Box::leak in `private`, and this is its last user.
        drop(unsafe { Box::from_raw(frame.as_ptr()) });
    } else {
        // SAFETY: the last user. The keeper holds the frame's own memory, until it is dropped here, after the last use of it.
        drop(unsafe { (*frame.as_ptr()).take_all() });
    }
}

#[cold]
fn abort_at_limit(word: u64) {
    if word & PINS_LIMIT != 0 {
        // Two billion handles of one block were leaked. One more carry would corrupt the word: as Arc does, stop.
        std::process::abort();
    }
}
