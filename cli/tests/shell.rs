//! The shell as a script: what it prints, how it fails.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests make files and directories from outside")]

mod common;

use common::Place;

fn filled() -> Place {
    let place = Place::new();
    place.run(&["shell", "--create", "db", "-c", "put a 1; put b1 2; put b2 3; put c 4"]).ok();
    place
}

#[test]
fn data_goes_in_and_comes_out() {
    let place = filled();
    let sh = |line: &str| place.run(&["shell", "db", "-c", line]).ok().to_owned();
    assert_eq!(sh("get a"), "1\n");
    assert_eq!(sh("mget a c"), "a\t1\nc\t4\n");
    assert_eq!(sh("scan"), "a\t1\nb1\t2\nb2\t3\nc\t4\n");
    assert_eq!(sh("scan b --reverse --keys"), "b2\nb1\n");
    assert_eq!(sh("scan --from b --to c --count; scan --limit 1"), "2\na\t1\n");
    assert_eq!(sh("delete a b1; scan --keys"), "b2\nc\n");
    assert_eq!(sh(r#"put 'a b' "x;y"; put \x00\n \xff; scan --to b"#), "\\x00\\n\t\\xff\na b\tx;y\n");
    assert_eq!(sh("put -- --key --value; get -- --key"), "--value\n");
}

#[test]
fn a_directory_alone_is_a_shell() {
    let place = filled();
    assert_eq!(place.feed(&["db"], b"get a\nget c\n").ok(), "1\n4\n");
    assert_eq!(place.feed(&["--json", "db"], b"scan --limit 1").ok(), "{\"key\":\"a\",\"value\":\"1\"}\n");
}

#[test]
fn batches_are_all_or_nothing() {
    let place = filled();
    let sh = |line: &str| place.run(&["shell", "db", "-c", line]);
    assert_eq!(sh("begin; put x 1; delete a; scan x --count; commit; scan --keys").ok(), "0\nb1\nb2\nc\nx\n");
    assert_eq!(sh("begin; put y 1; discard; scan y --count").ok(), "0\n");
    let left = sh("begin; put z 1");
    assert!(
        left.ok().is_empty() && left.err.contains("1 operations of a batch were not committed"),
        "{}",
        left.err
    );
    assert_eq!(sh("scan z --count").ok(), "0\n");
    sh("commit").fails(2, &["there is no batch"]);
    sh("begin; begin").fails(2, &["already"]);
}

#[test]
fn keyspaces_and_snapshots() {
    let place = filled();
    let sh = |line: &str| place.run(&["shell", "db", "-c", line]);
    assert_eq!(sh("create users; use users; put a Ada; get a; use default; get a").ok(), "Ada\n1\n");
    assert_eq!(sh("keyspaces").ok(), "default\nusers\n");
    assert_eq!(place.run(&["shell", "db", "--keyspace", "users", "-c", "get a"]).ok(), "Ada\n");
    assert_eq!(sh("drop users; keyspaces").ok(), "default\n");
    sh("use users").fails(3, &["no keyspace \"users\""]);
    sh("drop default").fails(2, &["default"]);
    assert_eq!(sh("snapshot s; put a 2; at s; get a; at now; get a; release s").ok(), "1\n2\n");
    assert_eq!(
        sh("snapshot s; delete a; flush; compact; at s; scan --limit 1; release s; scan --limit 1").ok(),
        "a\t2\nb1\t2\n"
    );
    sh("at nowhere").fails(2, &["no snapshot nowhere"]);
}

#[test]
fn modes_show_the_same_entries() {
    let place = filled();
    let sh = |line: &str| place.run(&["shell", "db", "-c", line]).ok().to_owned();
    assert_eq!(
        sh("mode json; get a; scan c"),
        "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"c\",\"value\":\"4\"}\n"
    );
    assert_eq!(sh("mode hex; scan a"), "\\x61\t\\x31\n");
    assert_eq!(sh("mode hex; get \\x61"), "\\x31\n", "what is shown can be typed");
    let table = sh("mode table; scan b");
    assert!(table.starts_with("key │ value\n────┼─") && table.ends_with("\nb1  │ 2\nb2  │ 3\n"), "{table}");
    assert_eq!(sh("mode"), "plain\n");
}

#[test]
fn errors_have_line_numbers_and_codes() {
    let place = filled();
    let feed =
        |args: &[&str], script: &str| place.feed(&[&["shell", "db"], args].concat(), script.as_bytes());
    let ran = feed(&[], "get a\n\nnosuch\nget c\n");
    ran.fails(2, &["line 3:", "no command `nosuch`", "help"]);
    assert_eq!(ran.text(), "1\n", "nothing is done behind an error");
    let ran = feed(&["--keep-going"], "bad 1\nget a\nuse nowhere\n");
    ran.fails(2, &["line 1:", "line 3:"]);
    assert_eq!(ran.text(), "1\n");
    let ran = feed(&[], "get nobody\nget a\n");
    ran.fails(1, &["line 1: there is no key nobody"]);
    assert_eq!(ran.text(), "1\n", "a key that is not there ends nothing");
    for (line, word) in [
        ("put a", "needs more words"),
        ("get a b", "fewer words"),
        ("scan --limit", "needs a value"),
        ("scan --limit x", "no number"),
        ("scan --nosuch", "no option"),
        ("put 'a b", "no end"),
        ("get \\q", "no escape"),
        ("mode xml", "no mode"),
        ("timing perhaps", "neither on nor off"),
        ("help nosuch", "no command"),
        ("pu a b", "did you mean `put`"),
        ("put '' x", "empty"),
    ] {
        feed(&[], line).fails(2, &["line 1:", word]);
    }
    place.feed(&["shell", "db"], b"get \xff\n").fails(2, &["line 1:", "UTF-8"]);
}

#[test]
fn stores_that_cannot_be_had_are_code_3() {
    let place = filled();
    std::fs::create_dir(place.join("empty")).unwrap();
    std::fs::create_dir(place.join("photos")).unwrap();
    std::fs::write(place.join("photos/cat.jpg"), "meow").unwrap();
    for dir in ["nowhere", "empty", "photos"] {
        place.run(&["shell", dir, "-c", "scan"]).fails(3, &[dir]);
    }
    place.run(&["photos", "-c", "scan"]).fails(3, &["photos"]);
    place.run(&["shell", "--create", "photos", "-c", "scan"]).fails(3, &["photos"]);
    let db = ringwood::Db::open(place.join("db")).unwrap();
    place.run(&["db", "-c", "scan"]).fails(3, &["holds it"]);
    db.close().unwrap();
    std::fs::write(place.join("db/CURRENT"), "x").unwrap();
    place.run(&["db", "-c", "scan"]).fails(3, &["CURRENT"]);
}

#[test]
fn help_has_every_command_and_timing_tells() {
    let place = filled();
    let ran = place.run(&["shell", "db", "-c", "help; help scan; timing on; get a; stats; quit; nosuch"]);
    for word in ["put KEY VALUE", "snapshots", "examples:\n", "--limit 10", "I/O through"] {
        assert!(ran.ok().contains(word), "{word}: {}", ran.text());
    }
    assert!(ran.err.contains("(") && ran.err.contains("s)"), "{}", ran.err);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::new();
    let mut script = String::new();
    for i in 0..20_000 {
        script.push_str(&format!("put key{i:05} {}\n", "v".repeat(80)));
    }
    place.feed(&["shell", "--create", "db", "--durability", "none"], script.as_bytes()).ok();
    let mut child = place.start(&["shell", "db", "-c", "scan"]);
    drop(child.stdout.take());
    let ran = common::finish(child);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(place.run(&["db", "-c", "scan --count"]).ok(), "20000\n");
}
