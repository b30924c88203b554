//! Enumerations of what may go wrong, in their short form. The whole form is the command `ringwood-enumerate`.

use ringwood_tests::enumerate;

#[test]
fn the_nth_operation_fails() {
    let tally = enumerate::failures(23);
    assert!(tally.cases > 100 && tally.errors > 100, "{tally}");
}

#[test]
fn the_power_is_cut_after_the_nth_operation() {
    let tally = enumerate::cuts(29, 3, None);
    assert!(tally.cases > 30 && tally.whole > 4 * tally.cases, "{tally}");
}

#[test]
fn the_nth_write_to_a_table_is_a_lie() {
    let tally = enumerate::lies(5);
    assert!(tally.cases > 10 && tally.errors > 0, "{tally}");
}

#[test]
fn a_bit_is_flipped() {
    let tally = enumerate::flips(997);
    assert!(tally.cases > 200 && tally.errors > 20 && tally.whole > 20, "{tally}");
}

#[test]
fn a_file_is_cut() {
    let tally = enumerate::truncations(1499);
    assert!(tally.cases > 100 && tally.errors > 50, "{tally}");
}

#[test]
fn a_file_is_missing_or_another_one() {
    let tally = enumerate::exchanges();
    assert!(tally.cases > 30 && tally.errors > 20, "{tally}");
}
