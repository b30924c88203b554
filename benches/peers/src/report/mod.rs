//! What a run found, for a terminal, a program, a browser.

mod cells;
mod html;
mod json;
mod number;
mod table;

use crate::args::Plan;
use crate::engines::{COLUMNS, OURS};
use crate::knobs::Knobs;
use crate::measure::Spread;
use crate::parent::{Cell, DISK, Results};
use crate::rows::{Bound, Group, ROWS, Row, Unit};
use crate::{engines, machine};

/// Everything that is told about a run. One thread.
pub(crate) struct Report<'a> {
    plan: &'a Plan,
    results: Results,
    machine: Vec<(String, String)>,
    settings: Vec<(String, String)>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(plan: &'a Plan, results: Results) -> Self {
        let (machine, settings) = (machine::describe(&plan.dir), settings(plan));
        Self { plan, results, machine, settings }
    }

    /// Whether some row failed.
    pub(crate) fn has_failures(&self) -> bool {
        self.results.cells.values().any(|cell| cell.failed.is_some())
    }

    fn engine_names(&self) -> impl Iterator<Item = &'static str> {
        self.plan.columns.iter().map(|column| column.name)
    }

    fn cell(&self, row: &Row, engine: &'static str) -> Option<&Cell> {
        self.results.cells.get(&(row.name, engine))
    }

    fn spread(&self, row: &Row, engine: &'static str) -> Option<Spread> {
        Spread::of(self.cell(row, engine)?.rounds.iter().map(|measure| measure.value))
    }

    /// How many times as good Ringwood is as an engine.
    fn ratio(&self, row: &Row, engine: &'static str) -> Option<f64> {
        let (ours, theirs) = (self.spread(row, OURS)?.median, self.spread(row, engine)?.median);
        Some(if row.unit() == Unit::Millis { theirs / ours } else { ours / theirs })
    }

    /// The engine that Ringwood has the least lead over, and the ratio.
    fn best_peer(&self, row: &Row) -> Option<(&'static str, f64)> {
        let peers = self.engine_names().filter(|name| *name != OURS);
        peers.filter_map(|name| Some((name, self.ratio(row, name)?))).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// What part of the bare disk's figure Ringwood reaches.
    fn of_disk(&self, row: &Row) -> Option<f64> {
        let disk = |name: &str| Some(self.spread(Row::named(name)?, DISK)?.median);
        let ours = self.spread(row, OURS)?.median;
        match row.bound {
            Bound::None => None,
            Bound::Operations(name) => Some(ours / disk(name)?),
            Bound::Bytes(name) => Some(ours * self.plan.knobs.entry_bytes() as f64 / 1e6 / disk(name)?),
        }
    }

    /// Groups of stores with their rows.
    fn groups(&self) -> impl Iterator<Item = (Group, Vec<&'static Row>)> {
        let rows = |group| self.plan.rows_of(group).collect::<Vec<_>>();
        Group::ALL.into_iter().map(move |group| (group, rows(group))).filter(|(_, rows)| !rows.is_empty())
    }
}

/// Engines, groups and rows, for `--list`.
pub(crate) fn list() -> String {
    let mut text = String::from("engines\n");
    for column in COLUMNS {
        let (name, what) = (column.name, column.engine.map_or_else(|| absent(column.how), |e| e.version()));
        text += &format!("  {name:<16} {what}\n");
    }
    for group in Group::ALL {
        text += &format!("\n{}: {}\n", group.name(), group.about());
        for row in ROWS.iter().filter(|row| row.group == group) {
            text += &format!(
                "  {:<24} {} thread{}\n",
                row.name,
                row.threads,
                if row.threads == 1 { "" } else { "s" }
            );
        }
    }
    text
}

fn absent(how: &str) -> String {
    format!("not in this build: {how}")
}

fn settings(plan: &Plan) -> Vec<(String, String)> {
    let Knobs { num, sustained_num, value_bytes, seconds, cap_seconds, write_rate, .. } = plan.knobs;
    let bytes = number::bytes;
    let knobs = &plan.knobs;
    let rows = [
        (
            "entries",
            format!("{num}, keys of {} bytes, values of {value_bytes} that halve", crate::data::KEY_BYTES),
        ),
        ("data", bytes(knobs.data_bytes())),
        ("fillrandom-sustained", format!("{sustained_num} puts")),
        ("rounds", format!("{}, engines in turns, each a process of its own", plan.rounds)),
        (
            "hot and fills",
            format!("cache {}, write buffer {}", bytes(knobs.cache_bytes), bytes(knobs.write_buffer_bytes)),
        ),
        (
            "cold",
            format!(
                "memory of the process with its page cache {}, of which cache {}, write buffer {}",
                bytes(knobs.memory_limit),
                bytes(knobs.cold_cache_bytes),
                bytes(knobs.cold_write_buffer_bytes)
            ),
        ),
        (
            "time",
            format!("{seconds} s a row that is not counted out; fills and scans cut off at {cap_seconds} s"),
        ),
        (
            "readwhilewriting",
            format!("one writer of {write_rate} puts a second beside the readers; the reads count"),
        ),
        ("for all", "no compression, filters of 10 bits a key where there are any, jemalloc".to_string()),
        (
            "reads",
            "each get, multi-get, seek and whole scan is checked to have found what is there".to_string(),
        ),
        ("ringwood-peers", engines::locked_version("ringwood-peers").to_string()),
    ];
    rows.map(|(name, value)| (name.to_string(), value)).into()
}

#[cfg(test)]
mod tests;
