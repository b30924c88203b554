//! Where the tables of a load go.
//!
//! The rule: a table goes to the deepest level of which it is true, and of all levels above it, that no table there overlaps its range. So
//! nothing older is ever above what is loaded, since readers and compactions take what is higher for newer; what lies deeper may overlap. In an
//! empty keyspace, and behind the end of all keys, that is the last level, where a table is never rewritten but for what comes into its range.
//!
//! Compactions that are running have not put down yet what they write. One that writes to a level where the table would go, into its range,
//! may have an output that reaches across it: such a level is left out. (On another level such an output is harmless: its inputs overlap
//! nothing loaded, so it shares no key with it.)

use super::{Background, Target};
use crate::manifest::{LEVELS, TableMeta};
use crate::version::Version;

/// Places that are taken for tables of a load: no compaction that would write there is started while it lives.
pub(crate) struct Placing<'a> {
    background: &'a Background,
    levels: Vec<usize>,
    targets: Vec<Target>,
}

impl Background {
    /// Chooses a level for each of `tables`, which do not overlap each other. The caller holds the manifest's lock, under which `version` is the
    /// tree's.
    pub(crate) fn place<'a>(
        &self,
        tree: u32,
        version: &Version,
        tables: impl Iterator<Item = &'a TableMeta>,
    ) -> Placing<'_> {
        let mut state = self.lock();
        let (mut levels, mut targets) = (Vec::new(), Vec::new());
        for TableMeta { smallest, largest, .. } in tables {
            let target =
                |level| Target { tree, level, from: smallest.clone(), to: largest.clone(), is_whole: false };
            let free = (0..LEVELS).take_while(|&level| !version.overlaps(level, smallest, largest));
            let is_left_alone = |&level: &usize| !state.targets.iter().any(|t| t.overlaps(&target(level)));
            let level = free.skip(1).filter(is_left_alone).last().unwrap_or(0);
            levels.push(level);
            targets.push(target(level));
        }
        state.targets.extend(targets.iter().cloned());
        Placing { background: self, levels, targets }
    }

    /// Calls `publish` in a moment when no compaction is picked.
    pub(crate) fn publish(&self, publish: impl FnOnce()) {
        let _state = self.lock();
        publish();
    }
}

impl Placing<'_> {
    /// The level of each table.
    pub(crate) fn levels(&self) -> &[usize] {
        &self.levels
    }
}

impl Drop for Placing<'_> {
    fn drop(&mut self) {
        let mut state = self.background.lock();
        for target in &self.targets {
            if let Some(at) = state.targets.iter().position(|t| t == target) {
                state.targets.swap_remove(at);
            }
        }
    }
}
