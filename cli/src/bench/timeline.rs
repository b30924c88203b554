//! How many operations a run had done when: few enough moments to plot, however long the run.

/// Moments that are kept at most; half of them go when they are so many.
const MOMENTS_MAX: usize = 240;

/// See the module documentation.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    /// Nanoseconds since the start, and operations of all threads.
    moments: Vec<(u64, u64)>,
    /// One moment in so many is kept.
    every: u32,
    left_out: u32,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { moments: Vec::new(), every: 1, left_out: 0 }
    }
}

impl Timeline {
    /// Takes a moment, which lies a fixed time after the last one, about.
    pub(crate) fn add(&mut self, ns: u64, done: u64) {
        self.left_out += 1;
        if self.left_out < self.every {
            return;
        }
        self.left_out = 0;
        self.moments.push((ns, done));
        if self.moments.len() >= MOMENTS_MAX {
            // Every second one stays, the last among them.
            let mut stays = self.moments.len().is_multiple_of(2);
            self.moments.retain(|_| {
                stays = !stays;
                stays
            });
            self.every *= 2;
        }
    }

    /// Seconds since the start, and operations a second since the moment before.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (f64, f64)> {
        let before = std::iter::once((0, 0)).chain(self.moments.iter().copied());
        self.moments.iter().zip(before).filter(|(now, before)| now.0 > before.0).map(|(now, before)| {
            let seconds = (now.0 - before.0) as f64 / 1e9;
            (now.0 as f64 / 1e9, now.1.saturating_sub(before.1) as f64 / seconds)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_thinned_and_their_rates_stay() {
        let mut timeline = Timeline::default();
        for i in 1..=10_000u64 {
            timeline.add(i * 1_000_000, i * 50);
            assert!(timeline.moments.len() < MOMENTS_MAX);
        }
        let rates: Vec<_> = timeline.rates().collect();
        assert!(rates.len() > MOMENTS_MAX / 3, "{}", rates.len());
        assert!(rates.iter().all(|(_, rate)| (rate - 50_000.0).abs() < 1.0), "{rates:?}");
        assert!(rates.last().unwrap().0 > 9.8);
        assert_eq!(Timeline::default().rates().count(), 0);
    }
}
