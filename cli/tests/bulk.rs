//! load: which way entries take into the store, and what is left after a stop; pieces parsed side by side; whole JSON documents.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests look at files from outside")]

mod common;

use std::fmt::Write;
use std::fs;

use common::Place;

/// Lines of these keys: some pieces of input from 100,000 on.
fn lines(keys: impl Iterator<Item = u32>) -> String {
    keys.fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "key{i:07}\tvalue {i} {}", "v".repeat(20));
        text
    })
}

fn count(place: &Place, db: &str) -> u64 {
    place.run(&["scan", db, "--count"]).ok().trim().parse().unwrap()
}

/// What `load --json` tells: entries in bulk, in batches, and the first that is out of order.
fn load(place: &Place, db: &str, args: &[&str], input: &str) -> (u64, u64, String) {
    let args = [&["load", db, "--format", "tsv", "--json"], args].concat();
    let json = &place.feed(&args, input.as_bytes()).json()[0];
    let first = json["first_unsorted"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        json["entries"].as_u64().unwrap(),
        json["bulk"].as_u64().unwrap() + json["batched"].as_u64().unwrap()
    );
    (json["bulk"].as_u64().unwrap(), json["batched"].as_u64().unwrap(), first)
}

#[test]
fn sorted_input_goes_in_bulk_and_comes_back_whole() {
    let place = Place::new();
    let text = lines(0..100_000);
    fs::write(place.join("t.tsv"), &text).unwrap();
    let ran = place.run(&["load", "db", "t.tsv"]);
    assert_eq!(ran.ok(), "100000 entries loaded in bulk\n");
    assert!(place.run(&["dump", "db", "--format", "tsv"]).ok() == text, "byte for byte");
    place.run(&["verify", "db"]).ok();
    assert_eq!(load(&place, "db", &["--sorted", "no"], &text), (0, 100_000, String::new()));
    assert_eq!(
        load(&place, "db", &["--sorted", "yes"], &text),
        (100_000, 0, String::new()),
        "over what is there"
    );
    assert!(place.run(&["dump", "db", "--format", "tsv"]).ok() == text);
}

#[test]
fn what_was_loaded_over_older_entries_is_verified_and_repaired_as_the_newer() {
    let place = Place::new();
    load(&place, "db", &["--sorted", "no"], &lines(0..1000).replace("value", "older"));
    load(&place, "db", &["--sorted", "yes"], &lines(0..1000));
    place.run(&["verify", "db"]).ok();
    place.run(&["repair", "db", "saved"]).ok();
    assert_eq!(place.run(&["scan", "saved"]).ok(), place.run(&["scan", "db"]).ok());
    assert!(place.run(&["get", "saved", "key0000500"]).ok().starts_with("value 500 "));
}

#[test]
fn input_out_of_order_loses_nothing_and_the_later_entry_wins() {
    let place = Place::new();
    // In order, then back: half of the keys come twice.
    let text = lines(0..200_000) + &lines(100_000..150_000).replace("value", "newer");
    let (bulk, batched, first) = load(&place, "db", &[], &text);
    assert_eq!(bulk + batched, 250_000);
    // All but the piece in which the first of them comes back.
    assert!(bulk > 170_000, "{bulk}");
    assert!(
        first.starts_with(
            "line 200001, column 1: the key key0100000 is not above the one before it, key0199999"
        ),
        "{first}"
    );
    let found = place.run(&["scan", "db"]);
    let newer: Vec<_> = found.ok().lines().filter(|l| l.contains("\tnewer ")).collect();
    assert_eq!((found.text().lines().count(), newer.len()), (200_000, 50_000));
    assert!(newer[0].starts_with("key0100000") && newer[49_999].starts_with("key0149999"));
    place.run(&["verify", "db"]).ok();
    // In no order at all: no bulk load is tried.
    let text = lines((0..100_000).map(|i| i * 7919 % 100_000));
    let (bulk, batched, first) = load(&place, "mixed", &[], &text);
    assert_eq!((bulk, batched), (0, 100_000));
    assert!(first.starts_with("line 14, column 1: "), "{first}");
    assert_eq!(count(&place, "mixed"), 100_000);
    // In order but for one place: all but a few pieces go in bulk.
    let text = lines((500_000..500_010).chain(0..400_000));
    let (bulk, batched, _) = load(&place, "nearly", &[], &text);
    assert!(bulk > 300_000 && batched > 0, "{bulk} {batched}");
    assert_eq!(count(&place, "nearly"), 400_010);
    // A key twice is out of order, too.
    let (_, _, first) = load(&place, "twice", &[], "a\t1\na\t2\n");
    assert_eq!(first, "line 2, column 1: the key a is the same as the one before it, a");
    assert_eq!(place.run(&["get", "twice", "a"]).ok(), "2\n");
}

