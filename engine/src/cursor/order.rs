//! Which source comes first: the sources that have an entry, sorted by it.
//!
//! A sorted list and not a heap: a cursor has a handful of sources, the one that moved mostly stays first or among the first, and who comes second must
//! be known at each step. The first eight bytes of each key lie in the list, so that most comparisons touch nothing else.

use std::cmp::Ordering;

use ringwood_sstable::{entry_cmp, same_key};

use super::source::Source;

/// See the module documentation.
#[derive(Debug, Default)]
pub(super) struct Order {
    places: Vec<Place>,
    is_backward: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// [`Source::key_head`].
    head: u64,
    source: u32,
}

impl Order {
    /// Orders all sources anew; the direction is that of what comes first.
    pub(super) fn rebuild(&mut self, sources: &[Source], is_forward: bool) {
        self.is_backward = !is_forward;
        self.places.clear();
        for (i, source) in sources.iter().enumerate() {
            if !source.is_valid() {
                continue;
            }
            let place = Place { head: source.key_head(), source: i as u32 };
            self.places.push(place);
            let mut at = self.places.len() - 1;
            while at > 0 && self.cmp(sources, &place, &self.places[at - 1]).is_lt() {
                self.places[at] = self.places[at - 1];
                at -= 1;
            }
            self.places[at] = place;
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }

    /// The source that comes first.
    #[inline]
    pub(super) fn first(&self) -> Option<usize> {
        self.places.first().map(|place| place.source as usize)
    }

    /// Whether the second source's entry has the key of the first one's.
    #[inline]
    pub(super) fn is_tied(&self, sources: &[Source]) -> bool {
        match self.places.as_slice() {
            [a, b, ..] => has_same_key(sources, a, b),
            _ => false,
        }
    }

    /// How many sources' entries have the key of the first one's, which is one of them.
    pub(super) fn tied(&self, sources: &[Source]) -> usize {
        let Some((first, rest)) = self.places.split_first() else { return 0 };
        1 + rest.iter().take_while(|place| has_same_key(sources, first, place)).count()
    }

    /// The source at a place that there is.
    #[inline]
    pub(super) fn source(&self, place: usize) -> usize {
        self.places[place].source as usize
    }

    /// The source at a place moved to an entry whose key has this head. [`first_moved_all`](Self::first_moved_all) then finds its new place.
    #[inline]
    pub(super) fn set_head(&mut self, place: usize, head: u64) {
        self.places[place].head = head;
    }

    /// The first `count` sources moved, and their heads are [set](Self::set_head). Finds their new places.
    pub(super) fn first_moved_all(&mut self, count: usize, sources: &[Source]) {
        for from in (0..count).rev() {
            self.sift(from, sources);
        }
    }

    /// The first source moved: finds its new place, or leaves it out if it is at its end.
    pub(super) fn first_moved(&mut self, sources: &[Source]) {
        let Some(first) = self.places.first() else { return };
        let source = &sources[first.source as usize];
        if source.is_valid() {
            self.first_moved_to(source.key_head(), sources);
        } else {
            self.places.remove(0);
        }
    }

    /// The first source moved to an entry whose key has this head. Finds its new place.
    #[inline]
    pub(super) fn first_moved_to(&mut self, head: u64, sources: &[Source]) {
        match self.places.as_mut_slice() {
            [] => {}
            [first] => first.head = head,
            [first, second, ..] => {
                first.head = head;
                let stays = if self.is_backward { head > second.head } else { head < second.head };
                if !stays {
                    self.sift(0, sources);
                }
            }
        }
    }

    /// Moves a place to where it belongs among those behind it, which are in order.
    fn sift(&mut self, from: usize, sources: &[Source]) {
        let moved = self.places[from];
        let mut at = from;
        while let Some(next) = self.places.get(at + 1)
            && self.cmp(sources, next, &moved).is_lt()
        {
            self.places[at] = *next;
            at += 1;
        }
        self.places[at] = moved;
    }

    /// How the entries of two places are ordered in the direction of the move.
    #[inline]
    fn cmp(&self, sources: &[Source], a: &Place, b: &Place) -> Ordering {
        let order = a.head.cmp(&b.head).then_with(|| {
            let (a, b) = (&sources[a.source as usize], &sources[b.source as usize]);
            entry_cmp(a.key(), a.seq(), b.key(), b.seq())
        });
        if self.is_backward { order.reverse() } else { order }
    }
}

#[inline]
fn has_same_key(sources: &[Source], a: &Place, b: &Place) -> bool {
    a.head == b.head && same_key(sources[a.source as usize].key(), sources[b.source as usize].key())
}
