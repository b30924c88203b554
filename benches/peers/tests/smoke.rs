//! The whole program on tiny stores: every row gives a figure, nothing is left behind, exit codes mean something.
//!
//! The figures themselves mean nothing here.
#![cfg(feature = "redb")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "the program is watched from outside")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringwood-peers"));
    command.arg("--dir").arg(dir).stdin(Stdio::null());
    command
}

fn names_in(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_row_of_two_engines_gives_a_figure_and_nothing_is_left() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let out = tempfile::tempdir().unwrap();
    let (json, html) = (out.path().join("report.json"), out.path().join("report.html"));
    let mut command = program(dir.path());
    command.args(["--engines", "ringwood,redb", "--num", "1000", "--sustained-num", "2000", "--rounds", "2"]);
    command.args(["--seconds", "0.05", "--cap-seconds", "20", "--json"]).arg(&json).arg("--html").arg(&html);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(names_in(dir.path()).is_empty(), "{:?}", names_in(dir.path()));

    let report: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() > 40, "{}", rows.len());
    for row in rows {
        let engines: &[&str] = if row["group"] == "disk" { &["disk"] } else { &["ringwood", "redb"] };
        for engine in engines {
            let cell = &row["cells"][engine];
            let rounds = cell["rounds"].as_array().unwrap();
            assert_eq!(rounds.len(), 2, "{} {engine}", row["name"]);
            for round in rounds {
                assert!(round["ops"].as_u64().unwrap() > 0, "{} {engine}: {round}", row["name"]);
                assert!(round["cpu_seconds"].as_f64().unwrap() > 0.0, "{} {engine}: {round}", row["name"]);
                assert!(
                    round["rss_peak_bytes"].as_u64().unwrap() > 1 << 20,
                    "{} {engine}: {round}",
                    row["name"]
                );
            }
            let value = &cell["value"];
            let figure = |name: &str| value[name].as_f64().unwrap();
            assert!(
                figure("min") > 0.0 && figure("min") <= figure("median") && figure("median") <= figure("max")
            );
        }
        if row["group"] == "fill" {
            assert_eq!(row["cells"]["ringwood"]["rounds"][0]["ops"], 1000, "{}", row["name"]);
        }
    }
    let page = fs::read_to_string(&html).unwrap();
    assert!(rows.iter().all(|row| page.contains(row["name"].as_str().unwrap())));
    assert!(text(&output).contains("readrandom-cold") && text(&output).contains("÷ best peer"));
}

#[test]
fn a_signal_ends_it_with_its_children_and_stores() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let mut command = program(dir.path());
    command.args(["--engines", "redb,ringwood", "--rows", "fillrandom,readrandom-cold", "--num", "2000000"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Under way once a store has some bytes.
    let begun = Instant::now();
    while !has_bytes(dir.path()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "no store came");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(names_in(dir.path()).is_empty(), "{:?}", names_in(dir.path()));
    // No group of the dead process is left either.
    let mine = format!("ringwood-peers-{}", pid.as_raw_nonzero());
    let groups = fs::read_to_string("/proc/self/mounts").unwrap();
    for mount in groups.lines().filter(|line| line.contains(" cgroup")) {
        let point = Path::new(mount.split(' ').nth(1).unwrap());
        assert!(!point.join(&mine).exists());
    }
}

fn has_bytes(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => has_bytes(&entry.path()),
        Ok(meta) => meta.len() > 1 << 20,
        Err(_) => false,
    })
}

#[test]
fn exit_codes_and_sentences_for_what_cannot_be() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let run = |args: &[&str]| program(dir.path()).args(args).output().unwrap();
    let unknown = run(&["--rows", "nothing"]);
    assert_eq!((unknown.status.code(), text(&unknown).contains("--list")), (Some(1), true));
    assert_eq!(run(&["--rowz", "fill"]).status.code(), Some(2));
    let full = run(&["--rows", "fillseq", "--num", "1000000000000"]);
    assert!(full.status.code() == Some(1) && text(&full).contains("MiB free"), "{}", text(&full));
    let list = run(&["--list"]);
    assert!(list.status.success() && text(&list).contains("ycsb-f"), "{}", text(&list));
    assert!(names_in(dir.path()).is_empty());
}
