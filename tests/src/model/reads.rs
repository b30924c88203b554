//! Reads, each compared with the reference.

use std::collections::VecDeque;
use std::ops::Bound;

use ringwood::{Cursor, Range};

use super::reader::{Bounds, Reader};
use super::run::Run;
use crate::reference::{Bytes, DEFAULT, SpaceId, brief};

type Entry = (Bytes, Bytes);
const ALL: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

fn borrowed(bounds: &Bounds) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (bounds.0.as_ref().map(Vec::as_slice), bounds.1.as_ref().map(Vec::as_slice))
}

impl Run {
    /// A place to read from, the keyspace that it shows, and the commit that it shows it at.
    fn reader(&mut self) -> (Reader, SpaceId, u64) {
        let space = self.spaces[self.rng.index(self.spaces.len())].clone();
        if !self.snapshots.is_empty() && self.rng.one_in(3) {
            let (snapshot, at) = &self.snapshots[self.rng.index(self.snapshots.len())];
            return (Reader::Snapshot(snapshot.keyspace(&space.handle)), space.id, *at);
        }
        let now = self.reference.now();
        match space.id {
            DEFAULT if self.rng.one_in(2) => (Reader::Db(self.db().clone()), DEFAULT, now),
            _ => (Reader::Space(space.handle), space.id, now),
        }
    }

    /// A key that was written lately, or a new one.
    pub(super) fn some_key(&mut self) -> Bytes {
        if !self.keys.is_empty() && self.rng.percent(70) {
            return self.keys[self.rng.index(self.keys.len())].clone();
        }
        self.shape.key(&mut self.rng)
    }

    pub(super) fn read(&mut self) {
        let (reader, space, at) = self.reader();
        match self.rng.below(10) {
            0..=3 => self.get(&reader, space, at),
            4 | 5 => self.multi_get(&reader, space, at),
            6 | 7 => self.range(&reader, space, at),
            8 => self.prefix(&reader, space, at),
            _ => self.new_cursor(&reader, space, at),
        }
    }

    fn get(&mut self, reader: &Reader, space: SpaceId, at: u64) {
        let key = self.some_key();
        let result = reader.get(&key);
        if let Some(got) = self.settle("get", result) {
            self.agree("get", space, at, &key, got.as_deref());
        }
    }

    fn multi_get(&mut self, reader: &Reader, space: SpaceId, at: u64) {
        let keys: Vec<Bytes> = (0..self.rng.skewed(80)).map(|_| self.some_key()).collect();
        let result = reader.multi_get(&keys);
        if let Some(got) = self.settle("multi_get", result) {
            assert_eq!(got.len(), keys.len());
            for (key, got) in keys.iter().zip(&got) {
                self.agree("multi_get", space, at, key, got.as_deref());
            }
        }
    }

    fn agree(&self, what: &str, space: SpaceId, at: u64, key: &Bytes, got: Option<&[u8]>) {
        let expected = self.reference.get(space, key, at);
        assert!(
            got == expected.map(Vec::as_slice),
            "{what} of {} in keyspace {space} as of {at} is {}, not {}",
            brief(Some(key)),
            brief(got.map(<[u8]>::to_vec).as_ref()),
            brief(expected)
        );
    }

    fn bounds(&mut self) -> Bounds {
        let mut bound = || match self.rng.below(5) {
            0 => Bound::Unbounded,
            1 => Bound::Excluded(self.some_key()),
            _ => Bound::Included(self.some_key()),
        };
        let (from, to) = (bound(), bound());
        // Now and then a range is the wrong way round: that is an empty one.
        let key = |b: &Bound<Bytes>| match b {
            Bound::Included(k) | Bound::Excluded(k) => Some(k.clone()),
            Bound::Unbounded => None,
        };
        let is_inverted = key(&from).zip(key(&to)).is_some_and(|(a, b)| a > b);
        if is_inverted && !self.rng.one_in(5) { (to, from) } else { (from, to) }
    }

    fn range(&mut self, reader: &Reader, space: SpaceId, at: u64) {
        let bounds = self.bounds();
        let expected = self.reference.range(space, at, borrowed(&bounds));
        let expected = expected.map(|(k, v)| (k.clone(), v.clone())).collect();
        let result = reader.range(&bounds);
        if let Some(range) = self.settle("range", result) {
            self.walk(range, expected, &format!("{bounds:?} of keyspace {space} as of {at}"));
        }
    }

    fn prefix(&mut self, reader: &Reader, space: SpaceId, at: u64) {
        let mut prefix = self.some_key();
        prefix.truncate(self.rng.index(prefix.len() + 1));
        let from = Bound::Included(prefix.as_slice());
        let expected = self.reference.range(space, at, (from, Bound::Unbounded));
        let expected = expected.take_while(|(k, _)| k.starts_with(&prefix));
        let expected = expected.map(|(k, v)| (k.clone(), v.clone())).collect();
        let result =
            if prefix.is_empty() && self.rng.one_in(2) { reader.iter() } else { reader.prefix(&prefix) };
        if let Some(range) = self.settle("prefix", result) {
            self.walk(
                range,
                expected,
                &format!("prefix {} of keyspace {space} as of {at}", brief(Some(&prefix))),
            );
        }
    }

