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
    ];
    for args in wrong {
        let ran = place.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{args:?}");
    }
    assert!(place.names().is_empty(), "nothing was made");
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
    fs::write(place.join("file"), "text").unwrap();
    place.run(&["put", "file", "k", "v"]).fails(3, &["file"]);
    assert_eq!(fs::read_dir(place.join("photos")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(place.join("photos/cat.jpg")).unwrap(), "meow");
}
