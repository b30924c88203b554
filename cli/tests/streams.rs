//! Readers that leave early, and signals.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{BufRead, BufReader, Read};

use common::{Place, finish, signal};

fn big_store(place: &Place) {
    let db = ringwood::Db::open(place.join("db")).unwrap();
    let mut batch = ringwood::WriteBatch::new();
    for i in 0..50_000u32 {
        batch.put(format!("key{i:06}"), [b'v'; 100]).unwrap();
    }
    db.write(&batch, ringwood::Durability::Buffered).unwrap();
    db.close().unwrap();
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    big_store(&place);
    let mut child = place.start(&["scan", "db"]);
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("key000000\tvvv"));
    let ran = finish(child);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(place.run(&["scan", "db", "--count"]).ok(), "50000\n", "the store is in order");
}

#[test]
fn a_bench_whose_reader_leaves_ends_and_cleans_up() {
    let place = Place::new();
    let mut child =
        place.start(&["bench", "--benchmarks=fillseq,readrandom", "--num=20000", "--duration=60"]);
    drop(child.stdout.take());
    let ran = finish(child);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn ctrl_c_ends_a_scan_and_leaves_the_store_in_order() {
    let place = Place::new();
    big_store(&place);
    let mut child = place.start(&["scan", "db"]);
    let mut out = child.stdout.take().unwrap();
    // The scan fills the pipe and stands there, until it is read on and finds the signal.
    out.read_exact(&mut [0; 1000]).unwrap();
    signal(&child, libc::SIGINT);
    std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    let ran = finish(child);
    assert_eq!((ran.code, ran.err.as_str()), (130, ""));
    assert_eq!(place.run(&["scan", "db", "--count"]).ok(), "50000\n");
}
