//! A row's figures for people.

use ringwood_plots::figures::digits;
pub(super) use ringwood_plots::figures::{bytes, nanos, ratio, short};

use crate::rows::Unit;

/// A figure of a row.
pub(super) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::PerSecond => short(value),
        Unit::MegabytesPerSecond => format!("{} MB/s", digits(value)),
        Unit::Millis => format!("{} ms", digits(value)),
    }
}
