//! What a cursor merges: memtables, tables of level 0, and deeper levels as one sorted run each.

use std::sync::Arc;

use ringwood_ring::LanePool;
use ringwood_sstable::{Aim, BlockFetch, Kind, TableCursor};

use crate::Result;
use crate::memtable::MemtableCursor;
use crate::value::Value;
use crate::version::{TableHandle, View};

/// Where all sources of a cursor go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal<'a> {
    First,
    Last,
    /// The first entry at or after (key, sequence number).
    AtOrAfter(&'a [u8], u64),
    /// The last entry at or before (key, sequence number).
    AtOrBefore(&'a [u8], u64),
}

impl Goal<'_> {
    pub(super) fn is_forward(&self) -> bool {
        matches!(self, Goal::First | Goal::AtOrAfter(..))
    }
}

impl<'a> From<Goal<'a>> for Aim<'a> {
    fn from(goal: Goal<'a>) -> Self {
        match goal {
            Goal::First => Aim::First,
            Goal::Last => Aim::Last,
            Goal::AtOrAfter(key, seq) => Aim::AtOrAfter(key, seq),
            Goal::AtOrBefore(key, seq) => Aim::AtOrBefore(key, seq),
        }
    }
}

/// Where the blocks that a cursor misses are fetched: a lane is checked out for one call, and idle again when it returns (rule R0).
pub(super) type Lanes = Arc<LanePool>;

/// One sorted input of a cursor.
#[allow(clippy::large_enum_variant, reason = "a handful a cursor, and no pointer to chase")]
pub(super) enum Source {
    Memtable(MemtableCursor),
    Table(TableCursor),
    Level(LevelCursor),
}

impl Source {
    /// The sources of a view that hold anything.
    pub(super) fn all(view: &Arc<View>) -> Vec<Self> {
        let mems = view.mems().filter(|m| !m.table.is_empty());
        let mut sources: Vec<Self> =
            mems.map(|m| Source::Memtable(MemtableCursor::new(Arc::clone(&m.table)))).collect();
        let (first, deeper) = view.version.levels.split_first().expect("there are levels");
        sources.extend(first.iter().map(|t| Source::Table(TableCursor::new(Arc::clone(&t.table)))));
        for (i, tables) in deeper.iter().enumerate() {
            match tables.as_slice() {
                [] => {}
                [one] => sources.push(Source::Table(TableCursor::new(Arc::clone(&one.table)))),
                _ => sources.push(Source::Level(LevelCursor {
                    view: Arc::clone(view),
                    level: i + 1,
                    at: 0,
                    cursor: None,
                    is_forward: true,
                })),
            }
        }
        sources
    }

    pub(super) fn aim(&mut self, goal: Goal<'_>) {
        match self {
            Source::Memtable(cursor) => match goal {
                Goal::First => cursor.seek_to_first(),
                Goal::Last => cursor.seek_to_last(),
                Goal::AtOrAfter(key, seq) => cursor.seek(key, seq),
                Goal::AtOrBefore(key, seq) => cursor.seek_for_prev(key, seq),
            },
            Source::Table(cursor) => cursor.aim(goal.into()),
            Source::Level(level) => level.aim(goal),
        }
    }

    /// Puts the blocks that the move under way needs into `fetch`. False if the move is done.
    pub(super) fn wants(&mut self, fetch: &mut BlockFetch) -> bool {
        match self {
            Source::Memtable(_) => false,
            Source::Table(cursor) => cursor.wants(fetch),
            Source::Level(level) => level.wants(fetch),
        }
    }

    pub(super) fn supply(&mut self, fetch: &mut BlockFetch) -> Result<()> {
        match self {
            Source::Memtable(_) => {}
            Source::Table(cursor) => drop(cursor.supply(fetch)?),
            Source::Level(LevelCursor { cursor: Some(cursor), .. }) => drop(cursor.supply(fetch)?),
            Source::Level(_) => {}
        }
        Ok(())
    }

    #[inline]
    pub(super) fn next(&mut self, lanes: &Lanes) -> Result<()> {
        match self {
            Source::Memtable(cursor) => cursor.next(),
            Source::Table(cursor) => cursor.next(lanes)?,
            Source::Level(level) => level.step(Aim::Next, lanes)?,
        }
        Ok(())
    }

    #[inline]
    pub(super) fn prev(&mut self, lanes: &Lanes) -> Result<()> {
        match self {
            Source::Memtable(cursor) => cursor.prev(),
            Source::Table(cursor) => cursor.prev(lanes)?,
            Source::Level(level) => level.step(Aim::Prev, lanes)?,
        }
        Ok(())
    }

