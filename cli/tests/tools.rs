//! verify, inspect and stats, on stores that are whole and on all others.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests make and damage files from outside")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::Place;

/// A store with tables on two levels, a keyspace, a tombstone, and something in the log.
fn filled() -> Place {
    let place = Place::new();
    let db = ringwood::Options::new().memory(16 << 20).open(place.join("db")).unwrap();
    let users = db.keyspace("users").unwrap();
    let mut batch = ringwood::WriteBatch::new();
    for i in 0..5000u32 {
        batch.put(format!("key{i:06}"), [b'v'; 60]).unwrap();
    }
    db.write(&batch, ringwood::Durability::Buffered).unwrap();
    users.put("ada", "Lovelace").unwrap();
    db.compact().unwrap();
    db.put("key000100", "newer").unwrap();
    db.delete("key000200").unwrap();
    db.flush().unwrap();
    db.put("late", "in the log").unwrap();
    db.close().unwrap();
    place
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<_> = all.filter(|p| p.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found
}

/// The largest table of the store.
fn table(place: &Place) -> PathBuf {
    let tables = files(&place.join("db"), ".sst");
    tables.into_iter().max_by_key(|p| fs::metadata(p).unwrap().len()).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_store_is_called_whole() {
    let place = filled();
    let ran = place.run(&["verify", "db"]);
    assert!(ran.ok().starts_with("whole: 3 tables with "), "{}", ran.text());
    assert_eq!(ran.err, "");
    let json = &place.run(&["verify", "db", "--json"]).json()[0];
    assert_eq!((&json["whole"], &json["tables"], &json["entries"]), (&true.into(), &3.into(), &5003.into()));
    assert_eq!(json["log"]["operations"], 1, "{json}");
    assert_eq!(json["notes"].as_array().unwrap().len(), 0, "{json}");
    assert_eq!(place.run(&["get", "db", "late"]).ok(), "in the log\n", "nothing was changed");
}

#[test]
fn every_kind_of_damage_is_told_with_code_4() {
    let table_file = |place: &Place| flip(&table(place), 4096 + 100);
    let index = |place: &Place| {
        let shown = place.run(&["inspect", table(place).to_str().unwrap(), "--json"]).json();
        flip(&table(place), shown[0]["data_bytes"].as_u64().unwrap() as usize + 20);
    };
    let gone = |place: &Place| fs::remove_file(table(place)).unwrap();
    let cut = |place: &Place| {
        let file = fs::OpenOptions::new().write(true).open(table(place)).unwrap();
        file.set_len(8192).unwrap();
    };
    let manifest = |place: &Place| flip(&files(&place.join("db"), "MANIFEST-000001")[0], 4096 + 30);
    let current = |place: &Place| fs::write(place.join("db/CURRENT"), "MANIFEST-000009 0\n").unwrap();
    let no_current = |place: &Place| fs::remove_file(place.join("db/CURRENT")).unwrap();
    let log = |place: &Place| {
        let segments = files(&place.join("db/wal"), ".log");
        let newest = segments.into_iter().rfind(|p| !p.to_string_lossy().contains("spare")).unwrap();
        flip(&newest, 24);
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&Place), &'a [&'a str]);
    let cases: [Case<'_>; 8] = [
        ("a block", &table_file, &["at offset 4096", "one block of", "keys: key"]),
        ("an index", &index, &[".sst", "cannot be opened"]),
        ("a table is gone", &gone, &["does not exist"]),
        ("a table is cut", &cut, &[".sst", "cannot be opened"]),
        ("the manifest", &manifest, &["MANIFEST-000001", "`repair`"]),
        ("CURRENT names nothing", &current, &["CURRENT", "`repair`"]),
        ("CURRENT is gone", &no_current, &["CURRENT"]),
        ("the log", &log, &[".log", "acknowledged writes"]),
    ];
    for (name, damage, words) in cases {
        let place = filled();
        damage(&place);
        let ran = place.run(&["verify", "db"]);
        ran.fails(4, &["db is damaged"]);
        for word in words {
            assert!(ran.text().contains(word), "{name}: {word} is not in: {}", ran.text());
        }
        let json = place.run(&["verify", "db", "--json"]);
        let object: serde_json::Value = serde_json::from_str(json.text()).unwrap();
        assert_eq!((json.code, &object["whole"]), (4, &false.into()), "{name}");
        assert!(!object["problems"][0]["means"].as_str().unwrap().is_empty(), "{name}: {object}");
    }
}

