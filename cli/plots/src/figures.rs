//! Figures for people: three digits.

/// With k and M.
#[must_use]
pub fn short(value: f64) -> String {
    match value {
        v if v >= 999_500.0 => format!("{}M", digits(v / 1e6)),
        v if v >= 999.5 => format!("{}k", digits(v / 1e3)),
        v => digits(v),
    }
}

/// As it is.
#[must_use]
pub fn digits(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A ratio.
#[must_use]
pub fn ratio(value: f64) -> String {
    format!("{}×", digits(value))
}

/// Bytes in the unit that fits.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{} {}", digits(value), UNITS[unit]) }
}

/// Nanoseconds in the unit that fits.
#[must_use]
pub fn nanos(ns: u64) -> String {
    match ns as f64 {
        ns if ns >= 999_500_000.0 => format!("{} s", digits(ns / 1e9)),
        ns if ns >= 999_500.0 => format!("{} ms", digits(ns / 1e6)),
        ns if ns >= 999.5 => format!("{} µs", digits(ns / 1e3)),
        ns => format!("{ns:.0} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        let shown: Vec<String> = [0.0, 1.234, 99.96, 999.6, 12_345.0, 999_499.0, 999_600.0, 12.3e6]
            .into_iter()
            .map(short)
            .collect();
        assert_eq!(shown, ["0.00", "1.23", "100", "1.00k", "12.3k", "999k", "1.00M", "12.3M"]);
        assert_eq!(
            (bytes(512), bytes(1 << 20), bytes(1000)),
            ("512 B".into(), "1.00 MiB".into(), "0.98 KiB".into())
        );
        assert_eq!(
            (nanos(900), nanos(1500), nanos(2_000_000)),
            ("900 ns".into(), "1.50 µs".into(), "2.00 ms".into())
        );
    }
}
