//! The parent: rounds of children, one an engine and group of rows, in turns.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use tempfile::TempDir;

use crate::args::Plan;
use crate::engines::Column;
use crate::halt::Halt;
use crate::knobs::Task;
use crate::limits::MemoryGroup;
use crate::measure::{Measure, Message};
use crate::process;
use crate::rows::{Group, Row};
use crate::stage::cannot;
use crate::{Error, Result};

/// The column of the bare disk.
pub(crate) const DISK: &str = "disk";

/// Bytes on disk for each byte of data: stores of B-trees after random inserts, and compactions under way.
const SPACE_FACTOR: u64 = 4;

/// What there is for one row and one engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    pub(crate) rounds: Vec<Measure>,
    /// Why it cannot be measured with this engine.
    pub(crate) cannot: Option<String>,
    /// What went wrong in some round.
    pub(crate) failed: Option<String>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// By name of the row and of the engine.
    pub(crate) cells: BTreeMap<(&'static str, &'static str), Cell>,
    /// What holds for the whole run.
    pub(crate) notes: Vec<String>,
}

impl Results {
    fn cell(&mut self, row: &'static str, engine: &'static str) -> &mut Cell {
        self.cells.entry((row, engine)).or_default()
    }
}

/// Runs the plan, and says what ended it early, if so: what was measured before is worth having. What fails inside is in the results.
///
/// # Errors
/// If it cannot begin.
pub(crate) fn run(plan: &Plan, halt: &Halt) -> Result<(Results, Option<Error>)> {
    let mut run = Run::new(plan, halt)?;
    let error = rounds(&mut run).err();
    show("");
    if let Some(error) = &error {
        run.results.notes.push(format!("the run ended early: {error}"));
    }
    Ok((run.results, error))
}

