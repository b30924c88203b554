//! A child's store: what is in it, for which promise it is open, and how it is made ready for the next row.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::data::ValueData;
use crate::engines::{Engine, Need, Promise, Setup, Store};
use crate::knobs::Task;
use crate::limits::drop_caches;
use crate::rows::{Group, Row, Start, Work};
use crate::work::{load_shuffled, writes};
use crate::{Result, clock, usage};

/// Background work is over when there was none for so long.
const QUIET: Duration = Duration::from_millis(300);
const QUIET_LOOK: Duration = Duration::from_millis(50);
/// Processor seconds in one look that are still quiet: an engine's threads look round now and then.
const QUIET_CPU: f64 = 0.003;
/// Nobody's background work is waited for longer.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(900);
/// A store grows while it is filled, overwritten and inserted to.
const GROWTH: u64 = 2;

/// What a row must be able to rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Nothing,
    Filled,
    Loaded,
    /// Something that no row starts with.
    Other,
}

/// See the module.
pub(crate) struct Stage<'a> {
    engine: &'a dyn Engine,
    task: &'a Task,
    data: &'a ValueData,
    store: Option<(Promise, Box<dyn Store>)>,
    holds: Holds,
    /// The store was opened since it was last asked.
    fresh: bool,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(engine: &'a dyn Engine, task: &'a Task, data: &'a ValueData) -> Self {
        Self { engine, task, data, store: None, holds: Holds::Nothing, fresh: false }
    }

    /// Opens the store as the row wants to find it. `fill` does what the rows before it would have done.
    pub(crate) fn prepare(&mut self, row: &Row, fill: impl FnOnce(&dyn Store) -> Result<()>) -> Result<()> {
        let promise = promise(row);
        match row.start {
            Start::Empty => self.wipe()?,
            Start::Filled if self.holds != Holds::Filled => {
                self.wipe()?;
                self.open(row.start, promise, false)?;
                fill(self.store()?)?;
                self.holds = Holds::Filled;
            }
            Start::Loaded if self.holds != Holds::Loaded => self.load()?,
            Start::Filled | Start::Loaded | Start::Base => {}
        }
        let cold = row.group == Group::Cold;
        if cold || self.store.as_ref().is_none_or(|(open, _)| *open != promise) {
            self.close()?;
            if cold {
                drop_caches(&self.dir(row.start))?;
            }
            self.open(row.start, promise, cold)?;
            if row.start != Start::Empty {
                // An engine may find something to do at once, the more so with other sizes than before.
                wait_until_quiet();
            }
        }
        self.holds = leaves(row, self.holds);
        Ok(())
    }

    /// A row failed: the next one shall not rely on anything.
    pub(crate) fn forget(&mut self) {
        self.holds = Holds::Nothing;
        // It failed already, and was told.
        let _ = self.close();
    }

    /// Whether the store was opened since the last call: its caches are empty.
    pub(crate) fn is_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    pub(crate) fn store(&mut self) -> Result<&mut dyn Store> {
        let (_, store) = self.store.as_mut().ok_or("the store is not open")?;
        Ok(store.as_mut())
    }

    /// Closes and opens the store with cold caches; says how long opening and a first get took.
    pub(crate) fn reopen(
        &mut self,
        row: &Row,
        first: impl FnOnce(&dyn Store) -> Result<()>,
    ) -> Result<Duration> {
        self.close()?;
        drop_caches(&self.dir(row.start))?;
        let start = Instant::now();
        self.open(row.start, promise(row), false)?;
        first(self.store()?)?;
        Ok(start.elapsed())
    }

    /// Loads the store that all rounds share.
    pub(crate) fn make_base(&mut self) -> Result<()> {
        self.load_into(Start::Base)
    }

    pub(crate) fn close(&mut self) -> Result<()> {
        self.store.take().map_or(Ok(()), |(_, store)| store.close())
    }

    /// Bytes of the store's files.
    pub(crate) fn disk_bytes(&self, row: &Row) -> u64 {
        usage::disk_bytes(&self.dir(row.start))
    }

    fn dir(&self, start: Start) -> PathBuf {
        if start == Start::Base { self.task.base.clone() } else { self.task.dir.join("own") }
    }

    fn wipe(&mut self) -> Result<()> {
        self.close()?;
        self.holds = Holds::Nothing;
        let dir = self.dir(Start::Empty);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }

    fn load(&mut self) -> Result<()> {
        self.wipe()?;
        self.load_into(Start::Loaded)?;
        self.holds = Holds::Loaded;
        Ok(())
    }

    fn load_into(&mut self, start: Start) -> Result<()> {
        self.open(start, Promise::Bulk, false)?;
        let (num, data) = (self.task.knobs.num, self.data);
        load_shuffled(self.store()?, num, data)?;
        wait_until_quiet();
        self.close()
    }

    fn open(&mut self, start: Start, promise: Promise, cold: bool) -> Result<()> {
        let knobs = &self.task.knobs;
        let dir = self.dir(start);
        fs::create_dir_all(&dir)?;
        let entries = knobs.num.max(if self.is_sustained() { knobs.sustained_num } else { 0 });
        let (cache_bytes, write_buffer_bytes) = match cold {
            true => (knobs.cold_cache_bytes, knobs.cold_write_buffer_bytes),
            false => (knobs.cache_bytes, knobs.write_buffer_bytes),
        };
        let data_bytes = GROWTH * entries * knobs.entry_bytes();
        let setup = Setup { dir, promise, cache_bytes, write_buffer_bytes, data_bytes };
        self.store = Some((promise, self.engine.open(&setup)?));
        self.fresh = true;
        Ok(())
    }

    fn is_sustained(&self) -> bool {
        let of = |name: &String| Row::named(name).is_some_and(|row| row.group == Group::Sustained);
        self.task.rows.iter().any(of)
    }
}

