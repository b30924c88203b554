//! What bench prints can be read by what reads db_bench's output.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Place;
use regex_lite::Regex;

const TIMED: &str = "fillseq,fillbatch,fillrandom,filluniquerandom,overwrite,readseq,readtocache,readreverse,readrandom,\
    readrandomsmall,readmissing,multireadrandom,seekrandom,newiterator,readwhilewriting,multireadwhilewriting,\
    seekrandomwhilewriting,newiteratorwhilewriting,readwhilescanning,readrandomwriterandom,updaterandom,appendrandom,\
    fillseekseq,deleterandom,deleteseq,compact,compactall,flush,waitforcompaction";

/// The expression that people read db_bench's output with.
fn line() -> Regex {
    Regex::new(
        r"^(\w+)\s*:\s+([\d.]+) micros/op (\d+) ops/sec ([\d.]+) seconds (\d+) operations;(?:\s+([\d.]+) MB/s)?(?: (\(.*\)))?$",
    )
    .unwrap()
}

#[test]
fn every_benchmark_runs_and_prints_db_benchs_line() {
    let place = Place::new();
    let ran =
        place.bench(&format!("--benchmarks={TIMED} --num=2000 --batch_size=4 --threads=2 --seek_nexts=3"));
    let regex = line();
    let lines: Vec<_> = ran.ok().lines().filter_map(|l| regex.captures(l)).collect();
    let names: Vec<_> = lines.iter().map(|l| l[1].to_string()).collect();
    assert_eq!(names.join(","), TIMED.replace(' ', ""));
    for line in &lines {
        let micros: f64 = line[2].parse().unwrap();
        let (ops, seconds): (f64, f64) = (line[5].parse().unwrap(), line[4].parse().unwrap());
        assert!(micros > 0.0 && ops >= 1.0 && seconds >= 0.0, "{}", &line[0]);
    }
    let with_bytes = ["fillseq", "readseq", "readrandom", "multireadrandom", "updaterandom", "seekrandom"];
    for line in lines.iter().filter(|l| with_bytes.contains(&&l[1])) {
        assert!(line.get(6).is_some(), "{}", &line[0]);
    }
    assert!(place.names().is_empty(), "the store was a temporary one");
}

#[test]
fn large_values_and_synced_writes_run_too() {
    let place = Place::new();
    let ran = place.bench("--benchmarks=fillsync,fill100K --num=1000 --writes=30");
    let lines: Vec<_> =
        ran.ok().lines().filter_map(|l| line().captures(l)).map(|c| c[5].to_string()).collect();
    assert_eq!(lines, ["30", "30"]);
    assert!(
        ran.text().contains("30 operations;") && ran.text().contains("(1 ops)"),
        "over a thousandth of the keys"
    );
}

/// How RocksDB's tools/benchmark.sh picks its figures: blank-separated fields, counted from 1.
#[test]
fn the_fields_are_where_scripts_look_for_them() {
    let place = Place::new();
    let ran = place.bench("--benchmarks=fillrandom,stats --num=5000 --histogram=1");
    let line = ran.ok().lines().find(|l| l.starts_with("fillrandom")).unwrap();
    let fields: Vec<_> = line.split_whitespace().collect();
    assert!(fields.len() >= 10 && fields[7] == "seconds", "{line}");
    let (ops, micros, mb): (f64, f64, f64) =
        (fields[4].parse().unwrap(), fields[2].parse().unwrap(), fields[10].parse().unwrap());
    assert!(ops > 0.0 && micros > 0.0 && mb > 0.0);
    let percentiles = ran.text().lines().find(|l| l.starts_with("Percentiles:")).unwrap();
    let p: Vec<_> = percentiles.split_whitespace().collect();
    assert_eq!((p[1], p[5], p[7], p[9]), ("P50:", "P99:", "P99.9:", "P99.99:"));
    let values: Vec<f64> = [2, 4, 6, 8, 10].map(|i| p[i].parse().unwrap()).into();
    assert!(values.is_sorted(), "{percentiles}");
    let min = ran.text().lines().find(|l| l.starts_with("Min: ")).unwrap();
    let m: Vec<_> = min.split_whitespace().collect();
    assert_eq!((m[2], m[4]), ("Median:", "Max:"));
    assert!(m[5].parse::<f64>().unwrap() >= values[4] * 0.98);
}

