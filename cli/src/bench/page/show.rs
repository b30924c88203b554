//! The page: figures of all runs in a table, then plots for each benchmark.

use std::collections::BTreeSet;

use ringwood_plots::figures::{bytes, digits, nanos, ratio, short};
use ringwood_plots::{Bar, Line, SERIES, Scale, Strip, bars, escape, lines, page as html_page, row};
use serde_json::Value;

use super::runs::Run;
use crate::bench::report::figure;

/// Nines behind the point of the highest percentile that is plotted.
const NINES: u32 = 5;

/// A figure of a benchmark that is drawn as bars: what it is called, where it is, how it is written.
type Figure = (&'static str, &'static str, fn(f64) -> String);

const FIGURES: [Figure; 8] = [
    ("operations a second", "/ops_per_sec", short),
    ("system calls an operation", "/per_op/system_calls", figure),
    ("ring enters an operation", "/per_op/enters", figure),
    ("ring operations an operation", "/per_op/sqes", figure),
    ("ring operations an enter", "/sqes_per_enter", figure),
    ("bytes read an operation", "/per_op/read_bytes", size),
    ("bytes written an operation", "/per_op/write_bytes", size),
    ("bytes written for each accepted", "/write_amplification", figure),
];

/// A run's benchmark of one name.
struct Series<'a> {
    /// The run's name and its place among the runs, which is its colour.
    name: &'a str,
    place: usize,
    benchmark: &'a Value,
}

/// The page of these runs; the first is the one that it is about.
pub(super) fn page(runs: &[Run]) -> String {
    let mut body = String::new();
    if runs.len() > 1 {
        body += &key(runs);
    }
    let named: Vec<_> = runs.iter().map(Run::named).collect();
    let series = |name: &str| -> Vec<Series<'_>> {
        let mut found = Vec::new();
        for (place, (run, benchmarks)) in runs.iter().zip(&named).enumerate() {
            let of = benchmarks.iter().find(|(own, _)| own == name);
            found.extend(of.map(|(_, benchmark)| Series { name: &run.name, place, benchmark }));
        }
        found
    };
    let own: Vec<&str> = named[0].iter().map(|(name, _)| name.as_str()).collect();
    body += &overview(runs, &own, &series);
    body += &figures(&own, &series);
    for name in own {
        body += &benchmark(name, &series(name));
    }
    body += &facts(runs);
    body += &runs[0].embedded();
    html_page("Ringwood bench", &body)
}

/// Which colour is which run.
fn key(runs: &[Run]) -> String {
    let mut html = String::from("<p class=\"key\">");
    for (place, run) in runs.iter().enumerate() {
        html += &format!(
            "<span><svg width=\"26\" height=\"10\"><path class=\"series s{}\" d=\"M1 5H25\" stroke-width=\"3\"/></svg> {}{}</span>",
            place % SERIES,
            escape(&run.name),
            if place == 0 { " (this run)" } else { "" }
        );
    }
    html + "</p>\n"
}

fn overview<'a>(runs: &[Run], names: &[&str], series: &impl Fn(&str) -> Vec<Series<'a>>) -> String {
    let mut head = vec![String::new()];
    for (place, run) in runs.iter().enumerate() {
        let of = if runs.len() > 1 { format!("{}: ", run.name) } else { String::new() };
        head.extend(["ops/s", "p50", "p99", "p99.9"].map(|figure| format!("{of}{figure}")));
        if place > 0 {
            head.push(format!("this ÷ {}", run.name));
        }
    }
    let mut html = format!("<div class=\"wide\"><table>\n{}", row("th", &head, &[]));
    for name in names {
        let found = series(name);
        let rate = |place: usize| found.iter().find(|s| s.place == place)?.number("/ops_per_sec");
        let mut cells = vec![(*name).to_owned()];
        for place in 0..runs.len() {
            let of = found.iter().find(|s| s.place == place);
            cells.push(rate(place).map(short).unwrap_or_default());
            for percentile in ["p50", "p99", "p99_9"] {
                let us = of.and_then(|s| s.number(&format!("/latency/all/{percentile}")));
                cells.push(us.map(micros).unwrap_or_default());
            }
            if place > 0 {
                let quotient = rate(0).zip(rate(place)).filter(|(_, other)| *other > 0.0);
                cells.push(quotient.map(|(own, other)| ratio(own / other)).unwrap_or_default());
            }
        }
        html += &row("td", &cells, &[1]);
    }
    html + "</table></div>\n"
}