#[test]
fn several_damaged_blocks_are_all_told() {
    let place = filled();
    for block in [0, 3, 5] {
        flip(&table(&place), 4096 * block + 50);
    }
    place.run(&["verify", "db"]).fails(4, &["3 problems"]);
}

#[test]
fn directories_that_are_no_store_or_are_in_use_are_code_3() {
    let place = filled();
    fs::create_dir(place.join("empty")).unwrap();
    fs::create_dir(place.join("photos")).unwrap();
    fs::write(place.join("photos/cat.jpg"), "meow").unwrap();
    for tool in ["verify", "inspect", "stats"] {
        place.run(&[tool, "nowhere"]).fails(3, &["nowhere"]);
        place.run(&[tool, "empty"]).fails(3, &["empty"]);
        place.run(&[tool, "photos"]).fails(3, &["photos"]);
        assert_eq!(fs::read_dir(place.join("empty")).unwrap().count(), 0, "{tool} made something");
        assert_eq!(fs::read_dir(place.join("photos")).unwrap().count(), 1, "{tool} made something");
    }
    place.run(&["inspect", "photos/cat.jpg"]).fails(3, &["cat.jpg", "no file of Ringwood"]);
    let db = ringwood::Db::open(place.join("db")).unwrap();
    for tool in ["verify", "inspect"] {
        place.run(&[tool, "db"]).fails(3, &["holds it"]);
    }
    let seen = place.run(&["stats", "db"]);
    assert!(seen.ok().contains("keyspace users") && seen.err.contains("seen from outside"), "{}", seen.err);
    let json = &place.run(&["stats", "db", "--json"]).json()[0];
    assert_eq!(json["source"], "outside");
    db.close().unwrap();
}

#[test]
fn the_tree_is_drawn() {
    let place = filled();
    let ran = place.run(&["inspect", "db", "--tables", "--svg", "tree.svg"]);
    for word in ["keyspace default", "keyspace users", "key000000", "█", "tombstones", "overlaps"] {
        assert!(ran.ok().contains(word), "{word}: {}", ran.text());
    }
    assert!(!ran.text().contains('\x1b'), "no colours without a terminal");
    let svg = fs::read_to_string(place.join("tree.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<rect x=").count(), 3, "{svg}");
    let json = &place.run(&["inspect", "db", "--json", "--keyspace", "default"]).json()[0];
    assert_eq!(json["keyspaces"].as_array().unwrap().len(), 1);
    let tables = json["keyspaces"][0]["tables"].as_array().unwrap();
    assert_eq!((tables.len(), &tables[0]["tombstones"]), (2, &1.into()), "{json}");
    assert_eq!(tables[0]["overlaps"], 1);
    place.run(&["inspect", "db", "--keyspace", "nobody"]).fails(3, &["no keyspace \"nobody\"", "users"]);
}

#[test]
fn every_file_is_decoded() {
    let place = filled();
    let text = |path: &Path, words: &[&str]| {
        let ran = place.run(&["inspect", path.to_str().unwrap(), "--records"]);
        for word in words {
            assert!(ran.ok().contains(word), "{word} is not in {}", ran.text());
        }
        let json = place.run(&["inspect", path.to_str().unwrap(), "--records", "--json"]).json();
        assert!(json.iter().all(|o| o["what"].is_string()) && !json.is_empty());
    };
    text(&table(&place), &["blocks ", "block  0  offset 0", "kind put  key \"key000000\"  value \"vvv"]);
    text(&place.join("db/CURRENT"), &["manifest 1"]);
    text(&place.join("db/MANIFEST-000001"), &["keyspace add", "name \"users\"", "table add", "tombstones 1"]);
    text(&place.join("db/wal/staging.map"), &["ring bytes"]);
    let logs = files(&place.join("db/wal"), ".log");
    let found = logs.iter().any(|log| {
        let ran = place.run(&["inspect", log.to_str().unwrap(), "--records"]);
        ran.ok().contains("key \"late\"  value \"in the log\"") && ran.text().contains("record  ")
    });
    assert!(found, "the last put is in the log");
    flip(&table(&place), 4096 + 100);
    let damaged = place.run(&["inspect", table(&place).to_str().unwrap()]);
    damaged.fails(4, &["is damaged"]);
    assert!(damaged.text().contains("block  2"), "what is behind the damage is decoded: {}", damaged.text());
    fs::write(place.join("db/MANIFEST-000001"), [7; 5000]).unwrap();
    place.run(&["inspect", "db/MANIFEST-000001"]).fails(4, &["MANIFEST-000001", "damaged"]);
}

