//! Reading everything and telling what is wrong, and what that means.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ringwood_sstable::{Damage, Finding, Table};
use ringwood_wal::WalError;

use super::{Inspector, StoreTree, TableInfo, has_no_log};
use crate::files::{self, FileName};
use crate::manifest::State;
use crate::{Error, ErrorKind, Result, batch};

/// One thing that is wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in it, if there is one place.
    pub offset: Option<u64>,
    /// What is wrong: a sentence without a full stop.
    pub what: String,
    /// What that means for whoever uses the store: a sentence without a full stop.
    pub means: String,
    /// The first and the last key that are concerned, if it is a range of keys.
    pub keys: Option<(Vec<u8>, Vec<u8>)>,
}

impl Problem {
    pub(super) fn new(file: &Path, what: impl Into<String>, means: impl Into<String>) -> Self {
        Self { file: file.to_path_buf(), offset: None, what: what.into(), means: means.into(), keys: None }
    }
}

/// What a verification went through and found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// Tables checked.
    pub tables: u64,
    /// Their blocks.
    pub blocks: u64,
    /// Their entries, versions and tombstones included.
    pub entries: u64,
    /// Bytes read of them.
    pub bytes: u64,
    /// Batches of the log.
    pub log_batches: u64,
    /// Operations in them.
    pub log_operations: u64,
    /// Their bytes.
    pub log_bytes: u64,
    /// Damage, in the order in which it was found.
    pub problems: Vec<Problem>,
    /// What is odd and harms nothing: each a sentence.
    pub notes: Vec<String>,
    /// Whether the caller ended it early.
    pub interrupted: bool,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of tables read.
    pub done: u64,
    /// Bytes of all tables.
    pub total: u64,
}

/// Called now and then; the verification ends when it breaks.
type Tell<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

impl Inspector {
    /// Reads all tables and the log, and checks them: every checksum; the order of entries; that no two tables of a level (but
    /// level 0) overlap; that tables are what the manifest says; that the directory holds what it names.
    ///
    /// # Errors
    /// Only if the check itself cannot go on: damage is in the report.
    pub fn verify(&mut self, tell: Tell<'_>) -> Result<Report> {
        let mut report = Report::default();
        let tables = match self.tree() {
            Ok(tree) => {
                self.check_names(&tree, &mut report)?;
                check_levels(&tree, &mut report);
                tree.tables().map(|(k, _, t)| (tree.keyspaces[k].name.clone(), t.clone())).collect()
            }
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                let means = "the store cannot be opened: which tables are in force is not known; `repair` saves their contents";
                report.problems.push(Problem::new(&self.dir, error.to_string(), means));
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let total = tables.iter().map(|(_, t)| t.bytes).sum();
        let mut progress = Progress { done: 0, total };
        for (keyspace, info) in &tables {
            let before = progress.done;
            let ended = self.check_table(keyspace, info, &mut report, &mut |bytes| {
                progress.done = before + bytes;
                tell(progress)
            })?;
            if ended.is_break() {
                report.interrupted = true;
                return Ok(report);
            }
            progress.done = before + info.bytes;
        }
        self.check_log(&mut report)?;
        Ok(report)
    }

    /// The manifest against the directory.
    fn check_names(&self, tree: &StoreTree, report: &mut Report) -> Result<()> {
        let live: BTreeSet<u64> = tree.tables().map(|(_, _, t)| t.id).collect();
        for name in self.reach.disk.list(&self.dir)? {
            let shown = name.display();
            match FileName::parse(&name) {
                Some(FileName::Table(id)) if !live.contains(&id) => report.notes.push(format!(
                    "{shown} is a table that the manifest does not name: what a flush or compaction left that was cut short; the next opening removes it"
                )),
                Some(FileName::Manifest(number)) if number != tree.manifest => report
                    .notes
                    .push(format!("{shown} is not the manifest in force; the next opening removes it")),
                Some(FileName::CurrentNew) => {
                    report.notes.push(format!("{shown} is a left-over; the next opening removes it"));
                }
                None => report.notes.push(format!("{shown} is no file of Ringwood's; it is left alone")),
                _ => {}
            }
        }
        if live.len() != tree.tables().count() {
            let what = "it names a table twice";
            let means = "what is read from that table may be too old";
            report.problems.push(Problem::new(&files::manifest(&self.dir, tree.manifest), what, means));
        }
        Ok(())
    }

    /// One table by itself and against the manifest.
    fn check_table(
        &mut self,
        keyspace: &str,
        info: &TableInfo,
        report: &mut Report,
        tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let table = match self.reach.table(&info.path, info.id, info.assigned_seq) {
            Ok(table) => table,
            Err(error) => {
                let what = match error.kind() {
                    ErrorKind::NotFound => "the manifest names it and it does not exist".into(),
                    ErrorKind::Corrupt | ErrorKind::Io => error.to_string(),
                    _ => return Err(error),
                };
                let means = format!(
                    "the store cannot be opened; {} entries of keyspace {keyspace:?} are in this table",
                    info.entries
                );
                let keys = Some((info.smallest.clone(), info.largest.clone()));
                report.problems.push(Problem { keys, ..Problem::new(&info.path, what, means) });
                return Ok(ControlFlow::Continue(()));
            }
        };
        report.problems.extend(against_manifest(&table, info));
        let mut ended = ControlFlow::Continue(());
        let problems = &mut report.problems;
        let verified = table.check(&self.reach.disk, &mut *self.reach.lane, &mut |finding| {
            match finding {
                Finding::Read(bytes) => ended = tell(bytes),
                Finding::Damage(damage) => problems.push(blocks_lost(&table, damage, keyspace)),
                Finding::Wrong(error) => {
                    let means = "what is read from this table may be wrong; a fault of the program or of memory, please report it";
                    problems.push(Problem::new(&info.path, error.to_string(), means));
                }
            }
            ended
        })?;
        report.tables += 1;
        report.blocks += verified.blocks;
        report.entries += verified.entries;
        report.bytes += verified.bytes;
        Ok(ended)
    }

    /// The log, from where the manifest needs it on.
    fn check_log(&mut self, report: &mut Report) -> Result<()> {
        let Ok(contents) = &self.manifest else { return Ok(()) };
        let dir = self.dir.join(files::WAL);
        let (state, store_id) = (&contents.state, contents.header.store_id);
        if has_no_log(&*self.reach.disk, &dir, state) {
            report.notes.push(format!(
                "{} is not there: the creation of the store was cut short, and the next opening makes it (if it was removed, what was in no table is lost)",
                dir.display()
            ));
            return Ok(());
        }
        let mut operations = 0;
        let mut wrong = None;
        let looked =
            ringwood_wal::look(&self.reach.disk, &dir, store_id, state.log_floor, &mut |lsn, payload| {
                let counted = count_operations(state, payload).map_err(|what| {
                    wrong = Some(what);
                    WalError::Refused { lsn, what: what.into() }
                })?;
                operations += counted;
                Ok(())
            });
        report.log_operations = operations;
        match looked {
            Ok(log) => {
                report.log_batches = log.batches;
                report.log_bytes = log.payload_bytes;
            }
            Err(error) => {
                let error = Error::from(error);
                if !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Io) {
                    return Err(error);
                }
                let means = "the store cannot be opened: acknowledged writes that are in no table yet are behind the damage; `repair` saves those before it";
                report.problems.push(Problem::new(&dir, error.to_string(), means));
            }
        }
        Ok(())
    }
}

