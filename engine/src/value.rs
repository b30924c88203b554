//! Keys and values that a call gives back: owned, cheap, and usable after everything else is gone.

use std::fmt;
use std::ops::{Deref, Range};

use ringwood_sstable::BlockRef;

use crate::memtable::MemValue;

/// A value. It refers to the bytes where they are (a pinned block of the cache, or a memtable) and holds them there: nothing is
/// copied. A value that is kept for long keeps its block in the cache; copy it (`to_vec`) to let go.
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Block { block: BlockRef, start: u32, end: u32 },
    Memtable(MemValue),
    Empty,
}

impl Default for Value {
    /// The empty value.
    fn default() -> Self {
        Self(Repr::Empty)
    }
}

impl Value {
    pub(crate) fn in_block(block: BlockRef, range: &Range<usize>) -> Self {
        Self(Repr::Block { block, start: range.start as u32, end: range.end as u32 })
    }

    pub(crate) fn in_memtable(value: MemValue) -> Self {
        Self(Repr::Memtable(value))
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Block { block, start, end } => &block[*start as usize..*end as usize],
            Repr::Memtable(value) => value,
            Repr::Empty => &[],
        }
    }
}

/// A key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

macro_rules! bytes_like {
    ($type:ty) => {
        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                self
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "b\"{}\"", self.escape_ascii())
            }
        }
        impl PartialEq<[u8]> for $type {
            fn eq(&self, other: &[u8]) -> bool {
                **self == *other
            }
        }
        impl PartialEq<&[u8]> for $type {
            fn eq(&self, other: &&[u8]) -> bool {
                **self == **other
            }
        }
        impl<const N: usize> PartialEq<[u8; N]> for $type {
            fn eq(&self, other: &[u8; N]) -> bool {
                **self == other[..]
            }
        }
        impl<const N: usize> PartialEq<&[u8; N]> for $type {
            fn eq(&self, other: &&[u8; N]) -> bool {
                **self == other[..]
            }
        }
        impl PartialEq<Vec<u8>> for $type {
            fn eq(&self, other: &Vec<u8>) -> bool {
                **self == other[..]
            }
        }
        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                **self == *other.as_bytes()
            }
        }
        impl From<$type> for Vec<u8> {
            fn from(bytes: $type) -> Self {
                bytes.to_vec()
            }
        }
    };
}

bytes_like!(Value);
bytes_like!(Key);

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Value {}
