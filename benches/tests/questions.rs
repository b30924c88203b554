//! The program runs through, says what it was asked, and leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ringwood_ring::{Arena, Disk, IoChoice, SyscallDisk, UringConfig, open_disk};
use serde_json::Value;
use tempfile::TempDir;

/// Whether io_uring works here; says so if not.
fn has_uring() -> bool {
    match open_disk(IoChoice::Uring, 1 << 20, UringConfig::default()) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ring-questions"));
    command.args(["--quick", "--dir"]).arg(dir).args(args);
    command.output().expect("the program is built")
}

/// Names in a directory.
fn left_in(dir: &Path) -> Vec<PathBuf> {
    let disk = SyscallDisk::new(Arena::new(1 << 16).expect("memory"), Vec::new());
    disk.list(dir).expect("the directory is there")
}

#[test]
fn every_question_is_answered_in_figures() {
    if !has_uring() {
        return;
    }
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = run(dir.path(), &["--file-mib=8", "--json", "--seconds=0.5"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ended_early"], Value::Null);
    let questions = report["questions"].as_array().unwrap();
    let names: Vec<&str> = questions.iter().map(|q| q["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["wal", "prepare", "leader", "miss", "batch", "cap", "pool", "sqpoll", "restrict"]);
    for (question, table) in
        questions.iter().flat_map(|q| q["tables"].as_array().unwrap().iter().map(move |t| (q, t)))
    {
        let rows = table["rows"].as_array().unwrap();
        // A kernel without an option says so instead.
        let optional = ["sqpoll", "restrict"].contains(&question["name"].as_str().unwrap());
        assert!(!rows.is_empty() || (optional && !table["notes"][0].as_str().unwrap().is_empty()), "{table}");
        for row in rows {
            let figure = if row["first_us"].is_object() { &row["first_us"] } else { &row["per_second"] };
            assert!(figure["min"].as_f64().unwrap() > 0.0, "{row}");
            assert!(figure["min"].as_f64() <= figure["median"].as_f64(), "{row}");
            assert!(figure["median"].as_f64() <= figure["max"].as_f64(), "{row}");
        }
    }
    assert!(left_in(dir.path()).is_empty(), "nothing is left behind");
}

#[test]
fn what_is_counted_is_what_was_submitted() {
    if !has_uring() {
        return;
    }
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = run(dir.path(), &["--file-mib=8", "--json", "--seconds=0.5", "--only=batch"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["questions"][0]["tables"][0]["rows"].as_array().unwrap();
    for (row, depth) in rows.iter().zip([1.0, 8.0, 32.0, 64.0, 128.0, 256.0, 1.0]) {
        assert_eq!(row["sqes_per_op"]["median"], 1.0, "{row}");
        // A batch is one enter, or a few if completions come late: never one a read.
        let enters = row["enters_per_op"]["median"].as_f64().unwrap();
        assert!((1.0 / depth..=2.0 / depth).contains(&enters), "{enters} at depth {depth}");
    }
}

#[test]
fn a_place_without_room_is_refused_with_advice() {
    if !has_uring() {
        return;
    }
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = run(dir.path(), &["--file-mib=16000000"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("take a smaller --file-mib"));
    assert!(left_in(dir.path()).is_empty());
}