#[test]
fn statistics_come_as_text_json_and_for_prometheus() {
    let place = filled();
    let text = place.run(&["stats", "db"]);
    assert!(
        text.ok().contains("keyspace \"users\"") && text.text().contains(" compactions, 0 B waiting for one")
    );
    let json = &place.run(&["stats", "db", "--json"]).json()[0];
    assert_eq!(json["source"], "open");
    assert!(
        json["memory"]["budget"].as_u64().unwrap() > 0
            && json["io"]["control"]["reads"].as_u64().unwrap() > 0
    );
    assert_eq!(json["pending_compaction_bytes"], 0);
    assert!(
        json["keyspaces"].as_array().unwrap().iter().all(|k| k["pending_compaction_bytes"] == 0),
        "{json}"
    );
    let ran = place.run(&["stats", "db", "--prometheus"]);
    for line in ran.ok().lines().filter(|l| !l.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("ringwood_") && value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(ran.text().contains("ringwood_table_entries{keyspace=\"users\""));
    assert!(ran.text().contains("ringwood_pending_compaction_bytes{keyspace=\"users\"} 0"), "{}", ran.text());
    place.run(&["stats", "db", "--prometheus", "--json"]).fails(2, &[]);
}

#[test]
fn what_cannot_be_seen_from_outside_is_unknown_and_not_nought() {
    let place = filled();
    let db = ringwood::Db::open(place.join("db")).unwrap();
    let text = place.run(&["stats", "db"]);
    assert!(text.ok().contains("\npending compaction unknown: it depends on"), "{}", text.text());
    let json = &place.run(&["stats", "db", "--json"]).json()[0];
    assert_eq!(json["source"], "outside");
    let keyspaces = json["keyspaces"].as_array().unwrap();
    for object in keyspaces.iter().chain([json]) {
        assert_eq!(object.get("pending_compaction_bytes"), Some(&serde_json::Value::Null), "{object}");
    }
    let ran = place.run(&["stats", "db", "--prometheus"]);
    let samples = ran.ok().lines().filter(|l| l.starts_with("ringwood_pending_compaction_bytes{"));
    assert!(samples.clone().count() == 2 && samples.clone().all(|l| l.ends_with("} NaN")), "{}", ran.text());
    db.close().unwrap();
}

#[test]
fn a_store_whose_creation_was_cut_short_is_no_damaged_one() {
    let place = Place::new();
    let db = ringwood::Db::open(place.join("db")).unwrap();
    // As the files are between the two steps: the manifest is in force, and there is no log yet.
    fs::create_dir(place.join("new")).unwrap();
    for name in ["CURRENT", "MANIFEST-000001"] {
        fs::copy(place.join("db").join(name), place.join("new").join(name)).unwrap();
    }
    db.close().unwrap();
    let ran = place.run(&["verify", "new"]);
    assert!(
        ran.ok().contains("new/wal is not there: the creation of the store was cut short"),
        "{}",
        ran.text()
    );
    place.run(&["repair", "new", "saved"]).ok();
    let child = place.start(&["stats", "new", "--watch", "0.05", "--json"]);
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    common::signal(&child, libc::SIGINT);
    let ran = common::finish(child);
    assert!(ran.code == 130 && ran.text().contains("\"files\":0"), "{} {}", ran.code, ran.err);
    place.run(&["put", "new", "k", "v"]).ok();
    place.run(&["verify", "new"]).ok();
    // Of a store that was at work, it is damage.
    place.feed(&["load", "new", "--format", "tsv"], b"a\t1\n").ok();
    fs::remove_dir_all(place.join("new/wal")).unwrap();
    place.run(&["verify", "new"]).fails(4, &["new is damaged"]);
}

#[test]
fn watching_keeps_nobody_out_and_ends_with_the_signal() {
    let place = filled();
    let child = place.start(&["stats", "db", "--watch", "0.05", "--json"]);
    let db = ringwood::Db::open(place.join("db")).unwrap();
    db.put("k", "v").unwrap();
    db.flush().unwrap();
    std::thread::park_timeout(std::time::Duration::from_millis(500));
    db.close().unwrap();
    common::signal(&child, libc::SIGINT);
    let ran = common::finish(child);
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.text().lines().count() >= 2, "{}", ran.text());
}