#[test]
fn demanded_order_is_all_or_nothing() {
    let place = Place::new();
    let text = lines(0..100_000) + "key0000007\tlate\n";
    let args = ["load", "db", "--format", "tsv", "--sorted", "yes"];
    place.feed(&args, text.as_bytes()).fails(
        3,
        &[
            "line 100001, column 1: the key key0000007 is not above the one before it, key0099999",
            "nothing is in the store",
        ],
    );
    assert_eq!(count(&place, "db"), 0);
    let skipping = place.feed(&[&args[..], &["--on-error", "skip"]].concat(), text.as_bytes());
    skipping.fails(4, &["skipped: line 100001, column 1", "one line was skipped"]);
    assert_eq!(count(&place, "db"), 100_000);
    assert!(place.run(&["get", "db", "key0000007"]).ok().starts_with("value 7 "));
    // Wherever one is left out, also as the last of a piece, the next has to be above the last one that was not.
    let text = lines(0..100_000).replace("\nkey00", "\na\t1\nkey00");
    let skipping = place.feed(&[&args[..], &["--on-error", "skip"]].concat(), text.as_bytes());
    skipping.fails(4, &["99999 lines were skipped"]);
    assert_eq!(count(&place, "db"), 100_000);
}

#[test]
fn a_stop_leaves_nothing_in_bulk_and_what_came_before_in_batches() {
    let place = Place::new();
    let bad = lines(0..100_000) + "no tab\n" + &lines(100_000..100_010);
    for (sorted, is_batch) in [("auto", false), ("yes", false), ("no", true)] {
        let ran = place.feed(&["load", sorted, "--format", "tsv", "--sorted", sorted], bad.as_bytes());
        ran.fails(3, &["line 100001, column 1: there is no tab"]);
        let left = count(&place, sorted);
        // In batches, all pieces but that of the bad line.
        assert!(if is_batch { (50_000..100_000).contains(&left) } else { left == 0 }, "{sorted}: {left}");
        let told = if is_batch {
            format!("{left} entries are in the store")
        } else {
            "nothing is in the store".into()
        };
        assert!(ran.err.contains(&told), "{}", ran.err);
        place.run(&["verify", sorted]).ok();
    }
}

#[test]
fn a_dump_is_restored_in_bulk() {
    let place = Place::new();
    let text = lines(0..50_000);
    for keyspace in ["default", "users"] {
        place.feed(&["load", "db", "--format", "tsv", "--keyspace", keyspace], text.as_bytes()).ok();
    }
    place.run(&["dump", "db", "all.rwdump"]).ok();
    assert_eq!(place.run(&["load", "new", "all.rwdump"]).ok(), "100000 entries loaded in bulk\n");
    assert!(place.run(&["dump", "new"]).out == fs::read(place.join("all.rwdump")).unwrap(), "byte for byte");
    // Damage in the second keyspace: nothing of the first one is there either.
    let mut bytes = fs::read(place.join("all.rwdump")).unwrap();
    let at = bytes.len() - 1000;
    bytes[at] ^= 1;
    fs::write(place.join("bad.rwdump"), bytes).unwrap();
    place.run(&["load", "part", "bad.rwdump"]).fails(3, &["checksum", "nothing is in the store of it"]);
    assert_eq!(count(&place, "part"), 0);
    assert_eq!(place.run(&["scan", "part", "--keyspace", "users", "--count"]).ok(), "0\n");
    // Batches save what is before the damage.
    place.run(&["load", "saved", "bad.rwdump", "--sorted", "no"]).fails(3, &["checksum"]);
    let saved = place.run(&["scan", "saved", "--keyspace", "users", "--count"]);
    assert!((1..50_000).contains(&saved.ok().trim().parse().unwrap()), "{}", saved.text());
}

#[test]
fn pieces_parsed_side_by_side_keep_order_and_places() {
    let place = Place::new();
    // Each key comes in several pieces; the last one wins. Quoted line ends lie everywhere.
    let mut csv = String::from("id,text\n");
    let rows = 60_000;
    for round in 0..3 {
        for i in 0..rows {
            let _ = writeln!(csv, "{i},\"round {round}\n\"\"quoted\"\", {}\"", "x".repeat(i % 60));
        }
    }
    assert!(csv.len() > 6 << 20, "several pieces");
    csv.push_str("too,many,fields\r\nlast,one\r\n\r\n\r\nshort\r\n");
    fs::write(place.join("t.csv"), &csv).unwrap();
    let ran = place.run(&["load", "db", "t.csv", "--on-error", "skip"]);
    let lines = 1 + 2 * 3 * rows;
    let [many, short] = [lines + 1, lines + 5].map(|line| format!("line {line}, column"));
    ran.fails(4, &[&many, &short, "2 lines were skipped"]);
    let found = place.run(&["scan", "db"]);
    assert_eq!(found.ok().lines().count(), rows + 1);
    assert!(found.text().lines().all(|l| l.contains("\tround 2\\n\"quoted\", ") || l == "last\tone"));
}

