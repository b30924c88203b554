//! The benchmarks do what db_bench's do: counts, keys, threads, durations.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Place, Ran};
use serde_json::Value;

/// The objects of a run with these benchmarks.
fn bench(place: &Place, args: &str) -> Vec<Value> {
    place.bench(&format!("--json --seed=42 {args}")).json()
}

fn ops(object: &Value) -> u64 {
    object["operations"].as_u64().unwrap()
}

fn count(place: &Place, db: &str) -> u64 {
    place.run(&["scan", db, "--count"]).ok().trim().parse().unwrap()
}

fn keys(place: &Place) -> String {
    place.run(&["scan", "db", "--keys-only"]).ok().to_string()
}

#[test]
fn fillseq_writes_each_number_once() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq --num=300 --db=db");
    assert_eq!(ops(&done[0]), 300);
    let keys = keys(&place);
    let mut lines = keys.lines();
    assert_eq!(lines.next(), Some(r"\x00\x00\x00\x00\x00\x00\x00\x0000000000"));
    assert_eq!(lines.next(), Some(r"\x00\x00\x00\x00\x00\x00\x00\x0100000000"));
    assert_eq!(lines.nth(254), Some(r"\x00\x00\x00\x00\x00\x00\x01\x0000000000"));
    assert_eq!(keys.lines().count(), 300);
    let value = place.run(&["get", "db", r"\0\0\0\0\0\0\0\000000000", "--raw"]);
    assert_eq!((value.code, value.out.len()), (0, 100));
}

#[test]
fn fillrandom_draws_with_replacement_and_a_seed_repeats_it() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillrandom,readrandom --num=20000 --db=db");
    assert_eq!(ops(&done[0]), 20_000);
    // Of n keys drawn n times, 1 - 1/e are there: 12,642 of 20,000.
    let there = count(&place, "db");
    assert!((12_400..12_900).contains(&there), "{there}");
    let found = done[1]["counts"]["found"].as_u64().unwrap();
    assert!((12_300..13_000).contains(&found), "{found}");
    let first = keys(&place);
    bench(&place, "--benchmarks=fillrandom --num=20000 --db=db");
    assert_eq!(keys(&place), first);
    bench(&place, "--benchmarks=fillrandom --num=20000 --db=db --seed=43");
    assert_ne!(keys(&place), first);
}

#[test]
fn filluniquerandom_writes_every_key() {
    let place = Place::new();
    bench(&place, "--benchmarks=filluniquerandom --num=5000 --db=db --threads=3");
    assert_eq!(count(&place, "db"), 5000);
}

#[test]
fn every_thread_does_the_whole_count() {
    let place = Place::new();
    let done =
        bench(&place, "--benchmarks=fillseq,readrandom,readseq,deleteseq --num=700 --threads=3 --db=db");
    assert!(done.iter().all(|o| ops(o) == 2100), "{done:?}");
    assert_eq!(count(&place, "db"), 0);
}

#[test]
fn reads_writes_and_deletes_have_counts_of_their_own() {
    let place = Place::new();
    let list = "--benchmarks=fillseq,readrandom,deleteseq,readrandomwriterandom";
    let done = bench(&place, &format!("{list} --num=500 --writes=400 --reads=300 --deletes=50 --db=db"));
    assert_eq!(done.iter().map(ops).collect::<Vec<_>>(), [400, 300, 50, 400]);
    let empty = bench(&place, "--benchmarks=fillseq --num=50 --writes=0 --db=db");
    assert_eq!(ops(&empty[0]), 50, "no writes means as many as there are keys");
}

#[test]
fn fillsync_writes_num_times_over_a_thousandth_of_the_keys() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillsync --num=5000 --writes=100 --db=db");
    assert_eq!((ops(&done[0]), &done[0]["durability"]), (100, &"synced".into()));
    assert!((1..=5).contains(&count(&place, "db")));
    let none = bench(&place, "--benchmarks=fillsync --num=999 --db=db");
    assert_eq!(
        (ops(&none[0]), count(&place, "db")),
        (1, 0),
        "no key is left; db_bench pretends one operation"
    );
}

#[test]
fn durability_follows_sync_and_disable_wal() {
    let place = Place::new();
    for (flags, level) in
        [("", "buffered"), ("--sync=1", "synced"), ("--disable_wal=1", "none"), ("--sync=0", "buffered")]
    {
        assert_eq!(bench(&place, &format!("--benchmarks=fillseq --num=10 {flags}"))[0]["durability"], level);
    }
}

#[test]
fn batches_count_their_entries() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq,fillbatch --num=2500 --batch_size=100 --db=db");
    assert_eq!((ops(&done[0]), &done[0]["batch_size"]), (2500, &100.into()));
    assert_eq!(
        (ops(&done[1]), &done[1]["batch_size"]),
        (2000, &1000.into()),
        "a batch that does not fit is not begun"
    );
    assert_eq!(count(&place, "db"), 2000);
}

#[test]
fn multireadrandom_counts_keys() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq,multireadrandom --num=1000 --batch_size=1");
    assert_eq!(ops(&done[1]), 1000);
    let list = "--benchmarks=fillseq,multireadrandom --num=1024 --batch_size=16 --multiread_stride=3";
    let done = bench(&place, list);
    assert_eq!((ops(&done[1]), done[1]["counts"]["found"].as_u64()), (1024, Some(1024)));
}

