//! What stands in the cells: figures, or why there is none.

use super::{Report, number};
use crate::engines::OURS;
use crate::measure::{Measure, Spread};
use crate::parent::Cell;
use crate::rows::Row;

/// Columns of the overview after the engines'.
pub(super) const RATIOS: [&str; 4] = ["÷ rocksdb", "÷ rocksdb-direct", "÷ best peer", "of the disk"];

/// Columns of the details.
pub(super) const DETAILS: [&str; 12] = [
    "median",
    "min",
    "max",
    "p50",
    "p99",
    "p99.9",
    "peak RSS",
    "CPU s",
    "written",
    "on disk",
    "write amp.",
    "longest pause",
];

impl Report<'_> {
    /// The median, marked where it needs a note; or why there is none, in a word.
    pub(super) fn overview(&self, row: &Row, engine: &'static str) -> String {
        let Some(cell) = self.cell(row, engine) else { return "–".into() };
        if cell.failed.is_some() {
            return "failed".into();
        }
        let mark = if cell.rounds.iter().any(|measure| !measure.notes.is_empty()) { "*" } else { "" };
        match self.spread(row, engine) {
            Some(spread) => number::value(row.unit(), spread.median) + mark,
            None if cell.cannot.is_some() => "n/a".into(),
            None => "–".into(),
        }
    }

    /// In the order of [`RATIOS`].
    pub(super) fn ratios(&self, row: &Row) -> [String; 4] {
        let shown = |ratio: Option<f64>| ratio.map_or_else(String::new, number::ratio);
        let best = self.best_peer(row).map(|(name, ratio)| format!("{} {name}", number::ratio(ratio)));
        let disk = self.of_disk(row).map(|part| format!("{:.0} %", part * 100.0));
        [
            shown(self.ratio(row, "rocksdb")),
            shown(self.ratio(row, "rocksdb-direct")),
            best.unwrap_or_default(),
            disk.unwrap_or_default(),
        ]
    }

    /// In the order of [`DETAILS`]: medians over the rounds but for the first three and the pause, which is the longest.
    pub(super) fn details(&self, row: &Row, engine: &'static str) -> Option<[String; DETAILS.len()]> {
        let cell = self.cell(row, engine)?;
        let spread = self.spread(row, engine)?;
        let median = |of: &dyn Fn(&Measure) -> Option<f64>, show: &dyn Fn(f64) -> String| {
            Spread::of(cell.rounds.iter().filter_map(of))
                .map_or_else(String::new, |spread| show(spread.median))
        };
        let bytes = |value: f64| number::bytes(value as u64);
        let nanos = |value: f64| number::nanos(value as u64);
        let value = |value| number::value(row.unit(), value);
        let pause = Spread::of(cell.rounds.iter().filter_map(|measure| measure.pause_ms));
        let unless_zero = |value: u64| (value > 0).then_some(value as f64);
        Some([
            value(spread.median),
            value(spread.min),
            value(spread.max),
            median(&|m| Some(m.latency?.p50 as f64), &nanos),
            median(&|m| Some(m.latency?.p99 as f64), &nanos),
            median(&|m| Some(m.latency?.p999 as f64), &nanos),
            median(&|m| Some(m.rss_peak_bytes as f64), &bytes),
            median(&|m| Some(m.cpu_seconds), &|seconds| format!("{seconds:.2}")),
            median(&|m| unless_zero(m.written_bytes), &bytes),
            median(&|m| unless_zero(m.disk_bytes), &bytes),
            median(&|m| m.write_amplification(), &|factor| format!("{factor:.2}")),
            pause.map_or_else(String::new, |pause| format!("{:.0} ms", pause.max)),
        ])
    }

    /// Sentences about cells that need one, each once.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.results.notes.clone();
        let mut add = |note: String| {
            if !notes.contains(&note) {
                notes.push(note);
            }
        };
        for row in &self.plan.rows {
            for engine in self.engine_names().chain([crate::parent::DISK]) {
                let Some(cell) = self.cell(row, engine) else { continue };
                cell_notes(row, engine, cell).into_iter().for_each(&mut add);
            }
        }
        for column in &self.plan.absent {
            add(format!("{} is absent: {}", column.name, column.how));
        }
        if !self.engine_names().any(|name| name == OURS) {
            add("no ratios: Ringwood was not among the engines".into());
        }
        notes
    }
}

fn cell_notes(row: &Row, engine: &'static str, cell: &Cell) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &cell.failed {
        notes.push(format!("{}, {engine} failed: {why}", row.name));
    }
    // One sentence an engine and reason, whatever the number of rows.
    notes.extend(cell.cannot.as_ref().map(|why| format!("n/a, {engine}: {why}")));
    let said = cell.rounds.iter().flat_map(|measure| &measure.notes);
    for note in said.collect::<std::collections::BTreeSet<_>>() {
        notes.push(if engine == crate::parent::DISK {
            note.clone()
        } else {
            format!("{}*, {engine}: {note}", row.name)
        });
    }
    notes
}
