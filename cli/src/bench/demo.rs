//! `ringwood bench` without options: what the store does on this disk, in a minute at most, told to a person.
//!
//! The steps are benchmarks of [`super::workload`] with a cap on their time. The store is filled, then reopened with little
//! memory, so that reads come from the device.

use std::time::Duration;

use ringwood::{Class, Durability};

use super::counts::Cost;
use super::flags::BenchArgs;
use super::header;
use super::json;
use super::plan::Bench;
use super::report::{figure, show_ns};
use super::session::{self, Session};
use super::worker::{Outcome, Settings};
use crate::cli::Global;
use crate::failure::Result;
use crate::out::Out;
use crate::size::show_size;

/// Keys written: 220 MiB of keys and values.
const KEYS: u64 = 2_000_000;
/// Keys that are read again and again while the store has all its memory: they fit.
const HOT_KEYS: u64 = 20_000;
/// Memory of the store when reads are to come from the device.
const COLD_MEMORY_BYTES: u64 = 16 << 20;
const SYNC_THREADS: usize = 16;
const GROUP_KEYS: u64 = 64;
const SCAN_STEPS: u64 = 100;

/// One step: how it is told, which benchmark, how it changes the options, how long it may take.
struct Step {
    title: &'static str,
    bench: Bench,
    change: fn(&mut BenchArgs, &mut Settings),
    seconds: u64,
}

const fn step(
    title: &'static str,
    bench: Bench,
    seconds: u64,
    change: fn(&mut BenchArgs, &mut Settings),
) -> Step {
    Step { title, bench, change, seconds }
}

/// With all the memory that the store takes by itself.
const WARM: [Step; 4] = [
    step("put, random order, buffered", Bench::FillUniqueRandom, 14, |_, _| {}),
    step("put, synced, 16 threads", Bench::Overwrite, 5, |args, set| {
        set.durability = Durability::Synced;
        set.threads = SYNC_THREADS;
        set.writes = args.num;
    }),
    step("compact everything", Bench::Compact, 0, |_, _| {}),
    step("get, hot", Bench::ReadRandom, 5, |args, _| args.num = args.num.min(HOT_KEYS)),
];

/// With little memory.
const COLD: [Step; 4] = [
    step("get, cold", Bench::ReadRandom, 4, |_, _| {}),
    step("get, cold, 64 keys a call", Bench::MultiReadRandom, 4, |_, set| set.batch = GROUP_KEYS),
    step("seek + 100 next, cold", Bench::SeekRandom, 4, |args, _| args.seek_nexts = SCAN_STEPS),
    step("scan from the first key", Bench::ReadSeq, 5, |_, _| {}),
];

/// Runs the demonstration.
pub(crate) fn run(args: &BenchArgs, global: &Global, out: &mut Out) -> Result<()> {
    let mut args = args.clone();
    args.num = args.demo_num.unwrap_or(KEYS);
    let mut session = Session::open(&args, global)?;
    let done = run_steps(&args, global.json, &mut session, out);
    out.flush()?;
    done?;
    session.end()
}

fn run_steps(args: &BenchArgs, json: bool, session: &mut Session, out: &mut Out) -> Result<()> {
    if !json {
        introduce(args, session, out)?;
    }
    let mut results = Vec::new();
    for step in &WARM {
        results.push(run_step(step, args, json, session, out)?);
    }
    session.reopen(|options| options.memory(COLD_MEMORY_BYTES))?;
    for step in &COLD {
        results.push(run_step(step, args, json, session, out)?);
    }
    if !json {
        conclude(&results, session, out)?;
    }
    Ok(())
}

fn introduce(args: &BenchArgs, session: &Session, out: &mut Out) -> Result<()> {
    let stats = session.stats();
    let version = env!("CARGO_PKG_VERSION");
    let kernel = rustix::system::uname();
    let bytes = (args.key_size + args.value_size) as f64 * args.num as f64;
    out.line(format_args!("Ringwood {version} on Linux {}", kernel.release().to_string_lossy()))?;
    out.line(format_args!("I/O path  {}", header::path(&stats)))?;
    for why in &stats.caps.degraded {
        out.line(format_args!("          {why}"))?;
    }
    out.line(format_args!(
        "store     {}, removed at the end: {} keys of {} bytes with values of {} bytes, {}",
        session.dir().display(),
        args.num,
        args.key_size,
        args.value_size,
        show_size(bytes)
    ))?;
    out.line("")?;
    out.line(format_args!(
        "{:<28} {:>12} {:>8} {:>8} {:>10} {:>8} {:>10} {:>9} {:>9}",
        "", "ops/s", "p50", "p99", "enters/op", "SQEs/op", "SQEs/enter", "read/op", "write/op"
    ))?;
    out.flush()
}

type Done = (Outcome, Cost);

