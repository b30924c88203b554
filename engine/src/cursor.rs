//! Cursors: the visible entries of a tree in order, merged from memtables and tables.
//!
//! Each memtable, each table of level 0 and each deeper level is a *source* with a position of its own ([`Source`]). A sorted list tells which comes
//! first ([`Order`]). Of the versions of a key, the newest that the cursor's sequence number sees decides: a put is given out, a tombstone hides the
//! key.
//!
//! Going forward the versions of a key come newest first, and the entry is given out where it lies. Going backward they come oldest first: the
//! last one seen that is visible decides, and it is held by its block or memtable while the sources have moved on. Turning round costs a seek.
//!
//! *Steps.* Nearly always the entry to move to has a key of its own: the next one in the same block is of another key, and so is the entry of the
//! source that comes second. Then a step ([`Cursor::step_forward`], [`Cursor::step_backward`]) is one move of one source and one comparison, no key is
//! copied, and going backward the entry is given out where it lies too. Of a key that was overwritten since some of the sources were made, going
//! forward, each source that has it makes one such move ([`Cursor::step_tied`]). All other cases take the long way ([`Cursor::settle_forward`],
//! [`Cursor::settle_backward`]).
//!
//! A seek moves all sources together: the blocks that they miss are fetched in one enter, and of those that they have, each step of the search is
//! made in all before the next, so that the processor waits for the memory of all at once.
//!
//! Many scans are short, and a cursor over many tables has much to set up: so what a cursor leaves behind serves the next one over the same view
//! ([`Spares`]).
//!
//! A memtable keeps every version of a key that is written often. After [`STEPS_MAX`] of them in a row the cursor leaps: a search, to what it wants
//! of the key or past it, costs less than as many steps again. (Tables keep one version, and one more for each snapshot between.)

mod order;
mod source;
mod spares;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk_tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_sstable::{FetchLane, Kind, SEQ_MAX, same_key};

use crate::Result;
use crate::store::Store;
use crate::tree::Tree;
use crate::value::Value;
use crate::version::View;
use source::{Goal, Source};
use spares::Parts;
pub(crate) use spares::Spares;

/// Steps over versions of one key in a row, at most.
const STEPS_MAX: u32 = 16;

/// A position among the entries of a keyspace, as they were when the cursor was made. Owned, re-seekable, one thread at a time (it may be sent to
/// another).
///
/// Reading ahead: a cursor that moves on in one direction fetches more blocks at once each time it runs out, up to 64 a source. One that goes on
/// beyond that is read ahead by a thread of the store's, up to 1 MiB a source.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let db = ringwood::Db::open(dir.path().join("data"))?;
/// # for (k, v) in [("a", "1"), ("c", "3"), ("e", "5")] { db.put(k, v)?; }
/// let mut cursor = db.cursor()?;
/// assert!(cursor.seek(b"b")?);
/// assert_eq!((cursor.key(), cursor.value()), (&b"c"[..], &b"3"[..]));
/// assert!(cursor.prev()?);
/// assert_eq!(cursor.key(), b"a");
/// assert!(!cursor.prev()?);
/// # db.close()?;
/// # Ok::<(), ringwood::Error>(())
/// ```
pub struct Cursor {
    store: Arc<Store>,
    view: Arc<View>,
    seq: u64,
    parts: Parts,
    state: State,
    /// The value to give out, if its entry was left behind.
    held: Option<Value>,
    /// Versions of the current key that were stepped over in a row, and in tests all steps and leaps.
    in_a_row: u32,
    #[cfg(test)]
    moves: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// On no entry: before the first move, at an end, or after an error.
    Nowhere,
    /// On the entry of the first source; the others stand behind it.
    Forward,
    /// On the entry of the first source; the others stand before it.
    Backward,
    /// On `key` and `held`; all sources stand on entries before it.
    LeftBehind,
}