    /// Takes entries from a range, from both ends in some order, up to some number.
    fn walk(&mut self, mut range: Range, mut expected: VecDeque<Entry>, what: &str) {
        let total = expected.len();
        let backwards_of_8 = *self.rng.pick(&[0, 0, 8, 8, 4, 1]);
        let steps = if self.rng.one_in(2) { u64::MAX } else { self.rng.skewed(40) };
        for taken in 0..steps {
            let backwards = self.rng.below(8) < backwards_of_8;
            let (got, want) = if backwards {
                (range.next_back(), expected.pop_back())
            } else {
                (range.next(), expected.pop_front())
            };
            let Some(got) = self.settle("range step", got.transpose()) else { return };
            let got = got.map(|(k, v)| (k.to_vec(), v.to_vec()));
            if got != want {
                let show = |e: Option<Entry>| e.map(|(k, v)| (brief(Some(&k)), brief(Some(&v))));
                panic!(
                    "{what}: step {taken} (backwards: {backwards}) gave {:?}, not {:?}; {total} entries in all",
                    show(got),
                    show(want)
                );
            }
            if want.is_none() {
                // An end stays the end.
                assert!(
                    range.next().is_none() && range.next_back().is_none(),
                    "{what}: it went on after its end"
                );
                return;
            }
        }
    }

    fn new_cursor(&mut self, reader: &Reader, space: SpaceId, at: u64) {
        let result = reader.cursor();
        let Some(cursor) = self.settle("cursor", result) else { return };
        assert!(!cursor.valid(), "a new cursor is nowhere");
        if self.cursors.len() >= 4 {
            let old = self.rng.index(self.cursors.len());
            drop(self.cursors.swap_remove(old));
        }
        self.cursors.push((cursor, space, at));
        self.move_cursor();
    }

    /// Seeks with an open cursor and walks some way. It shows what it showed when it was made, whatever was written since.
    pub(super) fn move_cursor(&mut self) {
        if self.cursors.is_empty() {
            return;
        }
        let i = self.rng.index(self.cursors.len());
        let (mut cursor, space, at) = self.cursors.swap_remove(i);
        if self.walk_cursor(&mut cursor, space, at).is_some() {
            self.cursors.push((cursor, space, at));
        }
    }

    fn walk_cursor(&mut self, cursor: &mut Cursor, space: SpaceId, at: u64) -> Option<()> {
        let key = self.some_key();
        let (what, result, mut place) = match self.rng.below(4) {
            0 => ("seek_to_first", cursor.seek_to_first(), self.neighbour(space, at, ALL, true)),
            1 => ("seek_to_last", cursor.seek_to_last(), self.neighbour(space, at, ALL, false)),
            2 => {
                let bounds = (Bound::Included(key.as_slice()), Bound::Unbounded);
                ("seek", cursor.seek(&key), self.neighbour(space, at, bounds, true))
            }
            _ => {
                let bounds = (Bound::Unbounded, Bound::Included(key.as_slice()));
                ("seek_for_prev", cursor.seek_for_prev(&key), self.neighbour(space, at, bounds, false))
            }
        };
        let found = self.settle(what, result)?;
        let context = format!("cursor of keyspace {space} as of {at}: {what} {}", brief(Some(&key)));
        same_place(cursor, found, place.as_ref(), &context);
        let forwards = self.rng.below(5);
        for step in 0..self.rng.skewed(30) {
            let Some((here, _)) = place else { return Some(()) };
            let (result, bounds, ahead) = if self.rng.below(4) < forwards {
                (cursor.next(), (Bound::Excluded(here.as_slice()), Bound::Unbounded), true)
            } else {
                (cursor.prev(), (Bound::Unbounded, Bound::Excluded(here.as_slice())), false)
            };
            let next = self.neighbour(space, at, bounds, ahead);
            let found = self.settle("cursor step", result)?;
            same_place(cursor, found, next.as_ref(), &format!("{context}, step {step} (ahead: {ahead})"));
            place = next;
        }
        Some(())
    }

    fn neighbour(
        &self,
        space: SpaceId,
        at: u64,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        first: bool,
    ) -> Option<Entry> {
        let mut range = self.reference.range(space, at, bounds);
        let (k, v) = if first { range.next() } else { range.next_back() }?;
        Some((k.clone(), v.clone()))
    }

    pub(super) fn take_or_drop_snapshot(&mut self) {
        let now = self.reference.now();
        if self.snapshots.len() < 4 && self.rng.one_in(2) {
            let snapshot = self.db().snapshot();
            self.snapshots.push((snapshot, now));
        } else if !self.snapshots.is_empty() {
            let i = self.rng.index(self.snapshots.len());
            self.snapshots.swap_remove(i);
        }
        let held: Vec<u64> = self.snapshots.iter().map(|s| s.1).collect();
        self.note(format!("snapshots {held:?}"));
    }

    /// Reads from snapshots and cursors whose store was closed.
    pub(super) fn read_old_views(&mut self) {
        for (snapshot, at) in self.snapshots.clone() {
            let reader = Reader::Snapshot(snapshot);
            self.get(&reader, DEFAULT, at);
            self.range(&reader, DEFAULT, at);
        }
        self.move_cursor();
    }
}

fn same_place(cursor: &Cursor, found: bool, place: Option<&Entry>, context: &str) {
    assert!(found == cursor.valid(), "{context}: returned {found}, valid is {}", cursor.valid());
    let got = found.then(|| (cursor.key().to_vec(), cursor.value().to_vec()));
    let show = |e: Option<&Entry>| e.map(|(k, v)| (brief(Some(k)), brief(Some(v))));
    assert!(got.as_ref() == place, "{context}: at {:?}, not {:?}", show(got.as_ref()), show(place));
}