fn rounds(run: &mut Run<'_>) -> Result<()> {
    let plan = run.plan;
    run.make_bases()?;
    for round in 0..plan.rounds {
        for group in Group::ALL {
            let rows: Vec<_> = plan.rows_of(group).collect();
            if rows.is_empty() {
                continue;
            }
            if group == Group::Disk {
                run.rows(DISK, &rows, round)?;
                continue;
            }
            // Another one begins each round, so that none is always behind the same one.
            let mut columns = plan.columns.clone();
            let first = round as usize % columns.len().max(1);
            columns.rotate_left(first);
            for column in columns {
                run.column(column, &rows, round)?;
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    plan: &'a Plan,
    halt: &'a Halt,
    results: Results,
    // Fields are dropped in this order: the group after the children, the directory last.
    memory: Option<MemoryGroup>,
    temp: TempDir,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, halt: &'a Halt) -> Result<Self> {
        let mut results = Results::default();
        let cold = plan.rows_of(Group::Cold).next().is_some();
        let memory = if cold { memory_group(plan, &mut results.notes) } else { None };
        check_space(plan)?;
        let temp = tempfile::Builder::new().prefix("ringwood-peers-").tempdir_in(&plan.dir);
        let temp = temp.map_err(|e| format!("cannot make a directory in {}: {e}", plan.dir.display()))?;
        Ok(Self { plan, halt, results, memory, temp })
    }

    fn base(&self, engine: &str) -> PathBuf {
        self.temp.path().join(format!("base-{engine}"))
    }

    /// Loads the stores that all rounds share.
    fn make_bases(&mut self) -> Result<()> {
        let wanted: Vec<_> =
            [Group::Hot, Group::Cold].into_iter().flat_map(|g| self.plan.rows_of(g)).collect();
        for column in &self.plan.columns {
            let rows: Vec<_> = wanted.iter().filter(|row| self.why_not(column, row).is_none()).collect();
            if rows.is_empty() {
                continue;
            }
            show(&format!("loading {}", column.name));
            let task = self.task(column.name, Vec::new(), None, 0)?;
            if let Some(why) = process::run(&task, self.temp.path(), self.halt, |_| {})? {
                for row in &wanted {
                    self.results.cell(row.name, column.name).failed = Some(format!("loading: {why}"));
                }
            }
            self.clear(&task)?;
        }
        Ok(())
    }

    /// Why an engine is not asked for a row.
    fn why_not(&self, column: &Column, row: &Row) -> Option<String> {
        let engine = column.engine?;
        cannot(engine, row).map(str::to_string)
    }

    /// One engine's rows of one group in one round.
    fn column(&mut self, column: &Column, rows: &[&'static Row], round: u64) -> Result<()> {
        let mut able = Vec::new();
        for row in rows {
            let why = self.why_not(column, row);
            let cell = self.results.cell(row.name, column.name);
            cell.cannot = why;
            if cell.cannot.is_none() && cell.failed.is_none() {
                able.push(*row);
            }
        }
        self.rows(column.name, &able, round)
    }

    /// Runs rows in a child; in another one what was left if the first one died.
    fn rows(&mut self, engine: &'static str, rows: &[&'static Row], round: u64) -> Result<()> {
        let mut left = rows;
        while let Some(first) = left.first() {
            let limited = first.group == Group::Cold;
            let group = self.memory.as_ref().filter(|_| limited).map(|group| group.path().to_path_buf());
            let names = left.iter().map(|row| row.name.to_string()).collect();
            let task = self.task(engine, names, group, round)?;
            let (mut heard, mut begun) = (Vec::new(), 0);
            let mut silent: BTreeSet<&'static str> = left.iter().map(|row| row.name).collect();
            let title = format!("round {} of {}: {engine}", round + 1, self.plan.rounds);
            let why = process::run(&task, self.temp.path(), self.halt, |message| {
                if let Message::Begins { row } = &message {
                    begun += 1;
                    show(&format!("{title}, {row}"));
                }
                if let Message::Measured { row, .. } | Message::Failed { row, .. } = &message {
                    silent.remove(row.as_str());
                }
                heard.push(message);
            })?;
            self.clear(&task)?;
            heard.into_iter().for_each(|message| self.keep(engine, message));
            let Some(why) = why else {
                for row in silent {
                    self.results.cell(row, engine).failed = Some("the child gave no figure".into());
                }
                return Ok(());
            };
            // The row that was under way is to blame; the next ones get a child of their own.
            let blamed = begun.max(1).min(left.len());
            self.results.cell(left[blamed - 1].name, engine).failed = Some(why);
            left = &left[blamed..];
        }
        Ok(())
    }

    fn keep(&mut self, engine: &'static str, message: Message) {
        let (Message::Begins { row } | Message::Measured { row, .. } | Message::Failed { row, .. }) =
            &message;
        let Some(row) = Row::named(row) else { return };
        let cell = self.results.cell(row.name, engine);
        match message {
            Message::Begins { .. } => {}
            Message::Measured { measure, .. } => cell.rounds.push(measure),
            Message::Failed { why, .. } => cell.failed = Some(why),
        }
    }

    fn task(&self, engine: &str, rows: Vec<String>, cgroup: Option<PathBuf>, round: u64) -> Result<Task> {
        let dir = self.temp.path().join("own");
        fs::create_dir_all(&dir)?;
        let (knobs, base) = (self.plan.knobs.clone(), self.base(engine));
        Ok(Task { knobs, engine: engine.into(), rows, dir, base, cgroup, round })
    }

    /// Removes a child's own stores.
    fn clear(&self, task: &Task) -> Result<()> {
        Ok(fs::remove_dir_all(&task.dir)?)
    }
}

/// Progress, only for a person who watches.
fn show(text: &str) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let _ = write!(err, "\r\x1b[K{text}");
        let _ = err.flush();
    }
}

fn memory_group(plan: &Plan, notes: &mut Vec<String>) -> Option<MemoryGroup> {
    let knobs = &plan.knobs;
    let times = knobs.data_bytes() as f64 / knobs.memory_limit as f64;
    if times < 3.0 {
        notes.push(format!(
            "the cold rows are lukewarm: their data is only {times:.1} times the memory allowed"
        ));
    }
    match MemoryGroup::new(knobs.memory_limit) {
        Ok(group) => Some(group),
        Err(error) => {
            notes.push(format!("the cold rows are not cold: {error}; the page cache may hold all data"));
            None
        }
    }
}

fn check_space(plan: &Plan) -> Result<()> {
    let space = rustix::fs::statvfs(&plan.dir).map_err(|e| format!("{}: {e}", plan.dir.display()))?;
    let free = space.f_bavail * space.f_frsize;
    let bases = plan.rows.iter().any(|row| matches!(row.group, Group::Hot | Group::Cold));
    let stores = if bases { plan.columns.len() as u64 } else { 0 };
    let entries = (stores + 1) * plan.knobs.num + plan.knobs.sustained_num;
    let want = SPACE_FACTOR * entries * plan.knobs.entry_bytes();
    if free < want {
        let (dir, free, want) = (plan.dir.display(), free >> 20, want >> 20);
        return Err(format!(
            "{dir} has {free} MiB free and {want} are wanted: take a smaller --num or another --dir"
        )
        .into());
    }
    Ok(())
}