/// How a step went.
enum Stepped {
    /// The cursor is on the next entry.
    There,
    /// The sources stand where the next entry is to be looked for.
    Onward,
    /// The same, and some of them stand on `key` still, which was passed.
    OnwardPast,
    /// Nothing has moved.
    No,
}

impl Cursor {
    pub(crate) fn new(store: &Arc<Store>, tree: &Tree, seq: Option<u64>) -> Self {
        // The view first, as in `Store::get`.
        let view = tree.view_owned();
        let seq = seq.unwrap_or_else(|| store.visible.load(Ordering::Acquire));
        Self::over(store, view, seq)
    }

    fn over(store: &Arc<Store>, view: Arc<View>, seq: u64) -> Self {
        let parts = view.spares.take(&view);
        let store = Arc::clone(store);
        Self {
            store,
            view,
            seq,
            parts,
            state: State::Nowhere,
            held: None,
            in_a_row: 0,
            #[cfg(test)]
            moves: 0,
        }
    }

    /// Another cursor over the same moment.
    pub(crate) fn sibling(&self) -> Self {
        Self::over(&self.store, Arc::clone(&self.view), self.seq)
    }

    /// Moves to the first entry whose key is at or after `key`. True if there is one.
    ///
    /// Worst case: one read a source (memtables have none), all in one enter; a second if a block ends just before `key`.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get). The cursor is then on no entry.
    pub fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.move_all(Goal::AtOrAfter(key, SEQ_MAX))?;
        self.settle_forward(false)
    }

    /// Moves to the last entry whose key is at or before `key`. True if there is one.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_for_prev(&mut self, key: &[u8]) -> Result<bool> {
        // Sequence number 0 is the last of a key's versions.
        self.move_all(Goal::AtOrBefore(key, 0))?;
        self.settle_backward()
    }

    /// Moves to the first entry. True if there is one.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_to_first(&mut self) -> Result<bool> {
        self.move_all(Goal::First)?;
        self.settle_forward(false)
    }

    /// Moves to the last entry. True if there is one.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn seek_to_last(&mut self) -> Result<bool> {
        self.move_all(Goal::Last)?;
        self.settle_backward()
    }

    /// Moves to the next entry. True if there is one; from no entry it stays at none.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    #[allow(clippy::should_implement_trait, reason = "a cursor moves; it gives no items")]
    #[inline]
    pub fn next(&mut self) -> Result<bool> {
        match self.state {
            State::Nowhere => return Ok(false),
            State::Forward => match self.step_forward() {
                Stepped::There => return Ok(true),
                Stepped::Onward => return self.settle_forward(false),
                Stepped::OnwardPast => {}
                Stepped::No => self.keep_key(),
            },
            State::Backward | State::LeftBehind => {
                self.keep_key();
                let key = std::mem::take(&mut self.parts.key);
                let moved = self.move_all(Goal::AtOrAfter(&key, SEQ_MAX));
                self.parts.key = key;
                moved?;
            }
        }
        self.settle_forward(true)
    }

    /// Moves to the entry before. True if there is one; from no entry it stays at none.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    #[inline]
    pub fn prev(&mut self) -> Result<bool> {
        match self.state {
            State::Nowhere => return Ok(false),
            State::LeftBehind => {}
            State::Backward => match self.step_backward() {
                Stepped::There => return Ok(true),
                Stepped::Onward | Stepped::OnwardPast => {}
                Stepped::No => {
                    self.keep_key();
                    self.state = State::Nowhere;
                    self.pass_backward()?;
                }
            },
            State::Forward => {
                // The newest version that can be is the first of a key's; what lies before it is of an earlier key.
                self.keep_key();
                let key = std::mem::take(&mut self.parts.key);
                let moved = self.move_all(Goal::AtOrBefore(&key, SEQ_MAX));
                self.parts.key = key;
                moved?;
            }
        }
        self.settle_backward()
    }

    /// Whether the cursor is on an entry.
    #[must_use]
    pub fn valid(&self) -> bool {
        self.state != State::Nowhere
    }

    /// The entry's key; empty if the cursor is on none.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match (self.state, self.parts.order.first()) {
            (State::Forward | State::Backward, Some(first)) => self.parts.sources[first].key(),
            (State::LeftBehind, _) => &self.parts.key,
            _ => &[],
        }
    }

    /// The entry's value, where it lies in the cache or the memtable; empty if the cursor is on none.
    #[inline]
    #[must_use]
    pub fn value(&self) -> &[u8] {
        match (self.state, self.parts.order.first()) {
            (State::Forward | State::Backward, Some(first)) => self.parts.sources[first].value(),
            (State::LeftBehind, _) => self.held.as_deref().unwrap_or_default(),
            _ => &[],
        }
    }

    /// The entry's value, to keep. Not copied: it holds its block or memtable.
    #[must_use]
    pub fn value_owned(&self) -> Value {
        match (self.state, self.parts.order.first()) {
            (State::Forward | State::Backward, Some(first)) => self.parts.sources[first].value_owned(),
            _ => self.held.clone().unwrap_or_default(),
        }
    }

    /// Copies the key that the cursor is on, before the sources move.
    fn keep_key(&mut self) {
        if let (State::Forward | State::Backward, Some(first)) = (self.state, self.parts.order.first()) {
            self.parts.key.clear();
            self.parts.key.extend_from_slice(self.parts.sources[first].key());
        }
    }

    /// Moves all sources, together, and orders them.
    fn move_all(&mut self, goal: Goal<'_>) -> Result<()> {
        self.state = State::Nowhere;
        self.held = None;
        for source in &mut self.parts.sources {
            source.aim(&self.view, goal);
        }
        for source in &mut self.parts.sources {
            source.approach(goal);
        }
        loop {
            let mut is_done = true;
            for source in &mut self.parts.sources {
                is_done &= !source.wants(&self.view, goal, &mut self.parts.fetch);
            }
            if is_done {
                break;
            }
            let fetched = self.store.scans.fetch(&mut self.parts.fetch);
            let mut sources = self.parts.sources.iter_mut();
            let supplied = fetched
                .map_err(Into::into)
                .and_then(|()| sources.try_for_each(|s| s.supply(&mut self.parts.fetch)));
            self.parts.fetch.clear();
            supplied?;
        }
        self.parts.order.rebuild(&self.parts.sources, goal.is_forward());
        Ok(())
    }

    /// Goes to the next entry the short way: see the module documentation.
    #[inline]
    fn step_forward(&mut self) -> Stepped {
        let Some(first) = self.parts.order.first() else { return Stepped::No };
        if self.parts.order.is_tied(&self.parts.sources) {
            return self.step_tied();
        }
        let Some(head) = self.parts.sources[first].next_key() else { return Stepped::No };
        self.parts.order.first_moved_to(head, &self.parts.sources);
        if self.first().is_some_and(|now| self.is_shown(now)) { Stepped::There } else { Stepped::Onward }
    }

    /// Goes to the next entry from one of a key that several sources have: each of these is moved by one entry, as far as that is the short way.
    fn step_tied(&mut self) -> Stepped {
        self.keep_key();
        let Parts { sources, order, .. } = &mut self.parts;
        let (tied, mut all) = (order.tied(sources), true);
        for place in 0..tied {
            match sources[order.source(place)].next_key() {
                Some(head) => order.set_head(place, head),
                None => all = false,
            }
        }
        order.first_moved_all(tied, sources);
        match self.first() {
            _ if !all => Stepped::OnwardPast,
            Some(now) if self.is_shown(now) => Stepped::There,
            _ => Stepped::Onward,
        }
    }

    /// Goes to the entry before the short way: see the module documentation.
    #[inline]
    fn step_backward(&mut self) -> Stepped {
        let Some(first) = self.parts.order.first() else { return Stepped::No };
        let Some(head) = self.parts.sources[first].prev_key() else { return Stepped::No };
        self.parts.order.first_moved_to(head, &self.parts.sources);
        if self.is_on_newest() { Stepped::There } else { Stepped::Onward }
    }

    #[inline]
    fn first(&self) -> Option<&Source> {
        self.parts.first()
    }

    /// Whether the entry of a source is one that the cursor sees, and a put.
    #[inline]
    fn is_shown(&self, source: &Source) -> bool {
        source.seq() <= self.seq && source.kind() == Kind::Put
    }

    /// Whether the first entry, going backward, is one to give out, with no newer version of its key before it.
    #[inline]
    fn is_on_newest(&self) -> bool {
        let is_only = |first: &Source| self.is_shown(first) && first.is_newest();
        self.first().is_some_and(is_only) && !self.parts.order.is_tied(&self.parts.sources)
    }

    /// Goes forward to the first visible entry from where the sources are; with `skip`, of a later key than `self.parts.key`.
    fn settle_forward(&mut self, mut skip: bool) -> Result<bool> {
        self.state = State::Nowhere;
        self.in_a_row = 0;
        while let Some(first) = self.parts.order.first() {
            let source = &self.parts.sources[first];
            let is_shadowed = skip && same_key(source.key(), &self.parts.key);
            let is_visible = source.seq() <= self.seq;
            if !is_shadowed && is_visible {
                if source.kind() == Kind::Put {
                    self.state = State::Forward;
                    return Ok(true);
                }
                self.parts.key.clear();
                self.parts.key.extend_from_slice(source.key());
                self.in_a_row = 0;
                skip = true;
            }
            // Nothing more of a key that was decided on; of one that is too new the newest that is not.
            let wanted_seq = if is_visible || is_shadowed { 0 } else { self.seq };
            self.go_on(first, true, |key| Goal::AtOrAfter(key, wanted_seq))?;
        }
        Ok(false)
    }

    /// Goes backward to the last visible entry from where the sources are.
    fn settle_backward(&mut self) -> Result<bool> {
        self.state = State::Nowhere;
        self.held = None;
        while let Some(first) = self.parts.order.first() {
            if self.is_on_newest() {
                self.state = State::Backward;
                return Ok(true);
            }
            self.parts.key.clear();
            self.parts.key.extend_from_slice(self.parts.sources[first].key());
            self.pass_backward()?;
            if self.held.is_some() {
                self.state = State::LeftBehind;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes backward past all versions of `self.parts.key`, oldest first. The last that is visible is held, if it is a put.
    fn pass_backward(&mut self) -> Result<()> {
        self.in_a_row = 0;
        while let Some(first) =
            self.parts.order.first().filter(|&f| self.parts.sources[f].key() == self.parts.key)
        {
            let source = &self.parts.sources[first];
            if source.seq() <= self.seq {
                self.held = (source.kind() == Kind::Put).then(|| source.value_owned());
            }
            // The newest that is visible; or if the source has been there, what lies before the key.
            let (is_older, seq) = (source.seq() < self.seq, self.seq);
            self.go_on(first, false, |key| {
                if is_older { Goal::AtOrAfter(key, seq) } else { Goal::AtOrBefore(key, SEQ_MAX) }
            })?;
        }
        Ok(())
    }

    /// Moves the first source by one entry; or to `goal` of its key, which lies in that direction, if there were many steps.
    #[inline]
    fn go_on(&mut self, first: usize, is_forward: bool, goal: impl Fn(&[u8]) -> Goal<'_>) -> Result<()> {
        #[cfg(test)]
        {
            self.moves += 1;
        }
        self.in_a_row += 1;
        let source = &mut self.parts.sources[first];
        if self.in_a_row > STEPS_MAX && source.leap(&self.view, goal) {
            self.in_a_row = 0;
        } else if is_forward {
            source.next(&self.view, &self.store.scans)?;
        } else {
            source.prev(&self.view, &self.store.scans)?;
        }
        self.parts.order.first_moved(&self.parts.sources);
        Ok(())
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.view.spares.put(std::mem::take(&mut self.parts));
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({:?}, {} sources)", self.state, self.parts.sources.len())
    }
}
