//! The demonstration, on a small scale.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Place;

#[test]
fn it_tells_a_story_and_leaves_nothing_behind() {
    let place = Place::new();
    let ran = place.run(&["bench", "--demo_num", "20000"]);
    let text = ran.ok();
    for word in
        ["I/O path", "put, random order, buffered", "put, synced, 16 threads", "get, hot", "get, cold"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    for word in ["64 keys a call", "seek + 100 next", "scan from the first key", "- filling wrote"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn it_speaks_json() {
    let place = Place::new();
    let steps = place.run(&["bench", "--json", "--demo_num=5000", "--memory=32MiB"]).json();
    assert_eq!(steps.len(), 8);
    assert!(steps.iter().all(|s| s["ops_per_sec"].as_f64().unwrap() > 0.0 && s["workload"].is_string()));
    let found = &steps[4]["counts"];
    assert_eq!(found["found"], found["asked"], "every key was written");
    assert!(place.names().is_empty());
}
