//! bench destroys only what bench made, and leaves nothing behind, however it ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests make files and directories from outside")]

mod common;

use std::fs;

use common::{Place, finish, signal, wait_until};

#[test]
fn foreign_directories_are_left_alone() {
    let place = Place::new();
    fs::create_dir(place.join("docs")).unwrap();
    fs::write(place.join("docs/thesis.tex"), "years of work").unwrap();
    for list in ["fillseq", "readrandom"] {
        place.bench(&format!("--benchmarks={list} --db=docs --num=10")).fails(3, &["thesis.tex"]);
    }
    assert_eq!(fs::read_to_string(place.join("docs/thesis.tex")).unwrap(), "years of work");
    // A store with a stranger's file in it is no better.
    place.bench("--benchmarks=fillseq --db=db --num=10").ok();
    fs::write(place.join("db/notes.txt"), "mine").unwrap();
    place.bench("--benchmarks=fillseq --db=db --num=10").fails(3, &["notes.txt"]);
    assert!(place.join("db/notes.txt").exists());
}

#[test]
fn stores_with_other_peoples_data_are_left_alone() {
    let place = Place::new();
    place.run(&["put", "db", "user:1", "Ada"]).ok();
    place.bench("--benchmarks=fillseq --db=db --num=10").fails(3, &["did not write", "--use_existing_db"]);
    assert_eq!(place.run(&["get", "db", "user:1"]).ok(), "Ada\n");
    // One bench key does not make it bench's, nor does a keyspace of its own hide what is there.
    place.bench("--benchmarks=fillseq --db=other --num=10").ok();
    place.run(&["put", "other", "zebra", "stripes", "--keyspace", "animals"]).ok();
    place.bench("--benchmarks=fillseq --db=other --num=10").fails(3, &["did not write"]);
    place.bench("--benchmarks=readrandom --db=db --num=10 --use_existing_db").ok();
}

#[test]
fn an_empty_directory_is_taken() {
    let place = Place::new();
    fs::create_dir(place.join("db")).unwrap();
    place.bench("--benchmarks=fillseq --db=db --num=10").ok();
    assert_eq!(place.run(&["scan", "db", "--count"]).ok(), "10\n");
}

#[test]
fn wrong_lists_and_flags_are_told_before_anything_is_done() {
    let place = Place::new();
    let wrong: &[(&str, &str)] = &[
        ("--benchmarks=fillseq,nonsense", "nonsense"),
        ("--benchmarks=fillsec", "fillseq"),
        ("--benchmarks=fillseq --threads=0", "--threads"),
        ("--benchmarks=fillseq --batch_size=0", "--batch_size"),
        ("--benchmarks=fillseq --key_size=0", "--key_size"),
        ("--benchmarks=fillseq --key_size=70000", "--key_size"),
        ("--benchmarks=fillseq --compression_ratio=2", "--compression_ratio"),
        ("--benchmarks=fillseq --readwritepercent=101", "--readwritepercent"),
        ("--benchmarks=fillseq --num=many", "many"),
        ("--benchmarks=fillseq --nosuchflag=1", "nosuchflag"),
        ("--benchmarks=fillseq stray", "stray"),
        ("--benchmarks=fillseq --transaction_db", "transaction_db"),
        ("--benchmarks=readseq --use_existing_db", "--db"),
        ("--benchmarks=readseq --keyspace=x", "--keyspace"),
    ];
    for (args, word) in wrong {
        place.bench(args).fails(2, &[word]);
    }
    place.bench("--benchmarks=readseq --use_existing_db --db=none").fails(3, &["none"]);
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn knobs_of_rocksdb_are_noted_on_standard_error() {
    let place = Place::new();
    let ran =
        place.bench("--benchmarks=fillseq --num=10 --json --num_levels=7 --bloom_bits=10 --wal_dir=/tmp");
    assert_eq!(ran.json().len(), 1);
    assert_eq!(ran.err.lines().filter(|l| l.starts_with("ringwood: note: --")).count(), 3, "{}", ran.err);
}

/// Starts a run that goes on, waits until its store is there, and sends it a signal.
fn interrupt(number: i32, args: &[&str]) {
    let place = Place::new();
    let child = place.start(args);
    wait_until(|| place.names().iter().any(|n| place.join(n).join("CURRENT").exists()));
    signal(&child, number);
    let ran = finish(child);
    assert_eq!((ran.code, ran.err.as_str()), (128 + number, ""), "{}", ran.text());
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn signals_leave_nothing_behind() {
    let args = ["bench", "--benchmarks=fillrandom", "--num=100000", "--duration=60", "--threads=2"];
    interrupt(libc::SIGINT, &args);
    interrupt(libc::SIGTERM, &args);
    interrupt(libc::SIGHUP, &["bench", "--memory=32MiB"]);
}

#[test]
fn a_second_signal_does_not_wait() {
    let place = Place::new();
    // Nobody reads what it prints: once the pipe is full it stands still, and cannot look at any flag.
    let args = ["bench", "--benchmarks=fillseq,readrandom[X100000]", "--num=10", "--histogram"];
    let mut child = place.start(&args);
    let pid = child.id();
    let blocked = || std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap().contains("pipe_write");
    wait_until(blocked);
    signal(&child, libc::SIGINT);
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it cannot end in order");
    signal(&child, libc::SIGINT);
    let ended = child.wait().unwrap();
    assert_eq!(ended.code(), Some(130));
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn an_interrupted_store_of_the_users_is_in_order() {
    let place = Place::new();
    let child =
        place.start(&["bench", "--benchmarks=fillrandom", "--num=100000", "--duration=60", "--db=db"]);
    wait_until(|| place.join("db/CURRENT").exists());
    signal(&child, libc::SIGINT);
    assert_eq!(finish(child).code, 130);
    place.run(&["scan", "db", "--count"]).ok();
}
