//! load --resume: a load that was stopped, by whatever, goes on and comes to what one that was not stopped would have; and a restore is all or nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests look at files from outside")]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use common::{Place, Ran};

const ROWS: u32 = 150_000;

/// Lines in no order, about 12 MiB; some keys come again, later, with another value.
fn lines() -> String {
    let (mut text, pad) = (String::new(), "v".repeat(60));
    for i in 0..ROWS {
        let key = u64::from(i) * 7919 % u64::from(ROWS / 10 * 9);
        let _ = writeln!(text, "key{key:07}\tline {i} {pad}");
    }
    text
}

/// What the store holds, as a load that is not stopped leaves it.
fn whole(place: &Place, args: &[&str]) -> Vec<u8> {
    place.run(&[&["load", "whole"], args].concat()).ok();
    place.run(&["dump", "whole"]).out
}

/// A load from standard input is given so much of it and then gets a signal.
fn stop(place: &Place, args: &[&str], input: &[u8], signal: i32) -> Ran {
    let mut child = common::command(place.path(), args).stdin(Stdio::piped()).spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    to.write_all(input).unwrap();
    common::wait_until(|| place.join("db/CURRENT").exists());
    common::signal(&child, signal);
    let ran = common::finish(child);
    drop(to);
    ran
}