#[test]
fn repair_saves_what_is_whole_and_lists_the_rest() {
    let place = filled();
    // Nothing is wrong: all of it comes over.
    let ran = place.run(&["repair", "db", "copy"]);
    assert!(ran.ok().contains("from 3 tables and 1 batches"), "{}", ran.text());
    for keyspace in ["default", "users"] {
        let scan = |db: &str| place.run(&["scan", db, "--keyspace", keyspace]).ok().to_owned();
        assert_eq!(scan("db"), scan("copy"), "{keyspace}");
    }
    assert_eq!(place.run(&["get", "copy", "key000100"]).ok(), "newer\n");
    place.run(&["get", "copy", "key000200"]).fails(1, &[]);
    place.run(&["repair", "db", "copy"]).fails(3, &["copy"]);
    // A block is lost, and nothing else.
    let before = fs::read(table(&place)).unwrap();
    flip(&table(&place), 4096 + 100);
    let ran = place.run(&["repair", "db", "saved"]);
    ran.fails(4, &["one thing"]);
    assert!(
        ran.text().contains("keys: key") && ran.text().contains("these blocks are lost"),
        "{}",
        ran.text()
    );
    let count = |db: &str| place.run(&["scan", db, "--count"]).ok().trim().parse::<u64>().unwrap();
    assert_eq!(count("copy"), 5000);
    let left = count("saved");
    assert!((4900..5000).contains(&left), "{left}");
    assert_eq!(place.run(&["get", "saved", "late"]).ok(), "in the log\n");
    place.run(&["verify", "saved"]).ok();
    let json = place.run(&["repair", "db", "saved2", "--json"]);
    let object: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!((json.code, object["lost"].as_array().unwrap().len()), (4, 1), "{object}");
    fs::write(table(&place), before).unwrap();
    // CURRENT is gone, and a table: the manifest is found, the rest is saved.
    fs::remove_file(place.join("db/CURRENT")).unwrap();
    let ran = place.run(&["repair", "db", "found"]);
    ran.fails(4, &["one thing"]);
    assert_eq!(count("found"), 5000);
    assert_eq!(place.run(&["scan", "found", "--keyspace", "users"]).ok(), "ada\tLovelace\n");
    fs::remove_file(table(&place)).unwrap();
    place.run(&["repair", "db", "less"]).fails(4, &["2 things"]);
    assert_eq!(place.run(&["scan", "less", "--count"]).ok(), "2\n");
    // The log is damaged: the tables are saved.
    let place = filled();
    for log in files(&place.join("db/wal"), ".log") {
        flip(&log, 24);
    }
    place.run(&["repair", "db", "saved"]).fails(4, &["one thing"]);
    place.run(&["get", "saved", "key000001"]).ok();
    // No manifest at all: the tables are saved, though nobody knows whose they were.
    for manifest in files(&place.join("db"), "MANIFEST-000001") {
        fs::write(manifest, "nothing").unwrap();
    }
    place.run(&["repair", "db", "anon"]).fails(4, &["lost"]);
    assert_eq!(place.run(&["get", "anon", "key000100", "--keyspace", "lost+found"]).ok(), "newer\n");
    for (dir, word) in [("nowhere", "nowhere"), ("photos", "photos")] {
        let _ = fs::create_dir(place.join("photos"));
        let _ = fs::write(place.join("photos/cat.jpg"), "meow");
        place.run(&["repair", dir, "x"]).fails(3, &[word]);
        assert!(!place.join("x").exists());
    }
}

#[test]
fn pages_and_completions_come_from_the_table_of_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = place.run(&["generate", shell]);
        for command in ["inspect", "verify", "shell", "load"] {
            assert!(ran.ok().contains(command), "{shell}: {command}");
        }
    }
    let page = place.run(&["generate", "man"]);
    assert!(page.ok().starts_with(".ie") && page.text().contains("Exit codes"), "{}", page.text());
    fs::create_dir(place.join("man1")).unwrap();
    place.run(&["generate", "man", "--dir", "man1"]).ok();
    assert!(files(&place.join("man1"), ".1").len() > 10);
    let load = fs::read_to_string(place.join("man1/ringwood-load.1")).unwrap();
    assert!(load.contains("on\\-error") && load.contains("Examples:"), "{load}");
    place.run(&["generate", "man", "--dir", "nowhere"]).fails(3, &["nowhere"]);
    let version = place.run(&["--version"]);
    assert!(
        version.ok().contains("\nI/O through ") && version.text().starts_with("ringwood 0."),
        "{}",
        version.text()
    );
}