/// What a store holds after a row.
fn leaves(row: &Row, before: Holds) -> Holds {
    match row.work {
        Work::FillRandom => Holds::Filled,
        Work::LoadRandom | Work::Ycsb(_) => Holds::Loaded,
        Work::Compact => before,
        work if !writes(work) => before,
        _ => Holds::Other,
    }
}

/// Why an engine cannot do a row.
pub(crate) fn cannot(engine: &dyn Engine, row: &Row) -> Option<&'static str> {
    let need = match row.work {
        Work::Compact => Need::Compact,
        _ => Need::Write(promise(row)),
    };
    engine.cannot(need)
}

/// What the writes of a row promise. A store that is only read may be open for any promise: for the one that every engine has.
fn promise(row: &Row) -> Promise {
    match row.group {
        Group::Sync => Promise::Synced,
        Group::Load | Group::Disk => Promise::Bulk,
        _ if !writes(row.work) => Promise::Bulk,
        Group::Fill | Group::Sustained | Group::Hot | Group::Cold | Group::Ycsb => Promise::Buffered,
    }
}

/// Waits until this process neither computes nor writes. Returns when it became quiet, and whether it did.
pub(crate) fn wait_until_quiet() -> (Instant, bool) {
    let start = Instant::now();
    let mut since = start;
    let mut last = (usage::cpu_seconds(), usage::written_bytes());
    loop {
        clock::nap(QUIET_LOOK);
        let now = (usage::cpu_seconds(), usage::written_bytes());
        if now.0 - last.0 > QUIET_CPU || now.1 != last.1 {
            since = Instant::now();
        }
        last = now;
        if since.elapsed() >= QUIET {
            return (since, true);
        }
        if start.elapsed() >= QUIET_WAIT_MAX {
            return (Instant::now(), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    #[test]
    fn a_row_promises_what_its_group_says() {
        let promised = |name: &str| promise(Row::named(name).unwrap());
        assert_eq!(promised("fillrandom-8"), Promise::Buffered);
        assert_eq!(promised("fillsync"), Promise::Synced);
        assert_eq!(promised("bulkload-sorted"), Promise::Bulk);
        assert_eq!(promised("readrandom-hot"), Promise::Bulk);
        assert_eq!(promised("readwhilewriting-cold"), Promise::Buffered);
        assert_eq!(promised("ycsb-c"), Promise::Bulk);
        assert!(
            ROWS.iter().filter(|row| row.group == Group::Fill).all(|row| promise(row) == Promise::Buffered)
        );
    }

    #[test]
    fn rows_leave_what_the_next_ones_start_with() {
        let after = |name: &str, before| leaves(Row::named(name).unwrap(), before);
        assert_eq!(after("fillrandom-8", Holds::Nothing), Holds::Filled);
        assert_eq!(after("overwrite", Holds::Filled), Holds::Filled);
        assert_eq!(after("deleterandom", Holds::Filled), Holds::Other);
        assert_eq!(after("bulkload-random", Holds::Nothing), Holds::Loaded);
        assert_eq!(
            (after("compact", Holds::Loaded), after("open", Holds::Loaded)),
            (Holds::Loaded, Holds::Loaded)
        );
        assert_eq!(after("bulkload-sorted", Holds::Nothing), Holds::Other);
    }

    #[test]
    fn a_busy_process_is_not_quiet_yet() {
        let busy = std::thread::spawn(|| {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(400) {
                std::hint::spin_loop();
            }
        });
        let start = Instant::now();
        let (since, quiet) = wait_until_quiet();
        // Other tests of this process may keep it busy for longer.
        assert!(!quiet || since - start > Duration::from_millis(250));
        busy.join().unwrap();
    }
}
