//! dump and load: what goes out comes in again, and what cannot is told with its place.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests look at files from outside")]

mod common;

use std::fs;

use common::Place;

/// A store with every byte in keys and values, two keyspaces and an empty one.
fn filled() -> Place {
    let place = Place::new();
    let db = ringwood::Db::open(place.join("db")).unwrap();
    let users = db.keyspace("users").unwrap();
    db.keyspace("nothing in it").unwrap();
    let mut batch = ringwood::WriteBatch::new();
    for i in 0..3000u32 {
        let byte = (i % 256) as u8;
        batch.put([&[byte, b',', b'"'][..], &i.to_be_bytes()].concat(), vec![byte; i as usize % 70]).unwrap();
        batch.put_in(&users, format!("user {i:05}"), format!("line\none, \"{i}\"\r\n\ttwo\\")).unwrap();
    }
    db.write(&batch, ringwood::Durability::Buffered).unwrap();
    db.close().unwrap();
    place
}

/// All of a keyspace as text.
fn scan(place: &Place, db: &str, keyspace: &str) -> String {
    place.run(&["scan", db, "--keyspace", keyspace]).ok().to_owned()
}

#[test]
fn a_binary_dump_restores_all_keyspaces() {
    let place = filled();
    assert_eq!(place.run(&["dump", "db", "all.rwdump"]).ok(), "");
    assert_eq!(place.run(&["load", "new", "all.rwdump"]).ok(), "6000 entries loaded in bulk\n");
    for keyspace in ["default", "users", "nothing in it"] {
        assert_eq!(scan(&place, "new", keyspace), scan(&place, "db", keyspace), "{keyspace}");
    }
    let again = place.run(&["dump", "new"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(again.out, fs::read(place.join("all.rwdump")).unwrap(), "byte for byte");
    let piped = place.feed(&["load", "third", "--format", "binary", "--json"], &again.out);
    assert_eq!(
        piped.json()[0],
        serde_json::json!({ "entries": 6000, "skipped": 0, "bulk": 6000, "batched": 0, "first_unsorted": null, "resumed": 0 })
    );
    place.run(&["verify", "third"]).ok();
}

#[test]
fn every_text_form_brings_every_byte_back() {
    let place = filled();
    for format in ["tsv", "csv", "jsonl", "json"] {
        for keyspace in ["default", "users"] {
            let file = format!("{keyspace}.{format}");
            place.run(&["dump", "db", &file, "--keyspace", keyspace]).ok();
            let loaded = place.run(&["load", format, &file, "--keyspace", keyspace]);
            assert_eq!(loaded.ok(), "3000 entries loaded in bulk\n", "{file}");
            assert_eq!(scan(&place, format, keyspace), scan(&place, "db", keyspace), "{file}");
        }
    }
    let some = place.run(&[
        "dump",
        "db",
        "--format",
        "tsv",
        "--keyspace",
        "users",
        "--prefix",
        "user 0000",
        "--to",
        "user 00002",
    ]);
    assert_eq!(some.ok().lines().count(), 2);
}

#[test]
fn csv_of_others_is_read_by_column() {
    let place = Place::new();
    fs::write(place.join("t.csv"), "id,name,town\n7,Ada,\"London, UK\"\n8,\"Bo\"\"b\",Paris\n").unwrap();
    let load = |args: &[&str]| {
        let _ = fs::remove_dir_all(place.join("db"));
        let ran = place.run(&[&["load", "db", "t.csv"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        place.run(&["scan", "db"]).ok().to_owned()
    };
    assert_eq!(load(&["--key", "id", "--value", "town"]), "7\tLondon, UK\n8\tParis\n");
    assert_eq!(load(&["--key", "2", "--value", "1"]), "Ada\t7\nBo\"b\t8\n");
    assert_eq!(
        load(&[]),
        "7\t{\"id\":\"7\",\"name\":\"Ada\",\"town\":\"London, UK\"}\n8\t{\"id\":\"8\",\"name\":\"Bo\\\"b\",\"town\":\"Paris\"}\n"
            .replace("\\\"", "\\\\\"")
    );
    assert!(load(&["--no-header", "--value", "2"]).contains("id\tname\n"));
    place.run(&["load", "db", "t.csv", "--key", "nosuch"]).fails(3, &["no column nosuch", "id, name, town"]);
    let semicolons = place.feed(&["load", "semi", "--format", "csv", "--delimiter", ";"], b"k;v\na;1\n");
    assert_eq!(semicolons.ok(), "1 entries loaded in bulk\n");
}

#[test]
fn json_lines_of_others_are_read_by_field_or_pointer() {
    let place = Place::new();
    let lines = b"{\"id\": 7, \"at\": {\"x\": \"\\\\n\"}}\n{\"id\": 8, \"at\": {\"x\": \"b\"}}\n";
    let load = |args: &[&str]| {
        let _ = fs::remove_dir_all(place.join("db"));
        let ran = place.feed(&[&["load", "db", "--format", "jsonl"], args].concat(), lines);
        assert_eq!(ran.code, 0, "{}", ran.err);
        place.run(&["scan", "db"]).ok().to_owned()
    };
    assert_eq!(load(&["--key", "id", "--value", "/at/x"]), "7\t\\\\n\n8\tb\n", "text as it is");
    assert_eq!(
        load(&["--key", "/at/x", "--value", "at"]),
        "\\\\n\t{\"x\":\"\\\\\\\\n\"}\nb\t{\"x\":\"b\"}\n"
    );
    assert!(load(&["--key", "id"]).starts_with("7\t{\"id\": 7, \"at\""), "the line as it is");
}

#[test]
fn complaints_have_line_and_column() {
    let place = Place::new();
    let cases: &[(&str, &[&str], &str, &str)] = &[
        ("tsv", &[], "a\t1\nno tab\n", "line 2, column 1: there is no tab"),
        ("tsv", &[], "a\t1\tx\n", "line 1, column 4: there is a second tab"),
        ("tsv", &[], "a\t1\nb\t\\q\n", "line 2, column 3: in the value"),
        ("tsv", &[], "\tv\n", "line 1, column 1: the key is empty"),
        ("csv", &[], "k,v\na,1\nb\n", "line 3, column 2: the row has 1 fields"),
        ("jsonl", &[], "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\": oops}\n", "line 2, column 9:"),
        ("jsonl", &[], "{\"key\":\"a\"}\n", "line 1, column 1: the object has no value"),
        ("jsonl", &["--key", "id"], "{\"id\":[1]}\n", "line 1, column 1: the key id is no text"),
    ];
    for (format, args, input, words) in cases {
        let ran = place.feed(&[&["load", "db", "--format", format], *args].concat(), input.as_bytes());
        ran.fails(3, &[words, "nothing is in the store"]);
    }
    let input = "a\t2\nbad\nb\t3\nworse\n";
    let ran = place.feed(&["load", "db", "--format", "tsv", "--on-error", "skip"], input.as_bytes());
    ran.fails(4, &["skipped: line 2,", "skipped: line 4,", "2 lines were skipped"]);
    assert_eq!(ran.text(), "2 entries loaded in bulk\n");
    assert_eq!(place.run(&["scan", "db", "--from", "b"]).ok(), "b\t3\n");
}

#[test]
fn damaged_and_cut_dumps_are_told() {
    let place = filled();
    place.run(&["dump", "db", "all.rwdump"]).ok();
    let whole = fs::read(place.join("all.rwdump")).unwrap();
    let mut bad = whole.clone();
    bad[5000] ^= 1;
    for (i, (bytes, word)) in [
        (&bad[..], "checksum"),
        (&whole[..9000], "was cut"),
        (&whole[..7], "no binary dump"),
        (b"", "no binary dump"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(place.join("x.rwdump"), bytes).unwrap();
        place.run(&["load", &format!("new{i}"), "x.rwdump"]).fails(3, &[word]);
    }
}

#[test]
fn what_cannot_be_is_refused_and_makes_nothing() {
    let place = filled();
    fs::create_dir(place.join("photos")).unwrap();
    fs::write(place.join("photos/cat.jpg"), "meow").unwrap();
    fs::write(place.join("t.tsv"), "a\t1\n").unwrap();
    for dir in ["nowhere", "photos"] {
        place.run(&["dump", dir, "x.rwdump"]).fails(3, &[dir]);
        assert!(!place.join("x.rwdump").exists() && !place.join("x.rwdump.partial").exists());
    }
    place.run(&["load", "photos", "t.tsv"]).fails(3, &["photos"]);
    place.run(&["load", "new", "nosuch.tsv"]).fails(3, &["nosuch.tsv"]);
    assert!(!place.join("new").exists());
    for args in [
        &["load", "new", "t.unknown"][..],
        &["load", "new", "t.tsv", "--key", "a"],
        &["load", "new", "x.rwdump", "--keyspace", "users"],
        &["load", "new", "t.tsv", "--no-header"],
        &["dump", "db", "x.rwdump", "--prefix", "a"],
        &["dump", "db", "x.rwdump", "--keyspace", "users"],
    ] {
        place.run(args).fails(2, &[]);
    }
    place.run(&["dump", "db", "x.tsv", "--keyspace", "nobody"]).fails(3, &["no keyspace"]);
    let db = ringwood::Db::open(place.join("db")).unwrap();
    place.run(&["dump", "db", "x.rwdump"]).fails(3, &["holds it"]);
    place.run(&["load", "db", "t.tsv"]).fails(3, &["holds it"]);
    db.close().unwrap();
    fs::write(place.join("db/CURRENT"), "x").unwrap();
    place.run(&["dump", "db", "x.rwdump"]).fails(3, &["CURRENT"]);
    place.run(&["load", "db", "t.tsv"]).fails(3, &["CURRENT"]);
}

#[test]
fn what_is_no_plain_file_is_written_to_and_not_replaced() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let place = filled();
    let whole = place.run(&["dump", "db", "--format", "tsv"]).out;
    // A pipe with a name, as `>(gzip)` of a shell has one.
    let pipe = place.join("pipe.tsv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    place.run(&["dump", "db", "pipe.tsv"]).ok();
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "it is a pipe as before");
    assert!(reader.join().unwrap() == whole);
    assert!(place.run(&["dump", "db", "/dev/stdout", "--format", "tsv"]).out == whole);
    // A link to a file.
    fs::write(place.join("real.tsv"), "old").unwrap();
    symlink("real.tsv", place.join("link.tsv")).unwrap();
    place.run(&["dump", "db", "link.tsv"]).ok();
    assert!(fs::symlink_metadata(place.join("link.tsv")).unwrap().is_symlink());
    assert!(fs::read(place.join("real.tsv")).unwrap() == whole);
    place.run(&["dump", "db", ".", "--format", "tsv"]).fails(3, &["cannot write .: Is a directory"]);
    let partial = place.names().into_iter().find(|name| name.ends_with(".partial"));
    assert_eq!(partial, None);
}

#[test]
fn ctrl_c_leaves_a_store_in_order() {
    let place = Place::new();
    let mut child = common::command(place.path(), &["load", "db", "--format", "tsv"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let line = format!("{}\n", "v".repeat(1000));
    for i in 0..5000 {
        std::io::Write::write_all(&mut input, format!("key{i:06}\t{line}").as_bytes()).unwrap();
    }
    common::wait_until(|| place.join("db/CURRENT").exists());
    common::signal(&child, libc::SIGINT);
    let ran = common::finish(child);
    drop(input);
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.contains("stopped: "), "{}", ran.err);
    place.run(&["verify", "db"]).ok();
}
