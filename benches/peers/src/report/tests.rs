//! A report of made-up figures.

use clap::Parser;

use super::*;
use crate::args::Args;
use crate::measure::{Latency, Measure};

fn measured(values: &[f64]) -> Cell {
    let latency = Some(Latency { p50: 1000, p99: 2_000_000, p999: 3_000_000, max: 4_000_000 });
    let rounds = values.iter().map(|&value| Measure {
        value,
        latency,
        written_bytes: 300,
        user_bytes: 100,
        ..Measure::default()
    });
    Cell { rounds: rounds.collect(), ..Cell::default() }
}

/// Calls `check` with a report of Ringwood and of a column called rocksdb, which need not be in this build.
fn with_report(rows: &str, cells: Vec<(&'static str, &'static str, Cell)>, check: impl FnOnce(&Report<'_>)) {
    let args = Args::try_parse_from(["ringwood-peers", "--engines", "ringwood", "--rows", rows]).unwrap();
    let mut plan = args.plan().unwrap();
    plan.columns.extend(["rocksdb", "lmdb"].map(|name| engines::column(name).unwrap()));
    let cells = cells.into_iter().map(|(row, engine, cell)| ((row, engine), cell));
    let results = Results { cells: cells.collect(), notes: Vec::new() };
    check(&Report::new(&plan, results));
}

#[test]
fn ratios_are_ours_over_theirs_and_the_other_way_round_for_times() {
    let cells = vec![
        ("readrandom-cold", OURS, measured(&[90.0, 80.0, 100.0])),
        ("readrandom-cold", "rocksdb", measured(&[30.0])),
        ("readrandom-cold", "lmdb", measured(&[60.0])),
        ("disk-read-1", DISK, measured(&[100.0])),
        ("open", OURS, measured(&[10.0])),
        ("open", "rocksdb", measured(&[40.0])),
    ];
    with_report("readrandom-cold,open", cells, |report| {
        let row = |name| Row::named(name).unwrap();
        let cold = row("readrandom-cold");
        assert_eq!(report.spread(cold, OURS).unwrap(), Spread { median: 90.0, min: 80.0, max: 100.0 });
        assert_eq!(report.ratio(cold, "rocksdb"), Some(3.0));
        assert_eq!(report.best_peer(cold), Some(("lmdb", 1.5)));
        assert_eq!(report.of_disk(cold), Some(0.9));
        assert_eq!(report.ratio(row("open"), "rocksdb"), Some(4.0));
        assert_eq!(report.ratios(cold), ["3.00×", "", "1.50× lmdb", "90 %"]);
        assert!(!report.has_failures());
    });
}

#[test]
fn a_scan_is_held_against_the_disks_bytes() {
    // 116 bytes an entry: a million entries a second are 116 MB/s.
    let cells = vec![("readseq-cold", OURS, measured(&[1e6])), ("disk-read-seq", DISK, measured(&[232.0]))];
    with_report("readseq-cold", cells, |report| {
        assert_eq!(report.of_disk(Row::named("readseq-cold").unwrap()), Some(0.5));
    });
}

#[test]
fn what_is_missing_is_said_and_why() {
    let cut = Measure { value: 1.0, notes: vec!["cut off after 5 s".into()], ..Measure::default() };
    let cells = vec![
        ("fillseq", OURS, measured(&[2.0])),
        ("fillseq", "rocksdb", Cell { failed: Some("no space".into()), ..Cell::default() }),
        ("fillseq", "lmdb", Cell { cannot: Some("has no such thing".into()), ..Cell::default() }),
        ("fillrandom", "lmdb", Cell { rounds: vec![cut], ..Cell::default() }),
    ];
    with_report("fillseq,fillrandom", cells, |report| {
        let row = Row::named("fillseq").unwrap();
        let shown = ["rocksdb", "lmdb"].map(|engine| report.overview(row, engine));
        assert_eq!(shown, ["failed", "n/a"]);
        assert_eq!(report.overview(Row::named("fillrandom").unwrap(), "lmdb"), "1.00*");
        let notes = report.notes().join("\n");
        for said in [
            "fillseq, rocksdb failed: no space",
            "n/a, lmdb: has no such thing",
            "fillrandom*, lmdb: cut off",
        ] {
            assert!(notes.contains(said), "{notes}");
        }
        assert!(report.has_failures());
    });
}

#[test]
fn all_three_forms_show_the_figures() {
    let cells = vec![
        ("fillseq", OURS, measured(&[1_234_000.0])),
        ("fillseq", "rocksdb", measured(&[237_000.0, 240_000.0])),
    ];
    with_report("fillseq", cells, |report| {
        let (text, html) = (report.text(), report.html());
        for said in ["1.23M", "238k", "5.17×", "3.00", "2.00 ms", "fillseq"] {
            assert!(text.contains(said), "{said} is missing in\n{text}");
            assert!(html.contains(said), "{said} is missing in the page");
        }
        assert!(html.contains("<svg") && !html.contains("src=") && html.ends_with("</html>\n"));
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        let row = &json["rows"][0];
        assert_eq!(
            (&row["name"], &row["cells"][OURS]["value"]["median"]),
            (&"fillseq".into(), &1_234_000.0.into())
        );
        assert_eq!(row["cells"]["rocksdb"]["rounds"].as_array().unwrap().len(), 2);
    });
}