/// Whether a batch of the log parses; its number of operations.
fn count_operations(state: &State, payload: &[u8]) -> Result<u64, &'static str> {
    let (_, count, ops) = batch::decode(payload)?;
    let mut seen = 0;
    for op in ops {
        if op?.keyspace >= state.next_keyspace {
            return Err("it names a keyspace that never was");
        }
        seen += 1;
    }
    if seen == u64::from(count) {
        Ok(seen)
    } else {
        Err("it holds another number of operations than it says")
    }
}

/// What a table says of itself, against what the manifest says.
fn against_manifest(table: &Table, info: &TableInfo) -> Option<Problem> {
    let properties = table.properties();
    let mut differences = Vec::new();
    for (name, own, manifest) in [
        ("bytes", table.file_bytes(), info.bytes),
        ("entries", properties.entries, info.entries),
        ("tombstones", properties.deletes, info.tombstones),
        ("least sequence number", properties.seq_smallest, info.seq_min),
        ("greatest sequence number", properties.seq_largest, info.seq_max),
    ] {
        if own != manifest {
            differences.push(format!("{name}: {own}, and the manifest says {manifest}"));
        }
    }
    if properties.smallest_key != info.smallest || properties.largest_key != info.largest {
        differences.push("other first and last keys than the manifest says".into());
    }
    let means = "it is not the table that was written under this number; what is read from it may be wrong or too old";
    (!differences.is_empty()).then(|| Problem::new(&info.path, differences.join("; "), means))
}

/// A stretch of a table that cannot be had.
pub(super) fn blocks_lost(table: &Table, damage: Damage, keyspace: &str) -> Problem {
    let count = damage.blocks.len();
    let blocks = if count == 1 { "one block".into() } else { format!("{count} blocks") };
    let means = format!(
        "{blocks} of {} cannot be read: gets and scans that come to its keys in keyspace {keyspace:?} fail, all others work; `repair` saves the rest",
        table.block_count()
    );
    Problem {
        file: table.path().to_path_buf(),
        offset: Some(table.extent(damage.blocks.start).offset),
        what: damage.error.to_string(),
        means,
        keys: Some((damage.from, damage.to)),
    }
}

/// Levels but the first are sorted runs.
fn check_levels(tree: &StoreTree, report: &mut Report) {
    for keyspace in &tree.keyspaces {
        for (level, tables) in keyspace.levels.iter().enumerate().skip(1) {
            for pair in tables.windows(2).filter(|pair| pair[0].overlaps(&pair[1])) {
                let what = format!(
                    "tables {} and {} of level {level} of keyspace {:?} overlap",
                    pair[0].id, pair[1].id, keyspace.name
                );
                let means = "a get may find an older version of a key than the newest";
                let keys = Some((pair[1].smallest.clone(), pair[0].largest.clone()));
                report.problems.push(Problem { keys, ..Problem::new(&pair[1].path, what, means) });
            }
        }
    }
}
