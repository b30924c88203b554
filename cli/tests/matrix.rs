//! Every tool on every kind of directory: a sentence and an exit code, never a panic, and what is not its to change stays.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests make, copy and damage files from outside")]

mod common;

use std::fs;
use std::path::Path;

use common::Place;

/// The tools: their words, where `DIR` stands for the directory.
const TOOLS: [&str; 15] = [
    "put DIR key v",
    "get DIR key000000",
    "delete DIR key",
    "scan DIR",
    "shell DIR -c scan",
    "dump DIR out.rwdump",
    "load DIR t.tsv",
    "inspect DIR",
    "verify DIR",
    "repair DIR saved",
    "stats DIR",
    "stats DIR --prometheus",
    "doctor DIR",
    "bench --db=DIR --benchmarks=fillseq --num=10",
    "bench --db=DIR --benchmarks=readrandom --num=10 --use_existing_db",
];

/// What a directory is, and the code that each tool ends with there.
const DIRECTORIES: [(&str, [i32; TOOLS.len()]); 7] = [
    // A bench destroys no store that is not of its own making.
    ("healthy", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0]),
    // What writes makes a store there.
    ("empty", [0, 3, 3, 3, 3, 3, 0, 3, 3, 3, 3, 3, 0, 0, 3]),
    ("missing", [0, 3, 3, 3, 3, 3, 0, 3, 3, 3, 3, 3, 3, 0, 3]),
    // stats looks from outside.
    ("locked", [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 3, 3]),
    // What does not come to the damaged block works.
    ("damaged block", [0, 0, 0, 3, 3, 3, 0, 0, 4, 4, 0, 0, 0, 3, 0]),
    ("damaged manifest", [3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 3, 3, 0, 3, 3]),
    ("foreign", [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 3, 3]),
];

/// A store of some blocks.
fn fill(dir: &Path) {
    let db = ringwood::Options::new().memory(16 << 20).open(dir).unwrap();
    for i in 0..1000 {
        db.put_with(format!("key{i:06}"), [b'v'; 60], ringwood::Durability::None).unwrap();
    }
    db.flush().unwrap();
    db.close().unwrap();
}

fn make(what: &str, dir: &Path) {
    let flip = |ending: &str, at: usize| {
        let mut files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        let file = files.find(|p| p.to_string_lossy().contains(ending)).unwrap();
        let mut bytes = fs::read(&file).unwrap();
        bytes[at] ^= 0x40;
        fs::write(file, bytes).unwrap();
    };
    match what {
        "healthy" | "locked" => fill(dir),
        "empty" => fs::create_dir(dir).unwrap(),
        "missing" => {}
        "damaged block" => {
            fill(dir);
            flip(".sst", 3 * 4096 + 100);
        }
        "damaged manifest" => {
            fill(dir);
            flip("MANIFEST-", 10);
        }
        _ => {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("cat.jpg"), "meow").unwrap();
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn each_tool_has_a_sentence_and_a_code_for_each_directory() {
    std::thread::scope(|scope| {
        for (what, codes) in DIRECTORIES {
            scope.spawn(move || TOOLS.iter().zip(codes).for_each(|(tool, code)| check(what, tool, code)));
        }
    });
}

#[track_caller]
fn check(what: &str, tool: &str, code: i32) {
    let place = Place::new();
    let dir = place.join("dir");
    make(what, &dir);
    fs::write(place.join("t.tsv"), "a\t1\nb\t2\n").unwrap();
    let held = (what == "locked").then(|| ringwood::Db::open(&dir).unwrap());
    let before = names(&dir);
    let line = tool.replace("DIR", "dir");
    let words: Vec<&str> = ["--memory=16MiB"].into_iter().chain(line.split(' ')).collect();
    let ran = place.run(&words);
    assert_eq!(ran.code, code, "{tool}, {what}: {}{}", ran.err, String::from_utf8_lossy(&ran.out));
    if code == 0 {
        return;
    }
    let sentence = ran.err.lines().last().unwrap_or_default();
    assert!(sentence.starts_with("ringwood: ") && sentence.len() > 20, "{tool}, {what}: {:?}", ran.err);
    let all = ran.err.clone() + &String::from_utf8_lossy(&ran.out);
    assert!(all.contains("dir") && !all.contains("Error {"), "{tool}, {what}: {all}");
    assert_eq!(names(&dir), before, "{tool}, {what}: something was made or removed");
    assert!(code == 4 || !place.join("saved").exists(), "{tool}, {what}");
    assert!(!place.join("out.rwdump").exists(), "{tool}, {what}");
    drop(held);
}
