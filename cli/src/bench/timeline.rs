//! The course of a run: few enough moments to plot, however long it is.

/// Moments that are kept at most; half of them go when they are so many.
const MOMENTS_MAX: usize = 240;

/// What was so at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moment {
    /// Nanoseconds since the start.
    pub(crate) ns: u64,
    /// Operations of all threads since the start.
    pub(crate) done: u64,
    /// The slowest of the calls that were timed and have ended since the moment before.
    pub(crate) slowest_ns: u64,
    /// Bytes that flushes have written since the start.
    pub(crate) flush_bytes: u64,
    /// And compactions.
    pub(crate) compaction_bytes: u64,
}

/// See the module documentation.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    moments: Vec<Moment>,
    /// One moment in so many is kept.
    every: u32,
    left_out: u32,
    /// The slowest call since the last moment that was kept.
    slowest_ns: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { moments: Vec::new(), every: 1, left_out: 0, slowest_ns: 0 }
    }
}

impl Timeline {
    /// Takes a moment, which lies a fixed time after the last one, about.
    pub(crate) fn add(&mut self, moment: Moment) {
        self.left_out += 1;
        self.slowest_ns = self.slowest_ns.max(moment.slowest_ns);
        if self.left_out < self.every {
            return;
        }
        self.left_out = 0;
        let slowest_ns = std::mem::take(&mut self.slowest_ns);
        self.moments.push(Moment { slowest_ns, ..moment });
        if self.moments.len() >= MOMENTS_MAX {
            // Every second one stays, the last among them.
            let first = self.moments.len() % 2;
            let (alone, pairs) = self.moments.split_at(first);
            let merged = pairs
                .chunks(2)
                .map(|pair| Moment { slowest_ns: pair[0].slowest_ns.max(pair[1].slowest_ns), ..pair[1] });
            self.moments = alone.iter().copied().chain(merged).collect();
            self.every *= 2;
        }
    }

    /// Seconds since the start, and operations a second since the moment before.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (f64, f64)> {
        self.steps().map(|(before, now)| {
            let seconds = (now.ns - before.ns) as f64 / 1e9;
            (now.seconds(), now.done.saturating_sub(before.done) as f64 / seconds)
        })
    }

    /// Seconds since the start, and microseconds of the slowest call since the moment before; nothing where none was timed.
    pub(crate) fn slowest(&self) -> impl Iterator<Item = (f64, f64)> {
        let timed = self.moments.iter().filter(|moment| moment.slowest_ns > 0);
        timed.map(|moment| (moment.seconds(), moment.slowest_ns as f64 / 1e3))
    }

    /// From when to when, in seconds since the start, flushes wrote.
    pub(crate) fn flushes(&self) -> Vec<(f64, f64)> {
        self.spans(|moment| moment.flush_bytes)
    }

    /// The same of compactions.
    pub(crate) fn compactions(&self) -> Vec<(f64, f64)> {
        self.spans(|moment| moment.compaction_bytes)
    }

    fn spans(&self, bytes: impl Fn(&Moment) -> u64) -> Vec<(f64, f64)> {
        let mut spans: Vec<(f64, f64)> = Vec::new();
        for (before, now) in self.steps().filter(|(before, now)| bytes(now) > bytes(before)) {
            match spans.last_mut().filter(|span| span.1 >= before.seconds()) {
                Some(span) => span.1 = now.seconds(),
                None => spans.push((before.seconds(), now.seconds())),
            }
        }
        spans
    }

    /// Each moment behind the one before it.
    fn steps(&self) -> impl Iterator<Item = (Moment, Moment)> {
        let before = std::iter::once(Moment::default()).chain(self.moments.iter().copied());
        before.zip(self.moments.iter().copied()).filter(|(before, now)| now.ns > before.ns)
    }
}

impl Moment {
    fn seconds(&self) -> f64 {
        self.ns as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_thinned_and_their_rates_stay() {
        let mut timeline = Timeline::default();
        for i in 1..=10_000u64 {
            let (ns, done) = (i * 1_000_000, i * 50);
            timeline.add(Moment { ns, done, ..Moment::default() });
            assert!(timeline.moments.len() < MOMENTS_MAX);
        }
        let rates: Vec<_> = timeline.rates().collect();
        assert!(rates.len() > MOMENTS_MAX / 3, "{}", rates.len());
        assert!(rates.iter().all(|(_, rate)| (rate - 50_000.0).abs() < 1.0), "{rates:?}");
        assert!(rates.last().unwrap().0 > 9.8);
        assert_eq!(Timeline::default().rates().count(), 0);
    }

    #[test]
    fn no_slow_call_is_thinned_out() {
        for slow in [1, 2, 3, 4711, 9998, 9999] {
            let mut timeline = Timeline::default();
            for i in 1..=10_000u64 {
                let slowest_ns = if i == slow { 5_000_000 } else { 1000 };
                timeline.add(Moment { ns: i * 1_000_000, slowest_ns, ..Moment::default() });
            }
            let slowest: Vec<_> = timeline.slowest().filter(|(_, us)| *us > 1.0).collect();
            let at = slow as f64 / 1e3;
            // The last few may be waiting for the moment that is kept.
            assert!(slowest.len() == 1 || at > 9.9, "{slow}: {slowest:?}");
            assert!(
                slowest.iter().all(|(s, us)| (at..at + 0.1).contains(s) && *us == 5000.0),
                "{slow}: {slowest:?}"
            );
        }
    }

    #[test]
    fn spans_are_where_bytes_were_written() {
        let mut timeline = Timeline::default();
        for (i, bytes) in [0, 0, 7, 9, 9, 9, 12].into_iter().enumerate() {
            let ns = (i as u64 + 1) * 1_000_000_000;
            timeline.add(Moment { ns, flush_bytes: bytes, ..Moment::default() });
        }
        assert_eq!(timeline.flushes(), [(2.0, 4.0), (6.0, 7.0)]);
        assert!(timeline.compactions().is_empty() && timeline.slowest().next().is_none());
    }
}
