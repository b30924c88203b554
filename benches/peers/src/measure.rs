//! What was measured, in one round and over all.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Latencies of single calls, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Latency {
    /// `None` if nothing was timed.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max(),
        })
    }
}

/// One row of one engine in one round.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measure {
    /// What was done: puts, keys asked for, entries.
    pub(crate) ops: u64,
    pub(crate) seconds: f64,
    /// In the row's unit.
    pub(crate) value: f64,
    pub(crate) latency: Option<Latency>,
    pub(crate) rss_peak_bytes: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) written_bytes: u64,
    pub(crate) disk_bytes: u64,
    /// Bytes of keys and values that were put; 0 where that is not counted.
    pub(crate) user_bytes: u64,
    /// Longest time without any progress, where it is watched.
    pub(crate) pause_ms: Option<f64>,
    /// Operations of the slowest second, where it is watched.
    pub(crate) slowest_second: Option<u64>,
    /// What the figure needs to be read with.
    pub(crate) notes: Vec<String>,
}

impl Measure {
    /// Bytes written for each byte put.
    pub(crate) fn write_amplification(&self) -> Option<f64> {
        (self.user_bytes > 0).then(|| self.written_bytes as f64 / self.user_bytes as f64)
    }
}

/// What a child says, one JSON object a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Message {
    /// A row begins.
    Begins {
        row: String,
    },
    Measured {
        row: String,
        measure: Measure,
    },
    Failed {
        row: String,
        why: String,
    },
}

/// Middle and ends of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_and_the_ends() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    }

    #[test]
    fn messages_survive_their_way() {
        let measure = Measure { ops: 3, value: 1.5, notes: vec!["cut".into()], ..Measure::default() };
        let line =
            serde_json::to_string(&Message::Measured { row: "x".into(), measure: measure.clone() }).unwrap();
        let Message::Measured { row, measure: back } = serde_json::from_str(&line).unwrap() else {
            panic!("{line}");
        };
        assert_eq!((row.as_str(), back), ("x", measure));
    }

    #[test]
    fn amplification_is_of_what_was_put() {
        let measure = Measure { written_bytes: 300, user_bytes: 100, ..Measure::default() };
        assert_eq!(measure.write_amplification(), Some(3.0));
        assert_eq!(Measure { user_bytes: 0, ..measure }.write_amplification(), None);
    }
}
