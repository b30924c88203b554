//! doctor tells what a directory gives, to people and to programs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Place;

#[test]
fn the_table_and_the_json_tell_the_same() {
    let place = Place::new();
    let table = place.run(&["doctor"]);
    assert!(table.ok().lines().any(|l| l.starts_with("Ringwood runs here")), "{}", table.text());
    let json = place.run(&["doctor", ".", "--json"]).json();
    assert_eq!(json.len(), 1);
    assert_eq!(json[0]["runs"], true);
    let rows = json[0]["rows"].as_array().unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        let field = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{name} of {row}"));
        assert!(["ok", "note", "degraded", "bad"].contains(&field("level")), "{row}");
        assert!(table.text().contains(field("name")), "{row}");
        assert!(!field("meaning").is_empty(), "{row}");
    }
    assert!(place.names().is_empty(), "it leaves nothing behind");
}
