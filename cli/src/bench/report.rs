//! The text that a benchmark prints: db_bench's line, then details, indented.

use std::fmt::Write;

use hdrhistogram::Histogram;
use ringwood::Class;

use super::counts::Cost;
use super::worker::{Note, Outcome};
use crate::size::show_size;

/// db_bench's line.
pub(crate) fn line(name: &str, outcome: &Outcome) -> String {
    let micros = outcome.thread_ns as f64 / 1e3 / outcome.ops as f64;
    let rate = outcome.rate() as u64;
    let (seconds, ops) = (outcome.elapsed_ns as f64 / 1e9, outcome.ops);
    let mut line = format!(
        "{name:<12} : {micros:>11.3} micros/op {rate} ops/sec {seconds:.3} seconds {ops} operations;"
    );
    if let Some(rate) = outcome.megabytes() {
        let _ = write!(line, " {rate:>6.1} MB/s");
    }
    if let Some(text) = note(outcome.note) {
        let _ = write!(line, " {text}");
    }
    line
}

/// db_bench's remark at the end of the line.
pub(crate) fn note(note: Note) -> Option<String> {
    match note {
        Note::None => None,
        Note::Keys(keys) => Some(format!("({keys} ops)")),
        Note::Found { found, asked } => Some(format!("({found} of {asked} found)")),
        Note::ReadsWrites { reads, writes, found } => {
            let total = reads + writes;
            Some(format!("( reads:{reads} writes:{writes} total:{total} found:{found})"))
        }
        Note::Updates { updates, found } => Some(format!("( updates:{updates} found:{found})")),
    }
}

/// The indented lines after it.
pub(crate) fn details(outcome: &Outcome, cost: &Cost) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(all) = outcome.latencies.all() {
        lines.push(entry("latency", &latency(&all, outcome.latencies.timed, outcome.latencies.calls)));
    }
    lines.push(entry("per op", &per_op(outcome, cost)));
    for class in Class::ALL {
        let counts = cost.io.class(class);
        if counts.sqes == 0 {
            continue;
        }
        let mut text = format!("{} enters  {} SQEs", counts.enters, counts.sqes);
        for (count, what) in [(counts.chains, "chains"), (counts.syncs, "syncs")] {
            if count > 0 {
                let _ = write!(text, "  {count} {what}");
            }
        }
        for (bytes, what) in [(counts.read_bytes, "read"), (counts.write_bytes, "written")] {
            if bytes > 0 {
                let _ = write!(text, "  {} {what}", show_size(bytes as f64));
            }
        }
        if class == Class::Log && cost.groups > 0 {
            let each = show_ns(cost.group_ns as f64 / cost.groups as f64);
            let _ = write!(text, "  {} groups of {each}", cost.groups);
        }
        lines.push(entry(class.name(), &text));
    }
    if let Some(amplification) = cost.write_amplification() {
        let (written, accepted) = (cost.io.total().write_bytes as f64, cost.user_bytes as f64);
        let mut text = format!(
            "{amplification:.2}  ({} written for {} accepted)",
            show_size(written),
            show_size(accepted)
        );
        if cost.stall_ns > 0 {
            let _ = write!(text, "  writers slowed {}", show_ns(cost.stall_ns as f64));
        }
        lines.push(entry("write amp", &text));
    }
    lines
}

fn entry(what: &str, text: &str) -> String {
    format!("    {what:<12} {text}")
}

fn latency(all: &Histogram<u64>, timed: u64, calls: u64) -> String {
    let mut text = String::new();
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)] {
        let _ = write!(text, "{name} {}  ", show_ns(all.value_at_quantile(quantile) as f64));
    }
    let _ = write!(text, "max {}", show_ns(all.max() as f64));
    if timed < calls {
        let _ = write!(text, "  (1 call in {:.0} timed)", calls as f64 / timed as f64);
    }
    text
}

fn per_op(outcome: &Outcome, cost: &Cost) -> String {
    let each = |count: u64| figure(count as f64 / outcome.all_ops as f64);
    let total = cost.io.total();
    let mut text = match cost.syscalls {
        Some(calls) => format!("{} system calls  ", each(calls)),
        None => String::new(),
    };
    let _ = write!(text, "{} enters  {} SQEs", each(total.enters), each(total.sqes));
    if total.enters > 0 {
        let _ = write!(text, " ({} an enter)", figure(cost.sqes_per_enter()));
    }
    for (bytes, what) in [(total.read_bytes, "read"), (total.write_bytes, "written")] {
        let _ = write!(text, "  {} B {what}", each(bytes));
    }
    text
}

/// A figure with three digits or so.
pub(crate) fn figure(x: f64) -> String {
    let decimals = match x {
        _ if x == 0.0 || x >= 100.0 => 0,
        _ if x >= 10.0 => 1,
        _ if x >= 1.0 => 2,
        _ if x >= 0.01 => 3,
        _ => 6,
    };
    format!("{x:.decimals$}")
}

/// A time for people: `850ns`, `1.20us`, `13.0ms`, `2.50s`.
pub(crate) fn show_ns(ns: f64) -> String {
    let (value, unit) = match ns {
        _ if ns < 1e3 => return format!("{ns:.0}ns"),
        _ if ns < 1e6 => (ns / 1e3, "us"),
        _ if ns < 1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$}{unit}")
}

