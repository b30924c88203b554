//! A child process: some rows of one group with one engine. It tells what it measures on its standard output, one JSON line each.

use std::io::Write;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::data::{ValueData, key};
use crate::engines::{self, Sink, View};
use crate::knobs::Task;
use crate::limits::{drop_caches, enter};
use crate::measure::{Latency, Measure, Message};
use crate::rows::{Group, ROWS, Row, Unit, Work};
use crate::stage::{Stage, wait_until_quiet};
use crate::work::{self, DiskBench, Job, Outcome, Records};
use crate::{Result, usage};

/// Openings of which the median counts.
const OPENINGS: usize = 3;
/// A cold row is warmed up for this part of its time, so that what every engine keeps is kept.
const WARM_UP: f64 = 0.5;

/// Does a task. Failures of single rows are told as such.
///
/// # Errors
/// If it cannot begin.
pub(crate) fn run(task: &Task) -> Result<()> {
    // The parent may be killed: nobody would end this process then.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(group) = &task.cgroup {
        enter(group)?;
    }
    let data = ValueData::new(task.knobs.value_bytes);
    if task.engine == crate::parent::DISK {
        return run_disk(task);
    }
    let column = engines::column(&task.engine).ok_or("no such engine")?;
    let engine = column.engine.ok_or("the engine is not in this build")?;
    let mut stage = Stage::new(engine, task, &data);
    if task.rows.is_empty() {
        return stage.make_base();
    }
    run_rows(&mut stage, task, &data)?;
    stage.close()
}

fn run_rows(stage: &mut Stage<'_>, task: &Task, data: &ValueData) -> Result<()> {
    let rows: Vec<&'static Row> = task.rows.iter().filter_map(|name| Row::named(name)).collect();
    let ycsb = rows.iter().any(|row| row.group == Group::Ycsb);
    let records = Records::new(if ycsb { task.knobs.num } else { 2 });
    for (at, row) in rows.into_iter().enumerate() {
        let seed = task.round << 16 | at as u64;
        let job = Job { row, knobs: &task.knobs, data, records: &records, seed };
        tell(&Message::Begins { row: row.name.into() })?;
        let message = match measure(stage, job) {
            Ok(measure) => Message::Measured { row: row.name.into(), measure },
            Err(error) => {
                stage.forget();
                Message::Failed { row: row.name.into(), why: error.to_string() }
            }
        };
        tell(&message)?;
    }
    Ok(())
}

fn measure(stage: &mut Stage<'_>, job: Job<'_>) -> Result<Measure> {
    let row = job.row;
    stage.prepare(row, |store| {
        let fills = |fill: &&Row| fill.work == Work::FillRandom && fill.threads == row.threads;
        let fill = ROWS.iter().find(fills).ok_or("there is a fill for every row that starts with one")?;
        work::run(store, Job { row: fill, ..job }).map(|_| ())
    })?;
    if stage.is_fresh() && matches!(row.group, Group::Hot | Group::Ycsb) {
        work::touch_all(stage.store()?, job)?;
    }
    if row.group == Group::Cold && row.unit() == Unit::PerSecond && row.work != Work::ScanAll {
        let knobs = crate::knobs::Knobs { seconds: job.knobs.seconds * WARM_UP, ..job.knobs.clone() };
        work::run(stage.store()?, Job { knobs: &knobs, seed: !job.seed, ..job })?;
    }
    let start = usage::start();
    let began = std::time::Instant::now();
    let mut notes = Vec::new();
    let mut outcome = match row.work {
        Work::Open => open(stage, row)?,
        Work::Compact => compact(stage, job)?,
        _ => work::run(stage.store()?, job)?,
    };
    if matches!(row.group, Group::Fill | Group::Sustained | Group::Load) && work::writes(row.work) {
        stage.store()?.settle()?;
        let (since, quiet) = wait_until_quiet();
        if !quiet {
            notes.push("background work did not end".into());
        }
        if row.work == Work::Sustained {
            outcome.seconds = (since - began).as_secs_f64().max(outcome.seconds);
        }
    }
    let used = start.used();
    if outcome.cut {
        notes.push(format!("cut off after {:.0} s", job.knobs.cap_seconds));
    }
    let watched = matches!(row.group, Group::Fill | Group::Sustained);
    Ok(Measure {
        ops: outcome.ops,
        seconds: outcome.seconds,
        value: value(row, &outcome),
        latency: Latency::of(&outcome.latency).filter(|_| !is_scan(row.work)),
        rss_peak_bytes: used.rss_peak_bytes,
        cpu_seconds: used.cpu_seconds,
        written_bytes: used.written_bytes,
        disk_bytes: stage.disk_bytes(row),
        user_bytes: user_bytes(job, outcome.ops),
        pause_ms: watched.then_some(outcome.pause_ms),
        slowest_second: outcome.slowest_second.filter(|_| watched),
        notes,
    })
}

