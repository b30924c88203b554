//! What a cursor merges: memtables, tables of level 0, and deeper levels as one sorted run each.

use std::sync::Arc;

use ringwood_sstable::{Aim, BlockFetch, Kind, TableCursor};

use crate::Result;
use crate::memtable::MemtableCursor;
use crate::scans::Scans;
use crate::value::Value;
use crate::version::{Mem, TableHandle, View};

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

/// One sorted input of a cursor. `view` is always the cursor's.
#[allow(clippy::large_enum_variant, reason = "a handful a cursor, and no pointer to chase")]
pub(super) enum Source {
    Tables(Run),
    Memtable(MemtableCursor),
}

impl Source {
    /// The sources of a view: tables first, whose memory a seek has fetched while it searches the memtables. The active memtable if
    /// `has_active`.
    pub(super) fn all(view: &View, has_active: bool) -> Vec<Self> {
        let (first, deeper) = view.version.levels.split_first().expect("there are levels");
        let levels = deeper.iter().filter(|tables| !tables.is_empty()).count();
        // One more: the active memtable may join later.
        let mut sources = Vec::with_capacity(first.len() + levels + 1 + view.frozen.len());
        sources.extend((0..first.len()).map(|at| Source::Tables(Run::new(view, 0, at, 1))));
        for (i, tables) in deeper.iter().enumerate().filter(|(_, tables)| !tables.is_empty()) {
            sources.push(Source::Tables(Run::new(view, i + 1, 0, tables.len())));
        }
        let mems = has_active.then_some(&view.active).into_iter().chain(&view.frozen);
        sources.extend(mems.map(Self::memtable));
        sources
    }

    pub(super) fn memtable(mem: &Arc<Mem>) -> Self {
        Source::Memtable(MemtableCursor::new(Arc::clone(&mem.table)))
    }

    /// Goes to no entry and lets go of all blocks; keeps its memory.
    pub(super) fn rest(&mut self) {
        match self {
            Source::Tables(run) => run.cursor.rest(),
            Source::Memtable(cursor) => cursor.clear(),
        }
    }

    /// Starts a move; [`approach`](Self::approach) and [`wants`](Self::wants) go on with it.
    pub(super) fn aim(&mut self, view: &View, goal: Goal<'_>) {
        match self {
            Source::Tables(run) => run.aim(view, goal),
            Source::Memtable(cursor) => match goal {
                Goal::First => cursor.seek_to_first(),
                Goal::Last => cursor.seek_to_last(),
                Goal::AtOrAfter(key, seq) => cursor.seek(key, seq),
                Goal::AtOrBefore(key, seq) => cursor.seek_for_prev(key, seq),
            },
        }
    }

    /// As [`TableCursor::approach`].
    pub(super) fn approach(&mut self, goal: Goal<'_>) {
        if let Source::Tables(run) = self {
            run.cursor.approach(goal.into());
        }
    }

    /// Puts the blocks that the move under way needs into `fetch`. False if the move is done.
    pub(super) fn wants(&mut self, view: &View, goal: Goal<'_>, fetch: &mut BlockFetch) -> bool {
        match self {
            Source::Tables(run) => run.wants(view, goal, fetch),
            Source::Memtable(_) => false,
        }
    }

    pub(super) fn supply(&mut self, fetch: &mut BlockFetch) -> Result<()> {
        if let Source::Tables(run) = self {
            run.cursor.supply(fetch)?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn next(&mut self, view: &View, lanes: &Scans) -> Result<()> {
        match self {
            Source::Tables(run) => run.step(view, Aim::Next, lanes)?,
            Source::Memtable(cursor) => cursor.next(),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn prev(&mut self, view: &View, lanes: &Scans) -> Result<()> {
        match self {
            Source::Tables(run) => run.step(view, Aim::Prev, lanes)?,
            Source::Memtable(cursor) => cursor.prev(),
        }
        Ok(())
    }

    /// Moves to the next entry if that is close at hand and of another key, and returns its [head](Self::key_head). Else stays.
    #[inline]
    pub(super) fn next_key(&mut self) -> Option<u64> {
        match self {
            Source::Tables(run) => run.cursor.next_key(),
            Source::Memtable(cursor) => cursor.next_key(),
        }
    }

    /// Moves to the entry before if that is close at hand and of another key, and returns its [head](Self::key_head). Else stays.
    #[inline]
    pub(super) fn prev_key(&mut self) -> Option<u64> {
        match self {
            Source::Tables(run) => run.cursor.prev_key(),
            Source::Memtable(cursor) => cursor.prev_key(),
        }
    }

    /// Whether the entry is known to be the newest version of its key here. False if it may be.
    #[inline]
    pub(super) fn is_newest(&self) -> bool {
        match self {
            Source::Tables(run) => run.cursor.is_newest(),
            Source::Memtable(cursor) => cursor.is_newest(),
        }
    }

    /// Goes to `goal` of the key that it is on, if that costs no I/O. False, and nothing is done, if it might.
    #[cold]
    pub(super) fn leap(&mut self, view: &View, goal: impl Fn(&[u8]) -> Goal<'_>) -> bool {
        let Source::Memtable(cursor) = self else { return false };
        let key = cursor.key().to_vec();
        self.aim(view, goal(&key));
        true
    }

    #[inline]
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Source::Tables(run) => run.cursor.is_valid(),
            Source::Memtable(cursor) => cursor.valid(),
        }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Source::Tables(run) => run.cursor.key(),
            Source::Memtable(cursor) => cursor.key(),
        }
    }

    /// As [`TableCursor::key_head`].
    #[inline]
    pub(super) fn key_head(&self) -> u64 {
        match self {
            Source::Tables(run) => run.cursor.key_head(),
            Source::Memtable(cursor) => cursor.key_head(),
        }
    }

    #[inline]
    pub(super) fn seq(&self) -> u64 {
        match self {
            Source::Tables(run) => run.cursor.seq(),
            Source::Memtable(cursor) => cursor.seq(),
        }
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        match self {
            Source::Tables(run) => run.cursor.kind(),
            Source::Memtable(cursor) => cursor.kind(),
        }
    }

    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        match self {
            Source::Tables(run) => run.cursor.value(),
            Source::Memtable(cursor) => cursor.value(),
        }
    }