#[test]
fn readmissing_finds_nothing_and_readrandom_all() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq,readmissing,readrandom --num=1000");
    assert_eq!(done[1]["counts"]["found"], 0);
    assert_eq!(done[1]["key_size"], 17);
    assert_eq!(done[2]["counts"]["found"], 1000);
}

#[test]
fn the_writer_beside_readers_is_not_counted() {
    let place = Place::new();
    let list = "--benchmarks=fillseq,readwhilewriting --num=2000 --reads=100000 --threads=2 --db=db";
    let done = bench(&place, list);
    assert_eq!(ops(&done[1]), 200_000);
    assert!(done[1]["all_operations"].as_u64().unwrap() > 200_000);
    assert_eq!(done[1]["counts"]["asked"], 200_000);
    let list =
        "--benchmarks=readwhilewriting --use_existing_db --finish_after_writes --writes=5000 --reads=10";
    let done = bench(&place, &format!("{list} --num=2000 --db=db"));
    assert_eq!((ops(&done[0]), done[0]["all_operations"].as_u64()), (10, Some(5010)));
}

#[test]
fn readrandomwriterandom_keeps_its_percentage() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq,readrandomwriterandom --num=1000 --readwritepercent=70");
    assert_eq!(done[1]["counts"]["reads"], 700);
    assert_eq!(done[1]["counts"]["writes"], 300);
    let kinds = done[1]["latency"]["kinds"].as_object().unwrap();
    assert!(kinds.contains_key("read") && kinds.contains_key("write"));
}

#[test]
fn seeks_step_and_readreverse_sees_all() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq,seekrandom,readreverse,readseq --num=1000 --seek_nexts=5");
    assert_eq!((ops(&done[1]), done[1]["counts"]["found"].as_u64()), (1000, Some(1000)));
    assert_eq!((ops(&done[2]), ops(&done[3])), (1000, 1000));
    let done = bench(&place, "--benchmarks=fillseekseq --num=100 --seek_nexts=4");
    // Five keys a round: a seek, four steps, a seek again.
    assert_eq!(ops(&done[0]), 120);
}

#[test]
fn appendrandom_lengthens_values() {
    let place = Place::new();
    bench(&place, "--benchmarks=fillseq,appendrandom --num=1 --value_size=10 --writes=3 --db=db --reads=3");
    let all = place.run(&["scan", "db"]);
    let value = all.ok().split_once('\t').unwrap().1;
    assert!(value.matches(',').count() >= 3, "{value}");
}

#[test]
fn a_duration_takes_the_place_of_a_count() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq,readrandom --num=100 --duration=1");
    assert_eq!(ops(&done[0]), 100, "not for sequential writes");
    assert!(ops(&done[1]) > 1000);
    assert!((0.99..5.0).contains(&done[1]["seconds"].as_f64().unwrap()));
}

#[test]
fn rates_are_kept() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks=fillseq --num=200 --benchmark_write_rate_limit=46400");
    assert!(done[0]["seconds"].as_f64().unwrap() > 0.45, "200 times 116 bytes at 46,400 a second");
    let done = bench(&place, "--benchmarks=fillseq,readrandom --num=1024 --benchmark_read_rate_limit=2048");
    assert!(done[1]["seconds"].as_f64().unwrap() > 0.36);
}

#[test]
fn fill_benchmarks_start_fresh_and_others_do_not() {
    let place = Place::new();
    bench(&place, "--benchmarks=fillseq --num=100 --db=db");
    bench(&place, "--benchmarks=overwrite --num=10 --db=db --use_existing_db");
    assert_eq!(count(&place, "db"), 100);
    bench(&place, "--benchmarks=fillseq,fillseq --num=50 --db=db");
    assert_eq!(count(&place, "db"), 50);
    let done = bench(&place, "--benchmarks=fillseq,readrandom --num=10 --db=db --use_existing_db");
    assert_eq!(done[0]["skipped"], "--use_existing_db is true");
    assert_eq!(count(&place, "db"), 50);
    let text: Ran = place.bench("--benchmarks=fillseq --db=db --use_existing_db");
    assert!(text.ok().contains("fillseq      : skipped (--use_existing_db is true)\n"));
}

#[test]
fn flags_are_taken_in_every_spelling() {
    let place = Place::new();
    let done = bench(&place, "--benchmarks fillseq -num=77 --value-size 33 --nohistogram --key_size=20");
    assert_eq!((ops(&done[0]), &done[0]["value_size"], &done[0]["key_size"]), (77, &33.into(), &20.into()));
}

#[test]
fn compression_is_taken_or_refused_in_a_sentence() {
    let place = Place::new();
    bench(&place, "--benchmarks=fillseq,compact,readseq --num=1000 --compression_type=lz4");
    place.bench("--benchmarks=fillseq --compression_type=snappy").fails(2, &["snappy", "lz4"]);
    place.bench("--benchmarks=fillseq --compression_type=brotli").fails(2, &["brotli"]);
    assert!(place.names().is_empty());
}
