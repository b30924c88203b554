//! put, get, delete, scan: what goes in comes out.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Place;
use serde_json::json;

#[test]
fn what_is_put_is_got_until_it_is_deleted() {
    let place = Place::new();
    assert_eq!(place.run(&["put", "db", "k", "first"]).ok(), "");
    place.run(&["put", "db", "k", "second"]).ok();
    assert_eq!(place.run(&["get", "db", "k"]).ok(), "second\n");
    assert_eq!(place.run(&["delete", "db", "k"]).ok(), "");
    place.run(&["get", "db", "k"]).fails(1, &["no key k"]);
    assert_eq!(place.run(&["delete", "db", "k"]).ok(), "", "a delete does not look");
}

#[test]
fn every_durability_lasts_beyond_a_clean_end() {
    let place = Place::new();
    for level in ["synced", "buffered", "none"] {
        place.run(&["put", "db", level, "v", "--durability", level]).ok();
        place.run(&["put", "db", "gone", "v"]).ok();
        place.run(&["delete", "db", "gone", "--durability", level]).ok();
    }
    assert_eq!(place.run(&["scan", "db", "--keys-only"]).ok(), "buffered\nnone\nsynced\n");
}

#[test]
fn bytes_are_typed_and_shown_by_one_rule() {
    let place = Place::new();
    place.run(&["put", "db", r"a\x00\xff\\", r"line\nnext\ttab é 東京"]).ok();
    assert_eq!(place.run(&["get", "db", r"a\x00\xFF\\"]).ok(), "line\\nnext\\ttab é 東京\n");
    assert_eq!(place.run(&["scan", "db"]).ok(), "a\\x00\\xff\\\\\tline\\nnext\\ttab é 東京\n");
    let raw = place.run(&["get", "db", r"a\x00\xff\\", "--raw"]);
    assert_eq!(raw.ok(), "line\nnext\ttab é 東京");
    for key in [r"\q", r"\x1", "\\"] {
        place.run(&["get", "db", key]).fails(2, &["character 1"]);
    }
}

#[test]
fn a_value_from_standard_input_is_kept_byte_for_byte() {
    let place = Place::new();
    let value: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
    assert_eq!(place.feed(&["put", "db", "big", "-"], &value).ok(), "");
    let got = place.run(&["get", "db", "big", "--raw"]);
    assert_eq!((got.code, got.out), (0, value));
    place.feed(&["put", "db", "empty", "-"], b"").ok();
    assert_eq!(place.run(&["get", "db", "empty"]).ok(), "\n");
    place.run(&["put", "db", "dash", r"\x2d"]).ok();
    assert_eq!(place.run(&["get", "db", "dash"]).ok(), "-\n");
}

#[test]
fn words_that_look_like_options_follow_two_dashes() {
    let place = Place::new();
    place.run(&["put", "db", "--", "-key", "--value"]).ok();
    assert_eq!(place.run(&["get", "db", "--", "-key"]).ok(), "--value\n");
    place.run(&["put", "db", "-1", "-2.5"]).ok();
    assert_eq!(place.run(&["get", "db", "-1"]).ok(), "-2.5\n");
}

fn filled() -> Place {
    let place = Place::new();
    for key in ["a", "b1", "b2", "b3", "c"] {
        place.run(&["put", "db", key, &format!("v{key}"), "--durability=none"]).ok();
    }
    place
}

#[test]
fn a_scan_lists_what_it_is_asked_for() {
    let place = filled();
    let scan = |args: &[&str]| {
        let all = [&["scan", "db", "--keys-only"], args].concat();
        place.run(&all).ok().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(scan(&[]), "a b1 b2 b3 c");
    assert_eq!(scan(&["--reverse"]), "c b3 b2 b1 a");
    assert_eq!(scan(&["--prefix", "b"]), "b1 b2 b3");
    assert_eq!(scan(&["--prefix", "b", "--reverse", "--limit", "2"]), "b3 b2");
    assert_eq!(scan(&["--from", "b2"]), "b2 b3 c");
    assert_eq!(scan(&["--to", "b2"]), "a b1");
    assert_eq!(scan(&["--from", "b1", "--to", "b3", "--reverse"]), "b2 b1");
    assert_eq!(scan(&["--prefix", "b", "--from", "b2", "--to", "z"]), "b2 b3");
    assert_eq!(scan(&["--limit", "0"]), "");
    assert_eq!(scan(&["--from", "x"]), "");
    assert_eq!(scan(&["--from", "c", "--to", "a"]), "");
    assert_eq!(place.run(&["scan", "db", "--prefix", "b", "--count"]).ok(), "3\n");
    assert_eq!(place.run(&["scan", "db", "--limit", "1"]).ok(), "a\tva\n");
}

#[test]
fn every_command_speaks_json() {
    let place = Place::new();
    assert_eq!(
        place.run(&["put", "db", r"k\n", r"v\xff", "--json"]).json(),
        [json!({ "key": r"k\n", "bytes": 2 })]
    );
    assert_eq!(
        place.run(&["--json", "get", "db", r"k\n"]).json(),
        [json!({ "key": r"k\n", "value": r"v\xff" })]
    );
    assert_eq!(place.run(&["scan", "db", "--json"]).json(), [json!({ "key": r"k\n", "value": r"v\xff" })]);
    assert_eq!(place.run(&["scan", "db", "--json", "--keys-only"]).json(), [json!({ "key": r"k\n" })]);
    assert_eq!(place.run(&["scan", "db", "--json", "--count"]).json(), [json!({ "count": 1 })]);
    assert_eq!(place.run(&["delete", "db", r"k\n", "--json"]).json(), [json!({ "key": r"k\n" })]);
    let none = place.run(&["get", "db", "k", "--json"]);
    assert_eq!((none.code, none.text()), (1, "{\"key\":\"k\",\"value\":null}\n"));
}

#[test]
fn keyspaces_are_apart() {
    let place = Place::new();
    place.run(&["put", "db", "k", "in users", "--keyspace", "users"]).ok();
    place.run(&["put", "db", "k", "in default"]).ok();
    assert_eq!(place.run(&["get", "db", "k", "--keyspace", "users"]).ok(), "in users\n");
    assert_eq!(place.run(&["--keyspace", "users", "scan", "db"]).ok(), "k\tin users\n");
    place.run(&["delete", "db", "k", "--keyspace", "users"]).ok();
    assert_eq!(place.run(&["scan", "db", "--keyspace", "users", "--count"]).ok(), "0\n");
    assert_eq!(place.run(&["get", "db", "k"]).ok(), "in default\n");
    for args in [&["get", "db", "k"][..], &["scan", "db"], &["delete", "db", "k"]] {
        place.run(&[args, &["--keyspace", "nobody"]].concat()).fails(3, &["no keyspace \"nobody\"", "users"]);
    }
}

#[test]
fn memory_and_way_to_the_disk_are_taken() {
    let place = Place::new();
    place.run(&["put", "db", "k", "v", "--memory", "16MiB", "--io", "syscalls"]).ok();
    assert_eq!(place.run(&["--memory=32m", "get", "db", "k", "--io=auto"]).ok(), "v\n");
}