    pub(super) fn value_owned(&self) -> Value {
        match self {
            Source::Tables(run) => {
                let value = run.cursor.value_ref();
                value.map(|(block, range)| Value::in_block(block, &range)).unwrap_or_default()
            }
            Source::Memtable(cursor) => Value::in_memtable(cursor.value_owned()),
        }
    }
}

/// Tables that follow each other, at least one: a table of level 0, or a level below. One is open at a time.
pub(super) struct Run {
    level: usize,
    /// The first, and how many.
    from: usize,
    len: usize,
    /// The one that `cursor` walks through.
    at: usize,
    cursor: TableCursor,
    is_forward: bool,
    /// All tables lie on the near side of where the run was to go.
    is_over: bool,
}

impl Run {
    fn new(view: &View, level: usize, from: usize, len: usize) -> Self {
        let cursor = TableCursor::new(Arc::clone(&view.version.levels[level][from].table));
        Self { level, from, len, at: 0, cursor, is_forward: true, is_over: false }
    }

    fn tables<'v>(&self, view: &'v View) -> &'v [Arc<TableHandle>] {
        &view.version.levels[self.level][self.from..self.from + self.len]
    }

    fn aim(&mut self, view: &View, goal: Goal<'_>) {
        self.is_forward = goal.is_forward();
        let tables = self.tables(view);
        let at = match goal {
            _ if tables.len() == 1 => Some(0),
            Goal::First => Some(0),
            Goal::Last => Some(tables.len() - 1),
            Goal::AtOrAfter(key, _) => {
                Some(tables.partition_point(|t| *t.meta.largest < *key)).filter(|&at| at < tables.len())
            }
            Goal::AtOrBefore(key, _) => tables.partition_point(|t| *t.meta.smallest <= *key).checked_sub(1),
        };
        self.is_over = at.is_none();
        let Some(at) = at else { return self.cursor.clear() };
        if self.at != at {
            self.cursor.enter_table(Arc::clone(&tables[at].table));
            self.at = at;
        }
        self.cursor.aim(goal.into());
    }

    /// Goes on to the neighbouring table. False if there is none.
    fn open_neighbour(&mut self, view: &View) -> bool {
        let next = if self.is_forward { Some(self.at + 1) } else { self.at.checked_sub(1) };
        let Some((at, table)) = next.and_then(|at| Some((at, self.tables(view).get(at)?))) else {
            return false;
        };
        self.at = at;
        self.cursor
            .continue_in(Arc::clone(&table.table), if self.is_forward { Aim::First } else { Aim::Last });
        true
    }

    fn wants(&mut self, view: &View, goal: Goal<'_>, fetch: &mut BlockFetch) -> bool {
        loop {
            if self.cursor.wants(goal.into(), fetch) {
                return true;
            }
            if self.is_over || self.cursor.is_valid() || !self.open_neighbour(view) {
                return false;
            }
        }
    }

    #[inline]
    fn step(&mut self, view: &View, aim: Aim<'_>, lanes: &Scans) -> Result<()> {
        self.is_forward = aim == Aim::Next;
        if self.is_forward {
            self.cursor.next(lanes)?;
        } else {
            self.cursor.prev(lanes)?;
        }
        while !self.cursor.is_valid() && self.open_neighbour(view) {
            // Which end it goes to was said when it was opened.
            self.cursor.finish(Aim::First, lanes)?;
        }
        Ok(())
    }
}