/// Names of all keyspaces, those of the program too.
fn keyspaces(place: &Place) -> Vec<String> {
    let tree = &place.run(&["inspect", "db", "--json"]).json()[0];
    let names = tree["keyspaces"].as_array().unwrap().iter();
    names.map(|k| k["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn killed_at_any_moment_it_goes_on_where_it_was() {
    let place = Place::new();
    let text = lines();
    fs::write(place.join("t.tsv"), &text).unwrap();
    let expected = whole(&place, &["t.tsv"]);
    let load = ["load", "db", "--format", "tsv", "--resume", "--json"];
    let mut resumed = Vec::new();
    // Each kill finds a load that goes on with the one before.
    for mebibytes in [0, 4, 8, 11] {
        stop(&place, &load, &text.as_bytes()[..mebibytes << 20], libc::SIGKILL);
        place.run(&["verify", "db"]).ok();
        let found = place.run(&["scan", "db", "--json", "--count"]).json()[0]["count"].as_u64().unwrap();
        resumed.push(found);
    }
    assert!(resumed.is_sorted() && resumed[3] > 50_000, "{resumed:?}");
    let told = &place.run(&["load", "db", "t.tsv", "--resume", "--json"]).json()[0];
    let [before, entries] = ["resumed", "entries"].map(|name| told[name].as_u64().unwrap());
    assert!(before >= resumed[3] && before + entries == u64::from(ROWS), "{told}");
    assert!(place.run(&["dump", "db"]).out == expected, "as if it had not been stopped");
    assert_eq!(keyspaces(&place), ["default"], "no trace is left");
}

#[test]
fn ctrl_c_says_how_to_go_on_and_what_is_kept_for_it_is_out_of_sight() {
    let place = Place::new();
    let text = lines();
    let load = ["load", "db", "--format", "tsv", "--keyspace", "users"];
    let stopped = stop(&place, &load, &text.as_bytes()[..10 << 20], libc::SIGINT);
    assert_eq!(stopped.code, 130, "{}", stopped.err);
    let told = "entries are in the store; the same command with the same input, from its beginning, and --resume goes on";
    assert!(stopped.err.contains(told), "{}", stopped.err);
    assert_eq!(keyspaces(&place), ["default", "users", "ringwood.loads"]);
    // Only the tools that show files show it.
    assert_eq!(place.run(&["shell", "db", "-c", "keyspaces"]).ok(), "default\nusers\n");
    place.run(&["scan", "db", "--keyspace", "ringwood.loads"]).fails(2, &["the program's own"]);
    place.run(&["put", "db", "a", "b", "--keyspace", "ringwood.loads"]).fails(2, &["the program's own"]);
    place.feed(&["load", "db", "--format", "tsv", "--keyspace", "ringwood.loads"], b"").fails(2, &["own"]);
    place.run(&["shell", "db", "-c", "create ringwood.loads"]).fails(2, &["the program's own"]);
    place.run(&["shell", "db", "-c", "drop ringwood.loads"]).fails(3, &["it has: default, users"]);
    place.run(&["dump", "db", "all.rwdump"]).ok();
    place.run(&["load", "copy", "all.rwdump"]).ok();
    assert_eq!(place.run(&["shell", "copy", "-c", "keyspaces"]).ok(), "default\nusers\n");
    // A repair may have lost what was loaded: nothing is gone on with there.
    assert!(!place.run(&["repair", "db", "saved"]).ok().contains("ringwood.loads"));
    let ran = place.feed(&["load", "saved", "--format", "tsv", "--keyspace", "users", "--resume"], b"b\t1\n");
    assert!(
        ran.ok() == "1 entries loaded in bulk\n" && ran.err.contains("no load to go on with"),
        "{}",
        ran.err
    );
    // A load of another keyspace is another matter, and leaves this one's record.
    let other = place.feed(&["load", "db", "--format", "tsv", "--resume"], b"b\t1\na\t2\n");
    assert!(other.ok().starts_with("2 entries loaded in batches"), "{}", other.text());
    assert!(other.err.contains("there is no load to go on with"), "{}", other.err);
    let resumed = place.feed(&[&load[..], &["--resume"]].concat(), text.as_bytes());
    assert!(resumed.ok().contains(", behind "), "{}", resumed.text());
    assert_eq!(
        place.run(&["scan", "db", "--keyspace", "users", "--count"]).ok(),
        format!("{}\n", ROWS / 10 * 9)
    );
    assert_eq!(keyspaces(&place), ["default", "users"]);
}

/// Stops at a line that is wrong, changes what was loaded, mends the line, goes on.
#[track_caller]
fn mends(good: &str, bad: &str, file: &str, args: &[&str], changed: &str) {
    let place = Place::new();
    let load = [&["load", "db", file], args].concat();
    fs::write(place.join(file), good).unwrap();
    let expected = whole(&place, &load[2..]);
    fs::write(place.join(file), bad).unwrap();
    place.run(&load).fails(3, &["line ", "; the same command and --resume goes on behind them"]);
    // Not of the rest: so a load that took anything twice would undo this.
    place.run(&["put", "db", changed, "changed since"]).ok();
    let again = place.run(&[&load[..], &["--resume"]].concat());
    again.fails(3, &["line ", "goes on behind them"]);
    fs::write(place.join(file), good).unwrap();
    place.run(&[&load[..], &["--resume"]].concat()).ok();
    assert_eq!(place.run(&["get", "db", changed]).ok(), "changed since\n");
    let before = place.run(&["get", "whole", changed, "--raw"]).out;
    let before = String::from_utf8(before).unwrap();
    place.run(&["put", "db", "--", changed, &before.replace('\\', "\\\\")]).ok();
    assert!(place.run(&["dump", "db"]).out == expected, "as if it had not been stopped");
}

#[test]
fn a_line_that_is_mended_is_gone_on_from() {
    let text = lines();
    // Line 20,000, and no later one, has the key.
    let (at, key) = (text.len() * 3 / 4, "key0025000");
    let at = at + text[at..].find('\t').unwrap();
    let bad = text[..at].to_owned() + " " + &text[at + 1..];
    mends(&text, &bad, "t.tsv", &[], key);
    mends(&text, &bad, "t.tsv", &["--sorted", "no", "--threads", "1"], key);
}

#[test]
fn it_goes_on_in_bulk_with_columns_and_elements_known_from_the_beginning() {
    let (mut csv, mut json) = (String::from("name,id\n"), String::from("[\n"));
    // In order but for the first piece; so all else goes in bulk, of which the last part is lost.
    for i in (0..20_000).chain(10_000..150_000) {
        let text = format!("{}\"\"{}", "x".repeat(40), i % 7);
        let _ = writeln!(csv, "\"line one,\n{text}\",key{i:07}");
        let _ =
            writeln!(json, "{{\"id\": \"key{i:07}\",\n \"text\": \"{}\"}},", text.replace("\"\"", "\\\""));
    }
    json.push_str("{\"id\": \"last\"}\n]\n");
    let broken = |text: &str, from: &str, to: &str| {
        let at = text.rfind(from).unwrap();
        text[..at].to_owned() + to + &text[at + from.len()..]
    };
    // Two places out of order, so that there are two bulk loads, and the first is in place when the second is given up.
    let more =
        csv.lines().skip(1).fold(String::new(), |text, line| text + line + "\n").replace("key", "more");
    let csv = csv + "\"early\",a\n" + &more;
    let bad = broken(&csv, "\",more0149990", "\",,more0149990");
    mends(&csv, &bad, "t.csv", &["--key", "id", "--value", "name"], "key0000005");
    // The first mebibyte in batches, all else in one bulk load: that is given up, and begun again.
    mends(&json, &broken(&json, "\"last\"", "last"), "t.json", &["--key", "id"], "key0000005");
}

#[test]
fn another_input_or_other_options_are_refused_and_change_nothing() {
    let place = Place::new();
    let text = lines();
    let load = |file: &str, args: &[&str]| place.run(&[&["load", "db", file], args].concat());
    fs::write(place.join("bad.tsv"), text.clone() + "no tab\n").unwrap();
    load("bad.tsv", &["--resume"])
        .fails(3, &["there is no load to go on with", "no tab", "--resume goes on"]);
    let left = place.run(&["dump", "db"]).out;
    let mut other = text.clone().into_bytes();
    other[1 << 20] ^= 1;
    fs::write(place.join("other.tsv"), &other).unwrap();
    fs::write(place.join("short.tsv"), &text[..5 << 20]).unwrap();
    for file in ["other.tsv", "short.tsv"] {
        let ran = load(file, &["--resume"]);
        ran.fails(3, &["--resume: the input has changed: its first ", "from the beginning"]);
    }
    load("bad.tsv", &["--resume", "--raw"])
        .fails(2, &["read its input as tsv, in", "would as tsv --raw, in"]);
    load("bad.tsv", &["--resume", "--sorted", "yes"]).fails(2, &["--sorted yes leaves nothing"]);
    load("bad.tsv", &["--threads", "0"]).fails(2, &["--threads: 1 to 8"]);
    assert!(place.run(&["dump", "db"]).out == left);
    // Without --resume it begins at the beginning, and then there is nothing left to go on with.
    fs::write(place.join("t.tsv"), &text).unwrap();
    load("t.tsv", &[]).ok();
    assert_eq!(keyspaces(&place), ["default"]);
    let again = load("t.tsv", &["--resume"]);
    assert!(again.err.contains("there is no load to go on with"), "{}", again.err);
    assert!(again.ok().starts_with("150000 entries loaded in batches"), "{}", again.text());
}

#[test]
fn lines_that_were_skipped_before_the_stop_count() {
    let place = Place::new();
    let text = String::from("no tab\n") + &lines();
    let load = ["load", "db", "--format", "tsv", "--on-error", "skip", "--resume"];
    stop(&place, &load, &text.as_bytes()[..10 << 20], libc::SIGTERM);
    let done = place.feed(&[&load[..], &["--json"]].concat(), text.as_bytes());
    done.fails(4, &["one line was skipped"]);
    let told: serde_json::Value = serde_json::from_slice(&done.out).unwrap();
    assert!(told["resumed"].as_u64().unwrap() > 0 && told["skipped"] == 1, "{told}");
}

/// A store of two keyspaces, dumped.
fn dumped(place: &Place) -> Vec<u8> {
    let text = lines();
    for keyspace in ["default", "users"] {
        place.feed(&["load", "db", "--format", "tsv", "--keyspace", keyspace], text.as_bytes()).ok();
    }
    place.run(&["dump", "db", "all.rwdump"]).ok();
    fs::rename(place.join("db"), place.join("source")).unwrap();
    fs::read(place.join("all.rwdump")).unwrap()
}

#[test]
fn a_restore_is_all_or_nothing_over_all_keyspaces() {
    let place = Place::new();
    let dump = dumped(&place);
    let load = ["load", "db", "--format", "binary"];
    let mut bad = dump.clone();
    *bad.last_mut().unwrap() ^= 1;
    let nothing = |place: &Place| {
        place.run(&["verify", "db"]).ok();
        for keyspace in keyspaces(place) {
            assert_eq!(
                place.run(&["scan", "db", "--count", "--keyspace", &keyspace]).ok(),
                "0\n",
                "{keyspace}"
            );
        }
    };
    for bytes in [1 << 20, dump.len() / 2 + (1 << 20), dump.len() - 1] {
        stop(&place, &load, &dump[..bytes], libc::SIGKILL);
        nothing(&place);
    }
    let ran = stop(&place, &load, &dump[..dump.len() / 2 + (4 << 20)], libc::SIGINT);
    ran.fails(130, &["stopped: nothing is in the store of it"]);
    place.feed(&load, &bad).fails(3, &["checksum", "nothing is in the store of it"]);
    nothing(&place);
    assert_eq!(place.feed(&load, &dump).ok(), format!("{} entries loaded in bulk\n", ROWS / 10 * 18));
    assert!(place.run(&["dump", "db"]).out == dump, "byte for byte");
    // Into a store with other entries, too.
    place.run(&["load", "mixed", "all.rwdump"]).ok();
    place.run(&["put", "mixed", "key0000000", "newer", "--keyspace", "users"]).ok();
    place.run(&["put", "mixed", "zzz", "stays"]).ok();
    place.feed(&["load", "mixed", "--format", "binary"], &bad).fails(3, &["nothing is in the store of it"]);
    assert_eq!(place.run(&["get", "mixed", "key0000000", "--keyspace", "users"]).ok(), "newer\n");
    place.run(&["load", "mixed", "all.rwdump"]).ok();
    assert!(place.run(&["get", "mixed", "key0000000", "--keyspace", "users"]).ok().starts_with("line "));
    assert_eq!(place.run(&["get", "mixed", "zzz"]).ok(), "stays\n");
}

#[test]
fn a_dump_in_batches_goes_on_too() {
    let place = Place::new();
    let dump = dumped(&place);
    let load = ["load", "db", "--format", "binary", "--sorted", "no"];
    for bytes in [4 << 20, dump.len() - (2 << 20)] {
        stop(&place, &[&load[..], &["--resume"]].concat(), &dump[..bytes], libc::SIGKILL);
    }
    let users = place.run(&["scan", "db", "--count", "--keyspace", "users"]);
    assert!(users.ok().trim().parse::<u32>().unwrap() > 0, "stopped in the second keyspace");
    let done = place.feed(&[&load[..], &["--resume"]].concat(), &dump);
    assert!(done.ok().contains(", behind "), "{}", done.text());
    assert!(place.run(&["dump", "db"]).out == dump, "byte for byte");
}
