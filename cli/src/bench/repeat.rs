//! db_bench's summary of a benchmark that ran several times.

/// Rates of the runs so far.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    ops: Vec<f64>,
    megabytes: Vec<f64>,
}

impl Repeats {
    /// Adds a run.
    pub(crate) fn add(&mut self, ops_per_second: f64, megabytes_per_second: Option<f64>) {
        self.ops.push(ops_per_second);
        self.megabytes.extend(megabytes_per_second);
    }

    /// The line after a run; `None` after the first.
    pub(crate) fn line(&self, name: &str, interval_only: bool) -> Option<String> {
        if self.ops.len() < 2 {
            return None;
        }
        let runs = self.ops.len();
        let (mean, error) = (mean(&self.ops), confidence(&self.ops));
        let bytes = self.bytes().map(|b| (self::mean(b), confidence(b)));
        Some(if interval_only {
            let (low, high) = ((mean - error) as i64, (mean + error) as i64);
            let rate = bytes.map(|(m, e)| format!("; ({:.1}, {:.1}) MB/sec", m - e, m + e));
            format!("{name} [CI95 {runs} runs] : ({low}, {high}) ops/sec{}", rate.unwrap_or_default())
        } else {
            let rate = bytes.map(|(m, e)| format!("; {m:>6.1} (\u{b1} {e:.1}) MB/sec"));
            let (mean, error) = (mean as i64, error as i64);
            format!("{name} [AVG {runs} runs] : {mean} (\u{b1} {error}) ops/sec{}", rate.unwrap_or_default())
        })
    }

    /// The lines after the last run; none after a single one.
    pub(crate) fn last_lines(&self, name: &str) -> Vec<String> {
        if self.ops.len() < 2 {
            return Vec::new();
        }
        let runs = self.ops.len();
        let (mean, error) = (mean(&self.ops), confidence(&self.ops));
        let per_op = if mean > 0.0 { 1000.0 / mean } else { 0.0 };
        let bytes = self.bytes();
        let average = bytes.map(|b| format!("; {:>6.1} (\u{b1} {:.1}) MB/sec", self::mean(b), confidence(b)));
        let middle = bytes.map(|b| format!("; {:>6.1} MB/sec", median(b)));
        let (mean, error, median) = (mean as i64, error as i64, median(&self.ops) as i64);
        vec![
            String::new(),
            format!(
                "{name} [AVG    {runs} runs] : {mean} (\u{b1} {error}) ops/sec; {per_op:.3} ms/op{}",
                average.unwrap_or_default()
            ),
            format!("{name} [MEDIAN {runs} runs] : {median} ops/sec{}", middle.unwrap_or_default()),
        ]
    }

    /// Megabytes a second, if every run had them.
    fn bytes(&self) -> Option<&[f64]> {
        (self.megabytes.len() == self.ops.len()).then_some(&self.megabytes)
    }
}

fn mean(data: &[f64]) -> f64 {
    data.iter().sum::<f64>() / data.len() as f64
}

/// Half the width of the 95 % interval of the mean, taking the samples as normal.
fn confidence(data: &[f64]) -> f64 {
    const Z_97_5: f64 = 1.959_964;
    let mean = mean(data);
    let squares: f64 = data.iter().map(|x| (x - mean).powi(2)).sum();
    let deviation = (squares / (data.len() - 1) as f64).sqrt();
    Z_97_5 * deviation / (data.len() as f64).sqrt()
}

fn median(data: &[f64]) -> f64 {
    let mut sorted = data.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_summed_up_as_in_db_bench() {
        let mut repeats = Repeats::default();
        repeats.add(100.0, Some(1.0));
        assert_eq!(repeats.line("x", false), None);
        repeats.add(200.0, Some(2.0));
        repeats.add(600.0, Some(6.0));
        assert_eq!(
            repeats.line("x", false).unwrap(),
            "x [AVG 3 runs] : 300 (± 299) ops/sec;    3.0 (± 3.0) MB/sec"
        );
        assert_eq!(repeats.line("x", true).unwrap(), "x [CI95 3 runs] : (0, 599) ops/sec; (0.0, 6.0) MB/sec");
        let last = repeats.last_lines("x");
        assert_eq!(last[1], "x [AVG    3 runs] : 300 (± 299) ops/sec; 3.333 ms/op;    3.0 (± 3.0) MB/sec");
        assert_eq!(last[2], "x [MEDIAN 3 runs] : 200 ops/sec;    2.0 MB/sec");
    }
}