/// Each key is in both pieces, which two threads parse.
#[test]
fn the_last_entry_of_a_key_wins_in_whichever_piece() {
    let place = Place::new();
    let rows = 60_000u32;
    let text = (0..rows).fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "key{:03}\tvalue {i:015}", i % 100);
        text
    });
    assert!((1 << 20..2 << 20).contains(&text.len()), "two pieces");
    assert_eq!(load(&place, "db", &[], &text).1, u64::from(rows), "in no order");
    let found = place.run(&["scan", "db"]);
    let expected = (0..100).fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "key{i:03}\tvalue {:015}", rows - 100 + i);
        text
    });
    assert_eq!(found.ok(), expected);
}

#[test]
fn one_document_of_json_is_read_whatever_its_size() {
    let place = Place::new();
    let rows = 40_000;
    let mut array = String::from("[\n");
    let mut object = String::from("{\n");
    for i in 0..rows {
        let end = if i + 1 < rows { "," } else { "" };
        let row = format!("{{\n    \"id\": {i},\n    \"tags\": [\"a,]\", \"{}\"]\n  }}", "t".repeat(i % 50));
        let _ = writeln!(array, "  {row}{end}");
        let _ = writeln!(object, "  \"{i:06}\": {row}{end}");
    }
    array.push_str("]\n");
    object.push_str("}\n");
    fs::write(place.join("array.json"), &array).unwrap();
    fs::write(place.join("object.json"), &object).unwrap();
    assert!(array.len() > 2 << 20, "several pieces");
    let ran = place.run(&["load", "array", "array.json", "--key", "id"]);
    let told = "(line 42, column 3: the key 10 is not above the one before it, 9)\n";
    assert!(ran.ok().starts_with("40000 entries loaded in ") && ran.text().ends_with(told), "{}", ran.text());
    assert_eq!(place.run(&["get", "array", "2"]).ok(), "{\"id\":2,\"tags\":[\"a,]\",\"tt\"]}\n");
    assert_eq!(place.run(&["load", "object", "object.json"]).ok(), "40000 entries loaded in bulk\n");
    assert_eq!(place.run(&["get", "object", "000002"]).ok(), "{\"id\":2,\"tags\":[\"a,]\",\"tt\"]}\n");
    assert_eq!(
        place.run(&["load", "ids", "object.json", "--value", "id"]).ok(),
        "40000 entries loaded in bulk\n"
    );
    assert_eq!(place.run(&["get", "ids", "000002"]).ok(), "2\n");
    // What dump writes is such a document.
    place.run(&["dump", "object", "back.json"]).ok();
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(place.join("back.json")).unwrap()).unwrap();
    assert_eq!(json.as_array().unwrap().len(), rows);
    assert_eq!(place.run(&["load", "again", "back.json"]).ok(), "40000 entries loaded in bulk\n");
    assert!(place.run(&["dump", "again"]).out == place.run(&["dump", "object"]).out);
    let empty = place.run(&["dump", "again", "--format", "json", "--prefix", "x"]);
    assert_eq!(empty.ok(), "[]\n");
    assert_eq!(place.feed(&["load", "none", "--format", "json"], b"[]\n").ok(), "0 entries loaded\n");
    // A place far behind the beginning is right; a document that is cut is told, with nothing of it loaded.
    fs::write(place.join("bad.json"), object.replace("\"030000\": {", "\"030000\" {")).unwrap();
    let line = 30_000 * 4 + 2;
    let told = format!("line {line}, column 11: there is no colon");
    place.run(&["load", "bad", "bad.json"]).fails(3, &[&told, "nothing is in the store"]);
    fs::write(place.join("cut.json"), &object[..object.len() - 4]).unwrap();
    place.run(&["load", "cut", "cut.json"]).fails(3, &["ends too early", "nothing is in the store"]);
    place
        .feed(&["load", "bad", "--format", "json"], b"{\"a\":1}\n{\"a\":2}\n")
        .fails(3, &["line 2, column 1", "--format jsonl"]);
    place.feed(&["load", "bad", "--format", "json"], b"").fails(3, &["no JSON document"]);
}