/// db_bench's histogram of one kind of call, in microseconds: summary, percentiles, and a line a bucket.
pub(crate) fn histogram(kind: &str, all: &Histogram<u64>) -> Vec<String> {
    let micros = |ns: u64| ns as f64 / 1e3;
    let at = |quantile| micros(all.value_at_quantile(quantile));
    let count = all.len();
    let mut lines = vec![
        format!("Microseconds per {kind}:"),
        format!("Count: {count} Average: {:.4}  StdDev: {:.2}", all.mean() / 1e3, all.stdev() / 1e3),
        format!("Min: {:.2}  Median: {:.4}  Max: {:.2}", micros(all.min()), at(0.5), micros(all.max())),
        format!(
            "Percentiles: P50: {:.2} P75: {:.2} P99: {:.2} P99.9: {:.2} P99.99: {:.2}",
            at(0.5),
            at(0.75),
            at(0.99),
            at(0.999),
            at(0.9999)
        ),
        "-".repeat(54),
    ];
    let mut cumulative = 0u64;
    for Bucket { left, right, calls } in buckets(all).filter(|bucket| bucket.calls > 0) {
        cumulative += calls;
        let share = 100.0 * calls as f64 / count as f64;
        let sum = 100.0 * cumulative as f64 / count as f64;
        let marks = "#".repeat((share / 5.0 + 0.5) as usize);
        let open = if left == 0 { '[' } else { '(' };
        let line = format!(
            "{open} {:>10.2}, {:>10.2} ] {calls:>8} {share:>7.3}% {sum:>7.3}% {marks}",
            micros(left),
            micros(right)
        );
        lines.push(line.trim_end().to_string());
    }
    lines.push(String::new());
    lines
}

/// Calls whose latency lies between two bounds, in nanoseconds, the right one included.
pub(crate) struct Bucket {
    pub(crate) left: u64,
    pub(crate) right: u64,
    pub(crate) calls: u64,
}

/// Calls by latency, up to the last call; what none was in lies between those that some were in.
pub(crate) fn buckets(all: &Histogram<u64>) -> impl Iterator<Item = Bucket> {
    let (mut left, mut below) = (0, 0);
    bounds().map_while(move |right| {
        let up_to = all.count_between(0, right);
        let bucket = Bucket { left, right, calls: up_to - below };
        let is_over = below == all.len();
        (left, below) = (right, up_to);
        (!is_over).then_some(bucket)
    })
}

/// Ends of the buckets: 10, 12, 15, 20, 25, … 80, 100, 120, … nanoseconds, to an hour and beyond.
fn bounds() -> impl Iterator<Item = u64> {
    const STEPS: [u64; 9] = [10, 12, 15, 20, 25, 30, 40, 60, 80];
    (0..12).flat_map(|power| STEPS.map(|step| step * 10u64.pow(power)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            ops: 1_000_000,
            all_ops: 1_000_000,
            bytes: 116_000_000,
            elapsed_ns: 1_234_000_000,
            thread_ns: 1_234_000_000,
            ..Outcome::default()
        }
    }

    #[test]
    fn the_line_is_db_benchs() {
        let plain = line("fillseq", &outcome());
        let expected = "fillseq      :       1.234 micros/op 810372 ops/sec 1.234 seconds 1000000 operations;   89.6 MB/s";
        assert_eq!(plain, expected);
        let read = Outcome { bytes: 0, note: Note::Found { found: 3, asked: 5 }, ..outcome() };
        assert!(line("readrandom", &read).ends_with(" 1000000 operations; (3 of 5 found)"));
    }

    #[test]
    fn figures_and_times_are_short() {
        let figures: Vec<_> = [0.0, 0.000_042, 0.0123, 1.5, 15.25, 4096.4].map(figure).into();
        assert_eq!(figures, ["0", "0.000042", "0.012", "1.50", "15.2", "4096"]);
        let times: Vec<_> = [850.0, 1200.0, 13_000.0, 1.21e6, 2.5e9].map(show_ns).into();
        assert_eq!(times, ["850ns", "1.20us", "13.0us", "1.21ms", "2.50s"]);
    }

    #[test]
    fn the_histogram_adds_up() {
        let mut all = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 2).unwrap();
        for ns in 1..=100_000u64 {
            all.record(ns).unwrap();
        }
        let lines = histogram("read", &all);
        assert_eq!(lines[0], "Microseconds per read:");
        assert!(lines[3].starts_with("Percentiles: P50: 5"), "{}", lines[3]);
        let buckets: Vec<_> = lines.iter().filter(|l| l.contains(" ] ")).collect();
        let total: u64 = buckets.iter().map(|l| field(l, 0).parse::<u64>().unwrap()).sum();
        assert_eq!(total, 100_000);
        assert_eq!(field(buckets.last().unwrap(), 2), "100.000%");
    }

    /// A field after the bucket's bounds.
    fn field(line: &str, n: usize) -> &str {
        line.split(" ] ").nth(1).unwrap().split_whitespace().nth(n).unwrap()
    }
}
