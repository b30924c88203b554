//! From figures to places, with ticks.

/// Where figures lie between the ends of an axis, and which of them are written there.
#[derive(Debug, Clone)]
pub struct Scale {
    kind: Kind,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Linear,
    Log,
    /// Shares of a whole, each nine as wide as the one before it.
    Nines,
}

impl Kind {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.max(f64::MIN_POSITIVE).log10(),
            Self::Nines => -(1.0 - value).max(1e-9).log10(),
        }
    }
}

impl Scale {
    /// From 0 to `most` or a little beyond, with about five ticks at round figures.
    #[must_use]
    pub fn linear(most: f64, show: impl Fn(f64) -> String) -> Self {
        let most = if most > 0.0 && most.is_finite() { most } else { 1.0 };
        let power = 10f64.powf((most / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| most / step <= 5.0);
        let step = step.unwrap_or(most);
        let count = (most / step - 1e-9).ceil();
        let ticks = (0..=count as u32).map(|n| f64::from(n) * step).map(|at| (at, show(at))).collect();
        Self { kind: Kind::Linear, from: 0.0, to: count * step, ticks }
    }

    /// From the power of ten below `least` to the one above `most`, both positive, with a tick each.
    #[must_use]
    pub fn log(least: f64, most: f64, show: impl Fn(f64) -> String) -> Self {
        let (least, most) = (least.max(f64::MIN_POSITIVE), most.max(least).max(f64::MIN_POSITIVE));
        let first = least.log10().floor();
        let last = most.log10().ceil().max(first + 1.0);
        let powers = (first as i32)..=(last as i32);
        let ticks = powers.map(|power| 10f64.powi(power)).map(|at| (at, show(at))).collect();
        Self { kind: Kind::Log, from: first, to: last, ticks }
    }

    /// Shares from 0 to so many nines.
    #[must_use]
    pub fn nines(count: u32) -> Self {
        let share = |nines: u32| 1.0 - 10f64.powi(-(nines as i32));
        let ticks = [0.0, 0.5].into_iter().chain((1..=count).map(share));
        let ticks = ticks.map(|share| (share, format!("{} %", round(share * 100.0)))).collect();
        Self { kind: Kind::Nines, from: 0.0, to: f64::from(count), ticks }
    }

    /// Where a figure lies: 0 is the beginning of the axis, 1 its end. None lies outside.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        ((self.kind.place(value) - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Figures with their text, in order.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        self.ticks.iter().map(|(at, text)| (self.place(*at), text.as_str()))
    }
}

/// Without what binary fractions add.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(scale: &Scale) -> Vec<&str> {
        scale.ticks().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_hold_all_figures() {
        let scale = Scale::linear(870.0, |v| v.to_string());
        assert_eq!(ticks(&scale), ["0", "200", "400", "600", "800", "1000"]);
        assert_eq!((scale.place(0.0), scale.place(500.0), scale.place(2000.0)), (0.0, 0.5, 1.0));
        assert_eq!(ticks(&Scale::linear(5.0, |v| v.to_string())), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(ticks(&Scale::linear(0.0, |v| format!("{v:.1}"))).last(), Some(&"1.0"));
        let scale = Scale::log(30.0, 4000.0, |v| v.to_string());
        assert_eq!(ticks(&scale), ["10", "100", "1000", "10000"]);
        assert!((scale.place(1000.0) - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(ticks(&Scale::log(10.0, 10.0, |v| v.to_string())), ["10", "100"]);
        let scale = Scale::nines(4);
        assert_eq!(ticks(&scale), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert!((scale.place(0.99) - 0.5).abs() < 1e-9 && scale.place(1.0) == 1.0);
    }
}
