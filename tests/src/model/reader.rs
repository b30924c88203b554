//! The places that one can read from, as one: the store, a keyspace, a snapshot.

use std::ops::Bound;

use crate::reference::Bytes;
use ringwood::{Cursor, Db, Keyspace, Range, Result, Snapshot, Value};

pub(super) type Bounds = (Bound<Bytes>, Bound<Bytes>);

pub(super) enum Reader {
    Db(Db),
    Space(Keyspace),
    Snapshot(Snapshot),
}

macro_rules! each {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            Reader::Db($inner) => $call,
            Reader::Space($inner) => $call,
            Reader::Snapshot($inner) => $call,
        }
    };
}

impl Reader {
    pub(super) fn get(&self, key: &Bytes) -> Result<Option<Value>> {
        each!(self, r => r.get(key))
    }

    pub(super) fn multi_get(&self, keys: &[Bytes]) -> Result<Vec<Option<Value>>> {
        each!(self, r => r.multi_get(keys))
    }

    pub(super) fn range(&self, bounds: &Bounds) -> Result<Range> {
        each!(self, r => r.range(bounds.clone()))
    }

    pub(super) fn prefix(&self, prefix: &Bytes) -> Result<Range> {
        each!(self, r => r.prefix(prefix))
    }

    pub(super) fn iter(&self) -> Result<Range> {
        each!(self, r => r.iter())
    }

    pub(super) fn cursor(&self) -> Result<Cursor> {
        each!(self, r => r.cursor())
    }
}