#[test]
fn the_header_tells_what_runs() {
    let place = Place::new();
    let ran = place.bench("--benchmarks=fillseq --num=10 --seed=7 --io=syscalls");
    let (header, rest) = ran.ok().split_once("------\n").unwrap();
    for word in
        ["Ringwood:", "Keys:        16 bytes", "Values:      100 bytes", "Entries:     10\n", "RawSize:"]
    {
        assert!(header.contains(word), "{word}: {header}");
    }
    for word in
        ["Compression: none", "Durability:  buffered", "Seed:        7\n", "I/O path:    system calls"]
    {
        assert!(header.contains(word), "{word}: {header}");
    }
    assert!(header.contains("Counting:    "), "{header}");
    for word in ["\n    latency ", "\n    per op ", " enters ", "SQEs"] {
        assert!(rest.contains(word), "{word}: {rest}");
    }
}

#[test]
fn json_is_one_object_a_benchmark() {
    let place = Place::new();
    let list = "fillseq,readrandom,multireadrandom,readrandomwriterandom,stats,levelstats,memstats,resetstats,compact";
    let ran = place.bench(&format!("--benchmarks={list} --num=2000 --batch_size=8 --json"));
    let objects = ran.json();
    let names: Vec<_> = objects.iter().map(|o| o["benchmark"].as_str().unwrap()).collect();
    assert_eq!(names.join(","), list);
    for object in &objects[..4] {
        for field in ["micros_per_op", "ops_per_sec", "seconds", "operations", "sqes_per_enter"] {
            assert!(object[field].as_f64().is_some(), "{field}: {object}");
        }
        for field in ["enters", "sqes", "read_bytes", "write_bytes"] {
            assert!(object["per_op"][field].as_f64().is_some(), "{field}: {object}");
        }
        let latency = &object["latency"]["all"];
        assert!(latency["p50"].as_f64().unwrap() <= latency["max"].as_f64().unwrap(), "{object}");
        assert!(object["backend"].is_string() && object["degraded"].is_array(), "{object}");
    }
    assert_eq!(objects[1]["counts"]["found"], 2000);
    assert!(objects[4]["keyspaces"][0]["levels"].is_array());
    assert!(ran.err.is_empty(), "{}", ran.err);
}

#[test]
fn repeats_are_summed_up() {
    let place = Place::new();
    let ran = place.bench("--benchmarks=fillseq,readrandom[W1-X3] --num=1000");
    let text = ran.ok();
    assert_eq!(text.lines().filter(|l| l.starts_with("readrandom   :")).count(), 3);
    assert!(text.contains("Warming up benchmark by running 1 times\nRunning benchmark for 3 times\n"));
    assert!(text.contains("readrandom [AVG 2 runs] : ") && text.contains("readrandom [AVG 3 runs] : "));
    assert!(text.contains("readrandom [AVG    3 runs] : ") && text.contains("readrandom [MEDIAN 3 runs] : "));
}

#[test]
fn intervals_are_reported() {
    let place = Place::new();
    let ran = place.bench(
        "--benchmarks=fillseq,readrandom --num=1000 --duration=3 --report_interval_seconds=1 --stats-interval-seconds 1",
    );
    ran.ok();
    let stats = Regex::new(r"\.\.\. thread 0: \(\d+,\d+\) ops and \([\d.]+,[\d.]+\) ops/second in").unwrap();
    assert!(stats.find_iter(&ran.err).count() >= 2, "{}", ran.err);
    #[allow(clippy::disallowed_methods, reason = "the report file")]
    let report = std::fs::read_to_string(place.join("report.csv")).unwrap();
    let mut lines = report.lines();
    assert_eq!(lines.next(), Some("secs_elapsed,interval_qps"));
    let rows: Vec<(u64, u64)> = lines
        .map(|l| l.split_once(',').unwrap())
        .map(|(s, q)| (s.parse().unwrap(), q.parse().unwrap()))
        .collect();
    assert!(rows.len() >= 2 && rows[0].0 == 1 && rows.iter().all(|r| r.1 > 0), "{report}");
}
