//! What a piece of the input came to: entries, and complaints about what is none.

use std::fmt;

use ringwood::{KEY_BYTES_MAX, VALUE_BYTES_MAX, WriteBatch};

use super::binary::{entries, push_entry};
use super::piece::Place;

/// What is wrong with the input, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) place: Place,
    pub(super) what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.place.line, self.place.column, self.what)
    }
}

/// The parser is to stop: it has complained, and nothing may be left out.
#[derive(Debug)]
pub(super) struct Stop;

/// Where a parser puts its entries.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Encoded as in a binary dump.
    entries: Vec<u8>,
    /// Where the keys stand, one an entry; none if that is not known.
    places: Vec<Place>,
    count: u64,
    is_ascending: bool,
    /// Where the last key lies in `entries`.
    last: std::ops::Range<usize>,
    pub(super) complaints: Vec<Complaint>,
    /// Whether what is complained about is left out, and the parser goes on.
    skip: bool,
}

impl Parsed {
    pub(super) fn new(skip: bool) -> Self {
        Self { skip, is_ascending: true, ..Self::default() }
    }

    /// Entries of a binary dump.
    pub(super) fn of_dump(payload: Vec<u8>) -> Self {
        let mut parsed = Self::new(false);
        let mut last: &[u8] = &[];
        for (key, _) in entries(&payload) {
            parsed.is_ascending &= last < key;
            parsed.count += 1;
            last = key;
        }
        let at = last.as_ptr().addr() - payload.as_ptr().addr();
        parsed.last = if last.is_empty() { 0..0 } else { at..at + last.len() };
        parsed.entries = payload;
        parsed
    }

    /// Takes an entry, whose key begins at this place.
    pub(super) fn put(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) || value.len() > VALUE_BYTES_MAX {
            // The store says it best.
            let refused = WriteBatch::new().put(key, value).err();
            return self.complain(place, refused.map_or_else(String::new, |e| e.to_string()));
        }
        self.is_ascending &= self.last_key() < key;
        push_entry(key, value, &mut self.entries);
        let key_at = self.entries.len() - key.len() - value.len();
        self.last = key_at..key_at + key.len();
        self.places.push(place);
        self.count += 1;
        Ok(())
    }

    /// Leaves something out, if that is allowed.
    pub(super) fn complain(&mut self, place: Place, what: String) -> Result<(), Stop> {
        self.complaints.push(Complaint { place, what });
        if self.skip { Ok(()) } else { Err(Stop) }
    }

    /// Keys and values in their order, each with the place of its key if that is known.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Option<Place>, &[u8], &[u8])> {
        let places = self.places.iter().copied().map(Some).chain(std::iter::repeat(None));
        entries(&self.entries).zip(places).map(|((key, value), place)| (place, key, value))
    }

    /// Number of entries.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Whether each key is above the one before it.
    pub(super) fn is_ascending(&self) -> bool {
        self.is_ascending
    }

    pub(super) fn last_key(&self) -> &[u8] {
        &self.entries[self.last.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_seen_and_entries_come_back() {
        let parse = |keys: &[&str]| {
            let mut parsed = Parsed::new(false);
            keys.iter().for_each(|key| parsed.put(Place::START, key.as_bytes(), b"value").unwrap());
            parsed
        };
        for (keys, is_ascending) in [
            (&["a", "b", "ba"][..], true),
            (&["a", "a"], false),
            (&["b", "a", "c"], false),
            (&["a"], true),
            (&[], true),
        ] {
            let parsed = parse(keys);
            let dumped = Parsed::of_dump(parsed.entries.clone());
            for parsed in [&parsed, &dumped] {
                assert_eq!(parsed.is_ascending(), is_ascending, "{keys:?}");
                assert_eq!(
                    (parsed.len(), parsed.last_key()),
                    (keys.len() as u64, keys.last().unwrap_or(&"").as_bytes())
                );
                assert!(parsed.entries().map(|(_, key, _)| key).eq(keys.iter().map(|k| k.as_bytes())));
            }
        }
    }

    #[test]
    fn what_the_store_would_not_take_is_complained_about() {
        let mut parsed = Parsed::new(true);
        for (key, value) in [(0, 1), (KEY_BYTES_MAX + 1, 1), (1, VALUE_BYTES_MAX + 1), (1, 1)] {
            parsed.put(Place::START, &vec![b'k'; key], &vec![b'v'; value]).unwrap();
        }
        let told: Vec<_> = parsed.complaints.iter().map(Complaint::to_string).collect();
        assert_eq!((parsed.len(), told.len()), (1, 3));
        assert!(told[0].starts_with("line 1, column 1: the key"), "{told:?}");
        assert!(Parsed::new(false).put(Place::START, b"", b"").is_err());
    }
}