/// A scan is one call: its latency is no one's.
fn is_scan(work: Work) -> bool {
    matches!(work, Work::ScanAll | Work::ScanBackward)
}

fn value(row: &Row, outcome: &Outcome) -> f64 {
    match row.unit() {
        Unit::PerSecond => outcome.ops as f64 / outcome.seconds,
        Unit::MegabytesPerSecond => outcome.ops as f64 * (1u64 << 20) as f64 / outcome.seconds / 1e6,
        Unit::Millis => outcome.seconds * 1e3,
    }
}

/// Bytes that a row of nothing but puts or deletes brought.
fn user_bytes(job: Job<'_>, ops: u64) -> u64 {
    match job.row.work {
        Work::FillSeq
        | Work::FillRandom
        | Work::Sustained
        | Work::FillSync
        | Work::LoadSorted
        | Work::LoadRandom => ops * job.knobs.entry_bytes(),
        Work::DeleteRandom => ops * crate::data::KEY_BYTES as u64,
        _ => 0,
    }
}

/// An outcome of one call that took `seconds`.
fn outcome(ops: u64, seconds: f64) -> Outcome {
    Outcome {
        ops,
        seconds,
        latency: crate::latency::histogram(),
        cut: false,
        pause_ms: 0.0,
        slowest_second: None,
    }
}

fn compact(stage: &mut Stage<'_>, job: Job<'_>) -> Result<Outcome> {
    let start = std::time::Instant::now();
    stage.store()?.compact()?;
    Ok(outcome(job.knobs.num, start.elapsed().as_secs_f64()))
}

/// The median of some openings with cold caches, each with a first get.
fn open(stage: &mut Stage<'_>, row: &Row) -> Result<Outcome> {
    let (progress, stop) = Default::default();
    let mut took = Vec::new();
    for number in 0..OPENINGS as u64 {
        took.push(stage.reopen(row, |store| {
            let found = store.reader(View::Live)?.get(&key(number), &mut Sink::new(&progress, &stop))?;
            if found { Ok(()) } else { Err(format!("key {number} is gone after opening").into()) }
        })?);
    }
    took.sort_unstable();
    let median: Duration = took[OPENINGS / 2];
    Ok(outcome(1, median.as_secs_f64()))
}

fn run_disk(task: &Task) -> Result<()> {
    let bench = DiskBench::new(&task.dir, task.knobs.data_bytes())?;
    for (at, name) in task.rows.iter().enumerate() {
        let row = Row::named(name).ok_or("no such row")?;
        let Work::Disk(what) = row.work else { continue };
        tell(&Message::Begins { row: name.clone() })?;
        drop_caches(&task.dir)?;
        let start = usage::start();
        let outcome = bench.run(row, what, task.knobs.seconds, task.round << 16 | at as u64)?;
        let used = start.used();
        let measure = Measure {
            ops: outcome.ops,
            seconds: outcome.seconds,
            value: value(row, &outcome),
            latency: Latency::of(&outcome.latency),
            rss_peak_bytes: used.rss_peak_bytes,
            cpu_seconds: used.cpu_seconds,
            written_bytes: used.written_bytes,
            notes: vec![bench.about()],
            ..Measure::default()
        };
        tell(&Message::Measured { row: name.clone(), measure })?;
    }
    Ok(())
}

fn tell(message: &Message) -> Result<()> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}
