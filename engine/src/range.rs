//! Ranges: iterators over entries, from both ends.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use crate::cursor::Cursor;
use crate::value::Key;
use crate::{Result, Value};

/// Where a range begins and ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    from: Option<Vec<u8>>,
    from_excluded: bool,
    to: Option<Vec<u8>>,
    to_included: bool,
}

impl Bounds {
    pub(crate) fn of<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Self {
        let mut bounds = Self::default();
        match range.start_bound() {
            Bound::Included(k) => bounds.from = Some(k.as_ref().to_vec()),
            Bound::Excluded(k) => (bounds.from, bounds.from_excluded) = (Some(k.as_ref().to_vec()), true),
            Bound::Unbounded => {}
        }
        match range.end_bound() {
            Bound::Included(k) => (bounds.to, bounds.to_included) = (Some(k.as_ref().to_vec()), true),
            Bound::Excluded(k) => bounds.to = Some(k.as_ref().to_vec()),
            Bound::Unbounded => {}
        }
        bounds
    }

    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        // The least key that is greater than all with the prefix: its last byte that is not 255 plus one.
        let end = prefix.iter().rposition(|&b| b != 255).map(|at| {
            let mut end = prefix[..=at].to_vec();
            end[at] += 1;
            end
        });
        Self { from: Some(prefix.to_vec()), to: end, ..Self::default() }
    }

    fn is_before(&self, key: &[u8]) -> bool {
        self.from.as_deref().is_some_and(|from| key < from || (self.from_excluded && key == from))
    }

    fn is_past(&self, key: &[u8]) -> bool {
        self.to.as_deref().is_some_and(|to| key > to || (!self.to_included && key == to))
    }
}

/// An iterator over entries in key order, and from the end with [`rev`](Iterator::rev). Owned; sees the store as of the moment that
/// it was made.
///
/// Reads ahead: the longer a scan goes on, the more blocks it fetches in one enter. For the fastest scan without copies use a
/// [`Cursor`].
pub struct Range {
    bounds: Bounds,
    front: Cursor,
    /// Made when the range is first asked from its end.
    back: Option<Cursor>,
    front_started: bool,
    is_over: bool,
}

impl Range {
    pub(crate) fn new(cursor: Cursor, bounds: Bounds) -> Self {
        Self { bounds, front: cursor, back: None, front_started: false, is_over: false }
    }

    fn step_front(&mut self) -> Result<bool> {
        let cursor = &mut self.front;
        let mut found = if self.front_started {
            cursor.next()?
        } else {
            match &self.bounds.from {
                Some(from) => cursor.seek(from)?,
                None => cursor.seek_to_first()?,
            }
        };
        self.front_started = true;
        // At most the one key of an excluded bound.
        while found && self.bounds.is_before(cursor.key()) {
            found = cursor.next()?;
        }
        let met = self.back.as_ref().is_some_and(|back| found && back.valid() && cursor.key() >= back.key());
        Ok(found && !self.bounds.is_past(cursor.key()) && !met)
    }

    fn step_back(&mut self) -> Result<bool> {
        let mut found = if let Some(cursor) = &mut self.back {
            cursor.prev()?
        } else {
            let cursor = self.back.insert(self.front.sibling());
            match &self.bounds.to {
                Some(to) => cursor.seek_for_prev(to)?,
                None => cursor.seek_to_last()?,
            }
        };
        let cursor = self.back.as_mut().expect("made above");
        while found && self.bounds.is_past(cursor.key()) {
            found = cursor.prev()?;
        }
        let front = &self.front;
        let met = self.front_started && found && front.valid() && cursor.key() <= front.key();
        Ok(found && !self.bounds.is_before(cursor.key()) && !met)
    }
}

impl Iterator for Range {
    type Item = Result<(Key, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.step_front() {
            Ok(true) => return Some(Ok((Key::new(self.front.key()), self.front.value_owned()))),
            Ok(false) => {}
            Err(error) => {
                self.is_over = true;
                return Some(Err(error));
            }
        }
        self.is_over = true;
        None
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.step_back() {
            Ok(true) => {
                let cursor = self.back.as_ref().expect("stepped");
                return Some(Ok((Key::new(cursor.key()), cursor.value_owned())));
            }
            Ok(false) => {}
            Err(error) => {
                self.is_over = true;
                return Some(Err(error));
            }
        }
        self.is_over = true;
        None
    }
}

impl std::iter::FusedIterator for Range {}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Range({:?})", self.bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_all_keys_that_start_with_it_and_no_other() {
        let inside = |prefix: &[u8], key: &[u8]| {
            let bounds = Bounds::prefix(prefix);
            !bounds.is_before(key) && !bounds.is_past(key)
        };
        for (prefix, key) in [
            (&b"ab"[..], &b"ab"[..]),
            (b"ab", b"abc"),
            (b"ab", b"ab\xff\xff"),
            (b"a\xff", b"a\xff\xff"),
            (b"\xff", b"\xff\xff"),
            (b"", b"anything"),
        ] {
            assert!(inside(prefix, key), "{prefix:?} {key:?}");
        }
        for (prefix, key) in
            [(&b"ab"[..], &b"aa"[..]), (b"ab", b"ac"), (b"ab", b"a"), (b"a\xff", b"b"), (b"\xff", b"\xfe")]
        {
            assert!(!inside(prefix, key), "{prefix:?} {key:?}");
        }
    }
}