fn benchmark(name: &str, series: &[Series<'_>]) -> String {
    let mut html = format!("<h2>{}</h2>\n", escape(name));
    let Some(own) = series.first() else { return html };
    let count = |path: &str| own.number(path).unwrap_or_default();
    let threads = count("/threads");
    html += &format!(
        "<p class=\"about\">{} operations in {} s by {threads} {}; {} durability</p>\n<div class=\"plots\">\n",
        short(count("/operations")),
        digits(count("/seconds")),
        if threads == 1.0 { "thread" } else { "threads" },
        escape(own.benchmark["durability"].as_str().unwrap_or_default())
    );
    for (caption, plot) in [
        ("operations of all threads a second, over seconds", throughput(series)),
        ("the slowest call that was timed, over seconds, and what went on beside", slowest(series)),
        ("latency by percentile of calls", percentiles(series)),
        ("share of calls by latency", histogram(series)),
        ("bytes to and from the disk, by class of I/O", io(series)),
    ] {
        if let Some(plot) = plot {
            html += &format!("<figure><figcaption>{caption}</figcaption>{plot}</figure>\n");
        }
    }
    html + "</div>\n"
}

/// The plot of what each series has; `None` if none has anything.
fn plot<'a>(
    series: &[Series<'a>],
    points: impl Fn(&Series<'a>) -> Vec<(f64, f64)>,
    strips: &[Strip<'_>],
    scales: impl FnOnce(&[(f64, f64)]) -> (Scale, Scale),
) -> Option<String> {
    let drawn: Vec<Line<'_>> =
        series.iter().map(|s| Line { name: s.name, series: s.place, points: points(s) }).collect();
    let all: Vec<(f64, f64)> = drawn.iter().flat_map(|line| line.points.iter().copied()).collect();
    if all.is_empty() {
        return None;
    }
    let (x, y) = scales(&all);
    Some(lines(&drawn, strips, &x, &y))
}

fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

fn throughput(series: &[Series<'_>]) -> Option<String> {
    plot(
        series,
        |s| s.pairs("/timeline"),
        &[],
        |all| {
            let x = Scale::linear(most(all.iter().map(|p| p.0)), plain);
            (x, Scale::linear(most(all.iter().map(|p| p.1)), axis))
        },
    )
}

fn slowest(series: &[Series<'_>]) -> Option<String> {
    let mut strips = Vec::new();
    for s in series {
        for (name, field) in [("flush", "/flushes"), ("compaction", "/compactions")] {
            let spans = s.pairs(field);
            if !spans.is_empty() {
                strips.push(Strip { name, series: s.place, spans });
            }
        }
    }
    plot(
        series,
        |s| s.pairs("/slowest"),
        &strips,
        |all| (Scale::linear(most(all.iter().map(|p| p.0)), plain), latency(all.iter().map(|p| p.1))),
    )
}

/// A scale for latencies in microseconds.
fn latency(all: impl Iterator<Item = f64> + Clone) -> Scale {
    Scale::log(all.clone().fold(f64::INFINITY, f64::min).max(0.001), most(all), |us| axis_ns(us * 1e3))
}

fn percentiles(series: &[Series<'_>]) -> Option<String> {
    plot(
        series,
        |s| s.pairs("/latency/percentiles"),
        &[],
        |all| (Scale::nines(NINES), latency(all.iter().map(|p| p.1).filter(|us| *us > 0.0))),
    )
}

/// Shares of calls, a step a bucket.
fn histogram(series: &[Series<'_>]) -> Option<String> {
    let shares = |s: &Series<'_>| {
        let buckets = s.pairs("/latency/buckets");
        let all: f64 = buckets.iter().map(|b| b.1).sum();
        let mut points = Vec::new();
        for pair in buckets.windows(2) {
            let share = 100.0 * pair[1].1 / all.max(1.0);
            points.extend([(pair[0].0, share), (pair[1].0, share)]);
        }
        points
    };
    plot(series, shares, &[], |all| {
        let y = Scale::linear(most(all.iter().map(|p| p.1)), |v| format!("{} %", plain(v)));
        (latency(all.iter().map(|p| p.0)), y)
    })
}

/// Bars of each figure: a bar a benchmark and run.
fn figures<'a>(names: &[&str], series: &impl Fn(&str) -> Vec<Series<'a>>) -> String {
    let mut html = String::from("<h2>All benchmarks</h2>\n<div class=\"plots\">\n");
    for (what, path, show) in FIGURES {
        let mut drawn = Vec::new();
        for name in names {
            for (i, s) in series(name).iter().enumerate() {
                // The name stands once, before the bars of all runs.
                let name = if i == 0 { *name } else { "" };
                drawn.extend(s.number(path).map(|value| bar(name, s.place, value, show(value))));
            }
        }
        // A figure that is nothing everywhere says nothing.
        if drawn.iter().any(|bar| bar.median > 0.0) {
            html += &format!("<figure><figcaption>{what}</figcaption>{}</figure>\n", bars(&drawn));
        }
    }
    html + "</div>\n"
}

/// What went to and from the disk, by class of I/O.
fn io(series: &[Series<'_>]) -> Option<String> {
    let classes = series.iter().filter_map(|s| s.benchmark["io"].as_object()).flat_map(|io| io.keys());
    let mut drawn = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for class in classes.collect::<BTreeSet<_>>() {
        for (what, field) in [("read", "read_bytes"), ("written", "write_bytes")] {
            let of = |s: &Series<'_>| s.benchmark["io"][class][field].as_f64().filter(|bytes| *bytes > 0.0);
            let found: Vec<_> = series.iter().filter_map(|s| Some((s.place, of(s)?))).collect();
            for (i, (place, value)) in found.into_iter().enumerate() {
                names.push(if i == 0 { format!("{class}, {what}") } else { String::new() });
                drawn.push((place, value));
            }
        }
    }
    let drawn: Vec<_> =
        names.iter().zip(drawn).map(|(name, (place, value))| bar(name, place, value, size(value))).collect();
    (!drawn.is_empty()).then(|| bars(&drawn))
}

fn bar(name: &str, place: usize, value: f64, label: String) -> Bar<'_> {
    Bar { name, ours: false, series: Some(place), median: value, min: value, max: value, label }
}

fn facts(runs: &[Run]) -> String {
    let mut html = String::new();
    for run in runs.iter().filter(|run| !run.facts.is_empty()) {
        let name = if runs.len() > 1 { format!(": {}", escape(&run.name)) } else { String::new() };
        html += &format!("<h2>What was measured{name}</h2>\n<table class=\"facts\">\n");
        for (name, value) in &run.facts {
            html += &format!("<tr><td class=\"soft\">{}</td><td>{}</td></tr>\n", escape(name), escape(value));
        }
        html += "</table>\n";
    }
    html
}

impl Series<'_> {
    fn number(&self, pointer: &str) -> Option<f64> {
        self.benchmark.pointer(pointer)?.as_f64()
    }

    fn pairs(&self, pointer: &str) -> Vec<(f64, f64)> {
        let pairs = self.benchmark.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        pairs.filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_f64()?))).collect()
    }
}

fn micros(us: f64) -> String {
    nanos((us * 1e3) as u64)
}

fn size(value: f64) -> String {
    bytes(value as u64)
}

/// A figure of an axis: no digits that say nothing.
fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn axis(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", plain(v / 1e6)),
        v if v >= 1e3 => format!("{}k", plain(v / 1e3)),
        v => plain(v),
    }
}

fn axis_ns(ns: f64) -> String {
    match ns {
        ns if ns >= 0.99e9 => format!("{} s", plain(ns / 1e9)),
        ns if ns >= 0.99e6 => format!("{} ms", plain(ns / 1e6)),
        ns if ns >= 0.99e3 => format!("{} µs", plain(ns / 1e3)),
        ns => format!("{} ns", plain(ns)),
    }
}