    /// Goes to `goal` of the key that it is on, if that costs no I/O. False, and nothing is done, if it might.
    #[cold]
    pub(super) fn leap(&mut self, goal: impl Fn(&[u8]) -> Goal<'_>) -> bool {
        let Source::Memtable(cursor) = self else { return false };
        let key = cursor.key().to_vec();
        self.aim(goal(&key));
        true
    }

    #[inline]
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Source::Memtable(cursor) => cursor.valid(),
            Source::Table(cursor) => cursor.is_valid(),
            Source::Level(level) => level.cursor.as_ref().is_some_and(TableCursor::is_valid),
        }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Source::Memtable(cursor) => cursor.key(),
            Source::Table(cursor) => cursor.key(),
            Source::Level(level) => level.cursor.as_ref().map_or(&[], TableCursor::key),
        }
    }

    #[inline]
    pub(super) fn seq(&self) -> u64 {
        match self {
            Source::Memtable(cursor) => cursor.seq(),
            Source::Table(cursor) => cursor.seq(),
            Source::Level(level) => level.cursor.as_ref().map_or(0, TableCursor::seq),
        }
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        match self {
            Source::Memtable(cursor) => cursor.kind(),
            Source::Table(cursor) => cursor.kind(),
            Source::Level(level) => level.cursor.as_ref().map_or(Kind::Delete, TableCursor::kind),
        }
    }

    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        match self {
            Source::Memtable(cursor) => cursor.value(),
            Source::Table(cursor) => cursor.value(),
            Source::Level(level) => level.cursor.as_ref().map_or(&[], TableCursor::value),
        }
    }

    pub(super) fn value_owned(&self) -> Value {
        let in_table = |cursor: &TableCursor| {
            cursor.value_ref().map(|(block, range)| Value::in_block(block, &range)).unwrap_or_default()
        };
        match self {
            Source::Memtable(cursor) => Value::in_memtable(cursor.value_owned()),
            Source::Table(cursor) => in_table(cursor),
            Source::Level(level) => level.cursor.as_ref().map(in_table).unwrap_or_default(),
        }
    }
}

/// A level below 0: its tables follow each other, so one is open at a time.
pub(super) struct LevelCursor {
    view: Arc<View>,
    level: usize,
    /// The table that `cursor` walks through.
    at: usize,
    cursor: Option<TableCursor>,
    is_forward: bool,
}

impl LevelCursor {
    fn tables(&self) -> &[Arc<TableHandle>] {
        &self.view.version.levels[self.level]
    }

    fn aim(&mut self, goal: Goal<'_>) {
        self.is_forward = goal.is_forward();
        let tables = self.tables();
        let at = match goal {
            Goal::First => Some(0),
            Goal::Last => Some(tables.len() - 1),
            Goal::AtOrAfter(key, _) => {
                Some(tables.partition_point(|t| *t.meta.largest < *key)).filter(|&at| at < tables.len())
            }
            Goal::AtOrBefore(key, _) => tables.partition_point(|t| *t.meta.smallest <= *key).checked_sub(1),
        };
        match at {
            Some(at) => self.open(at, goal.into()),
            None => self.cursor = None,
        }
    }

    fn open(&mut self, at: usize, aim: Aim<'_>) {
        if self.at != at || self.cursor.is_none() {
            self.cursor = Some(TableCursor::new(Arc::clone(&self.tables()[at].table)));
            self.at = at;
        }
        if let Some(cursor) = &mut self.cursor {
            cursor.aim(aim);
        }
    }

    /// Goes on to the neighbouring table. False if there is none.
    fn open_neighbour(&mut self) -> bool {
        let next = if self.is_forward {
            Some(self.at + 1).filter(|&at| at < self.tables().len())
        } else {
            self.at.checked_sub(1)
        };
        match next {
            Some(at) => self.open(at, if self.is_forward { Aim::First } else { Aim::Last }),
            None => self.cursor = None,
        }
        next.is_some()
    }

    fn wants(&mut self, fetch: &mut BlockFetch) -> bool {
        loop {
            let Some(cursor) = &mut self.cursor else { return false };
            if cursor.wants(fetch) {
                return true;
            }
            if cursor.is_valid() || !self.open_neighbour() {
                return false;
            }
        }
    }

    fn step(&mut self, aim: Aim<'_>, lanes: &Lanes) -> Result<()> {
        self.is_forward = aim == Aim::Next;
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        if self.is_forward {
            cursor.next(lanes)?;
        } else {
            cursor.prev(lanes)?;
        }
        while !self.cursor.as_ref().is_none_or(TableCursor::is_valid) && self.open_neighbour() {
            let Some(cursor) = &mut self.cursor else { break };
            cursor.go(if self.is_forward { Aim::First } else { Aim::Last }, lanes)?;
        }
        Ok(())
    }
}
