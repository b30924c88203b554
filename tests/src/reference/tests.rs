//! What the reference takes and what it refuses.

use super::*;

fn put(key: &str, value: &str) -> Change {
    Change { space: DEFAULT, key: key.into(), value: Some(value.into()) }
}

fn found(entries: &[(&str, &str)]) -> BTreeMap<String, Entries> {
    let entries = entries.iter().map(|(k, v)| (Bytes::from(*k), Bytes::from(*v))).collect();
    BTreeMap::from([("default".to_owned(), entries)])
}

fn three(durability: Durability) -> Reference {
    let mut reference = Reference::default();
    for (i, key) in ["a", "b", "a"].into_iter().enumerate() {
        reference.write(durability, &[put(key, &i.to_string())]);
    }
    reference
}

#[test]
fn any_prefix_may_be_found_and_nothing_else() {
    let reference = three(Durability::Buffered);
    for fine in [&[][..], &[("a", "0")], &[("a", "0"), ("b", "1")], &[("a", "2"), ("b", "1")]] {
        reference.clone().recover(Loss::Power, &found(fine)).unwrap();
    }
    for wrong in [&[("b", "1")][..], &[("a", "2")], &[("a", "0"), ("c", "1")], &[("a", "9")]] {
        reference.clone().recover(Loss::Power, &found(wrong)).unwrap_err();
    }
}

#[test]
fn what_was_acknowledged_must_be_found() {
    let mut reference = three(Durability::Buffered);
    reference.acknowledge(2);
    let first = found(&[("a", "0")]);
    reference.clone().recover(Loss::Power, &first).unwrap();
    assert!(reference.recover(Loss::Process, &first).unwrap_err().contains("lost"));
    let mut synced = three(Durability::Synced);
    synced.acknowledge(2);
    synced.clone().recover(Loss::Power, &first).unwrap_err();
    let recovered = synced.recover(Loss::Power, &found(&[("a", "0"), ("b", "1")])).unwrap();
    assert_eq!(recovered, Recovered { commits: 3, first: 2, last: 2 });
    assert_eq!(synced.now(), 0);
    // What was found is there for good.
    synced.recover(Loss::Power, &first).unwrap_err();
}

#[test]
fn unlogged_writes_stay_by_prefix_whatever_the_log_does() {
    let mut reference = Reference::default();
    reference.write(Durability::Buffered, &[put("a", "1")]);
    reference.write(Durability::None, &[put("b", "2"), put("c", "2")]);
    reference.write(Durability::None, &[put("d", "3")]);
    reference.write(Durability::Buffered, &[put("b", "4")]);
    for fine in [
        &[][..],
        &[("b", "2"), ("c", "2")],
        &[("a", "1"), ("b", "4")],
        &[("a", "1"), ("b", "4"), ("c", "2"), ("d", "3")],
    ] {
        reference.clone().recover(Loss::Power, &found(fine)).unwrap();
    }
    for wrong in [&[("b", "2")][..], &[("d", "3")], &[("b", "4")], &[("a", "1"), ("b", "4"), ("d", "3")]] {
        reference.clone().recover(Loss::Power, &found(wrong)).unwrap_err();
    }
    reference.flushed();
    reference.recover(Loss::Power, &found(&[("a", "1"), ("b", "4")])).unwrap_err();
}

#[test]
fn a_batch_is_whole_across_keyspaces() {
    let mut reference = Reference::default();
    let other = reference.creating("other");
    reference.created(other);
    let changes = [put("a", "1"), Change { space: other, key: b"x".to_vec(), value: Some(b"1".to_vec()) }];
    reference.write(Durability::Buffered, &changes);
    let torn = |a: &[(&str, &str)], x: &[(&str, &str)]| {
        let mut both = found(a);
        both.insert("other".into(), found(x).remove("default").unwrap());
        reference.clone().recover(Loss::Power, &both)
    };
    torn(&[], &[]).unwrap();
    torn(&[("a", "1")], &[("x", "1")]).unwrap();
    torn(&[("a", "1")], &[]).unwrap_err();
    torn(&[], &[("x", "1")]).unwrap_err();
}

#[test]
fn keyspaces_in_the_making_may_be_there_or_not() {
    let mut reference = Reference::default();
    let id = reference.creating("x");
    let with = |reference: &Reference| {
        let mut found = found(&[]);
        found.insert("x".into(), Entries::new());
        reference.clone().recover(Loss::Power, &found)
    };
    let without = |reference: &Reference| reference.clone().recover(Loss::Power, &found(&[]));
    with(&reference).unwrap();
    without(&reference).unwrap();
    reference.created(id);
    with(&reference).unwrap();
    without(&reference).unwrap_err();
    reference.dropping(id);
    with(&reference).unwrap();
    without(&reference).unwrap();
    reference.dropped(id);
    with(&reference).unwrap_err();
    without(&reference).unwrap();
}

#[test]
fn reads_are_as_of_a_commit() {
    let mut reference = three(Durability::Synced);
    reference.write(Durability::Synced, &[Change { space: DEFAULT, key: b"b".to_vec(), value: None }]);
    let all = |at| {
        let range = (Bound::Unbounded, Bound::Unbounded);
        reference.range(DEFAULT, at, range).map(|(_, v)| v[0]).collect::<Vec<u8>>()
    };
    assert_eq!([all(0), all(1), all(2), all(3), all(4)].map(|v| v.len()), [0, 1, 2, 2, 1]);
    assert_eq!(reference.get(DEFAULT, b"a", 2), Some(&b"0".to_vec()));
    assert_eq!(reference.get(DEFAULT, b"a", 3), Some(&b"2".to_vec()));
}
