//! Each way to fail is a sentence on standard error and an exit code, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests make files and directories from outside")]

mod common;

use std::fs;

use common::Place;

#[test]
fn wrong_command_lines_are_code_2() {
    let place = Place::new();
    let wrong: &[&[&str]] = &[
        &[],
        &["nosuch"],
        &["put", "db", "k"],
        &["get", "db"],
        &["get", "db", "k", "--nosuch"],
        &["scan", "db", "--limit", "many"],
        &["put", "db", "k", "v", "--durability", "somewhat"],
        &["get", "db", "k", "--io", "magic"],
        &["get", "db", "k", "--memory", "lots"],
        &["get", "db", "k", "--raw", "--json"],
        &["doctor", "--keyspace", "x"],
        &["stats", "db", "--watch", "soon"],
        &["stats", "db", "--watch", "0"],
        &["bench", "--benchmarks=fillseq", "--threads=100000"],
        &["dump", "db", "names.txt"],
        &["inspect", "db", "--records"],
    ];
    for args in wrong {
        let ran = place.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{args:?}");
    }
    assert!(place.names().is_empty(), "nothing was made");
}

#[test]
fn what_is_wrong_with_a_word_is_said_in_a_sentence() {
    let place = Place::new();
    place.run(&["put", "db", "k", "v"]).ok();
    let cases: &[(&[&str], &str)] = &[
        (&["scan", "db", "--limit", "many"], "'many' for '--limit <N>': it is no whole number from 0 on"),
        (&["scan", "db", "--prefix", r"\q"], r"'\q' for '--prefix <PREFIX>': \q at character 1 is no escape"),
        (&["get", "db", "k", "--memory", "1k"], "'1k' for '--memory <SIZE>': a store needs at least 8 MiB"),
        (&["stats", "db", "--watch", "soon"], "seconds from 0.05 to 86400 are wanted"),
        (&["dump", "db", "names.txt"], "does not say how to write it: --format binary,"),
        (&["inspect", "db/CURRENT", "--svg", "x.svg"], "--svg is for the directory of a store"),
        (&["inspect", "db/CURRENT", "--tables"], "--tables is for the directory of a store"),
        (&["inspect", "db", "--records"], "--records is for one file of a store"),
        (&["db", "-c", "frob"], "there is no command `frob`; `help` lists them all"),
        (&["db", "-c", "scam"], "there is no command `scam`"),
        (&["db", "-c", "at noon"], "there is no snapshot noon; none was taken"),
    ];
    for (args, words) in cases {
        place.run(args).fails(2, &[words]);
    }
    // A path is no command that was mistyped.
    place.run(&["./nosuch"]).fails(3, &["./nosuch holds no store"]);
    place.feed(&["load", "new", "--format", "json"], b"[1, 2]").fails(3, &["it is no object", "--key ''"]);
    assert!(!place.join("names.txt").exists());
}

#[test]
fn names_of_keyspaces_follow_the_rule_for_bytes() {
    let place = Place::new();
    place.run(&["put", "db", "k", "v", "--keyspace", r"two\nlines \\ ключ"]).ok();
    let name = r"two\nlines \\ ключ";
    assert_eq!(place.run(&["db", "-c", "keyspaces"]).ok(), format!("default\n{name}\n"));
    assert_eq!(place.run(&["get", "db", "k", "--keyspace", name]).ok(), "v\n", "what is shown can be typed");
    assert_eq!(place.run(&["db", "-c", &format!("use '{name}'; get k")]).ok(), "v\n");
    place
        .run(&["get", "db", "k", "--keyspace", r"no\tne"])
        .fails(3, &[r#"no keyspace "no\tne"; it has: default, two\nlines"#]);
    place.run(&["get", "db", "k", "--keyspace", r"\xff"]).fails(2, &["a keyspace's name is UTF-8"]);
    assert!(place.run(&["repair", "db", "saved"]).ok().contains(&format!("keyspace {name}: 1 puts saved\n")));
}

#[test]
fn keys_and_values_out_of_bounds_are_code_2() {
    let place = Place::new();
    place.run(&["put", "db", "", "v"]).fails(2, &["empty"]);
    let long = "k".repeat(65_536);
    place.run(&["put", "db", &long, "v"]).fails(2, &["65536", "65535"]);
    let longest = "k".repeat(65_535);
    place.run(&["put", "db", &longest, "v"]).ok();
    assert_eq!(place.run(&["get", "db", &longest]).ok(), "v\n");
}

#[test]
fn help_and_version_are_code_0() {
    let place = Place::new();
    assert!(place.run(&["--version"]).ok().starts_with("ringwood 0."));
    for command in [
        "put", "get", "delete", "scan", "shell", "dump", "load", "inspect", "verify", "repair", "stats",
        "generate", "doctor", "bench",
    ] {
        let help = place.run(&[command, "--help"]);
        assert!(help.ok().contains("Examples:"), "{command}");
        assert_eq!(place.run(&["help", command]).ok(), help.text());
        let wide = help.text().lines().find(|l| l.chars().count() > 100);
        assert_eq!(wide, None, "{command}");
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_reading() {
    let place = Place::new();
    for args in [&["get", "db", "k"][..], &["scan", "db"], &["delete", "db", "k"]] {
        place.run(args).fails(3, &["db"]);
    }
    place.run(&["put", "no/such/parent/db", "k", "v"]).fails(3, &["no/such/parent"]);
    assert!(place.names().is_empty());
}

#[test]
fn a_damaged_store_is_code_3_and_names_the_file() {
    let place = Place::new();
    place.run(&["put", "db", "k", "v"]).ok();
    fs::write(place.join("db/CURRENT"), [0xa5; 64]).unwrap();
    for args in [&["put", "db", "k", "v"][..], &["get", "db", "k"], &["scan", "db"]] {
        place.run(args).fails(3, &["CURRENT"]);
    }
    place.run(&["bench", "--db=db", "--benchmarks=fillseq", "--num=10"]).fails(3, &["CURRENT"]);
    assert!(place.join("db/CURRENT").exists());
}

#[test]
fn a_store_in_use_is_code_3_and_says_so() {
    let place = Place::new();
    let db = ringwood::Db::open(place.join("db")).unwrap();
    for args in [&["put", "db", "k", "v"][..], &["get", "db", "k"], &["scan", "db"], &["delete", "db", "k"]] {
        place.run(args).fails(3, &["db"]);
    }
    place.run(&["bench", "--db=db", "--benchmarks=readrandom", "--use_existing_db"]).fails(3, &["db"]);
    db.close().unwrap();
    place.run(&["put", "db", "k", "v"]).ok();
}

#[test]
fn a_directory_with_other_things_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.join("photos")).unwrap();
    fs::write(place.join("photos/cat.jpg"), "meow").unwrap();
    for args in [&["put", "photos", "k", "v"][..], &["get", "photos", "k"], &["scan", "photos"]] {
        place.run(args).fails(3, &["photos"]);
    }
    for args in [&["put", "photos", "k", "v"][..], &["inspect", "photos"], &["verify", "photos"]] {
        place.run(args).fails(3, &["it holds cat.jpg", "give a store's directory, or a new or an empty one"]);
    }
    fs::write(place.join("file"), "text").unwrap();
    place.run(&["put", "file", "k", "v"]).fails(3, &["file"]);
    assert_eq!(fs::read_dir(place.join("photos")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(place.join("photos/cat.jpg")).unwrap(), "meow");
}