fn run_step(step: &Step, args: &BenchArgs, json: bool, session: &mut Session, out: &mut Out) -> Result<Done> {
    let mut args = args.clone();
    let mut set = session::settings(&args, step.bench);
    (step.change)(&mut args, &mut set);
    // Random reads go on until their time is over; what has an end of its own ends there.
    if step.seconds > 0 {
        set.cap = Some(Duration::from_secs(step.seconds));
        if args.demo_num.is_none() && step.bench != Bench::ReadSeq {
            set.reads = u64::MAX;
        }
    }
    let (outcome, cost) = session.run(step.title, &args, &set)?;
    if json {
        let mut object = json::benchmark(step.title, &set, &outcome, &cost, &session.stats());
        object["workload"] = format!("{:?}", step.bench).to_lowercase().into();
        out.line_now(object)?;
    } else {
        out.line_now(row(step, &outcome, &cost))?;
    }
    Ok((outcome, cost))
}

fn row(step: &Step, outcome: &Outcome, cost: &Cost) -> String {
    let total = cost.io.total();
    let each = |count: u64| count as f64 / outcome.all_ops as f64;
    let quantile =
        |q| outcome.latencies.all().map_or("-".into(), |all| show_ns(all.value_at_quantile(q) as f64));
    let (rate, p50, p99) = match step.bench {
        // One operation: its time says more than its rate.
        Bench::Compact => {
            (format!("in {}", show_ns(outcome.elapsed_ns as f64)), String::new(), String::new())
        }
        _ => (grouped(outcome.rate() as u64), quantile(0.5), quantile(0.99)),
    };
    format!(
        "{:<28} {rate:>12} {p50:>8} {p99:>8} {:>10} {:>8} {:>10} {:>9} {:>9}",
        step.title,
        figure(each(total.enters)),
        figure(each(total.sqes)),
        figure(cost.sqes_per_enter()),
        show_size(each(total.read_bytes)),
        show_size(each(total.write_bytes)),
    )
}

/// A number with commas: `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let (head, tail) = digits.split_at(digits.len() % 3);
    let groups = tail.as_bytes().chunks(3).map(|c| String::from_utf8_lossy(c).into_owned());
    let head = Some(head.to_string()).filter(|h| !h.is_empty());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

/// What the counters say about the steps, in sentences.
fn conclude(results: &[Done], session: &Session, out: &mut Out) -> Result<()> {
    out.line("")?;
    for sentence in sentences(results, session) {
        out.line(format_args!("- {sentence}"))?;
    }
    out.line("\nMore: ringwood bench --help; db_bench's benchmarks and flags work here as they do there.")
}

fn sentences(results: &[Done], session: &Session) -> Vec<String> {
    let [fill, sync, compact, _, cold, multi, ..] = results else { return Vec::new() };
    let ring = session.stats().caps.backend == "io_uring";
    let mut all = Vec::new();
    if let Some(amplification) = fill.1.write_amplification() {
        all.push(format!(
            "filling wrote {amplification:.2} bytes to the device for each byte put, flushes and compactions included"
        ));
    }
    if let (None, Some(calls)) = (session.uncounted(), fill.1.syscalls) {
        let each = figure(calls as f64 / fill.0.all_ops as f64);
        all.push(format!("the whole process made {each} system calls for each buffered put"));
    }
    let log = sync.1.io.class(Class::Log);
    if log.syncs > 0 {
        let way = if ring { "linked chains of write and fsync" } else { "writes with an fsync after them" };
        let sync_each = |count: u64| figure(count as f64 / log.syncs as f64);
        let (puts, syncs, chains) = (grouped(sync.0.ops), grouped(log.syncs), grouped(log.chains));
        let (each, enters) = (sync_each(sync.0.ops), sync_each(log.enters));
        all.push(format!(
            "{puts} synced puts shared {syncs} syncs, {chains} of them {way}: {each} puts and {enters} system calls for each"
        ));
    }
    let merge = compact.1.io.class(Class::Compaction);
    if merge.reads > 0 {
        let (read, written) = (show_size(merge.read_bytes as f64), show_size(merge.write_bytes as f64));
        let reads = grouped(merge.reads);
        let batch = figure(merge.sqes as f64 / merge.enters.max(1) as f64);
        all.push(format!(
            "compaction read {read} in {reads} reads and wrote {written}, {batch} operations a system call"
        ));
    }
    let gets = cold.1.io.class(Class::Get);
    if gets.reads > 0 {
        let each = figure(gets.reads as f64 / cold.0.ops as f64);
        let size = show_size(gets.read_bytes as f64 / gets.reads as f64);
        let (reads, fixed) = (grouped(gets.reads), grouped(gets.fixed));
        all.push(format!(
            "a cold get made {each} reads of {size}; {fixed} of {reads} went into registered memory"
        ));
    }
    let groups = multi.1.io.class(Class::Get);
    if groups.reads > 0 {
        let calls = multi.0.ops as f64 / GROUP_KEYS as f64;
        let (reads, enters) = (figure(groups.reads as f64 / calls), figure(groups.enters as f64 / calls));
        let faster = multi.0.rate() / cold.0.rate();
        all.push(format!(
            "a cold call for {GROUP_KEYS} keys made {reads} reads in {enters} system calls; that is {faster:.1} times the keys a \
             second of single gets"
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(grouped), ["0", "12", "999", "1,000", "1,234,567"]);
    }
}
