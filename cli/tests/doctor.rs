//! doctor tells what a directory gives, to people and to programs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Place;

#[test]
fn the_table_and_the_json_tell_the_same() {
    let place = Place::new();
    let table = place.run(&["doctor"]);
    let last = table.ok().lines().last().unwrap();
    assert!(last.starts_with("Ringwood runs there with "), "{}", table.text());
    let json = place.run(&["doctor", ".", "--json"]).json();
    assert_eq!((json.len(), &json[0]["runs"]), (1, &true.into()));
    let backend = json[0]["backend"].as_str().unwrap();
    assert!(["io_uring", "system calls"].contains(&backend) && last.contains(backend), "{backend}: {last}");
    let findings = json[0]["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    for finding in findings {
        let field = |name: &str| finding[name].as_str().unwrap_or_else(|| panic!("{name} of {finding}"));
        assert!(["ok", "warn", "bad"].contains(&field("level")), "{finding}");
        for word in [field("topic"), field("name")] {
            assert!(table.text().contains(word), "{word}: {finding}");
        }
        assert!(!field("meaning").is_empty(), "{finding}");
    }
    assert!(place.names().is_empty(), "it leaves nothing behind");
}

#[test]
fn a_directory_that_cannot_hold_a_store_is_code_3() {
    let place = Place::new();
    let ran = place.run(&["doctor", "nowhere"]);
    ran.fails(3, &["Ringwood cannot run there"]);
    assert!(ran.text().contains("nowhere"), "{}", ran.text());
    let json = place.run(&["doctor", "nowhere", "--json"]);
    let object: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!((json.code, &object["runs"]), (3, &false.into()));
    assert!(place.names().is_empty());
}
