//! Sizes on the command line: `4096`, `64KiB`, `512M`, `1.5g`.

/// Bytes that `text` stands for. Suffixes are powers of 1024, in any case: `k`, `m`, `g`, `t`, each with or without `b` or `ib`.
///
/// # Errors
/// A sentence, for anything else.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        other => return Err(format!("{other:?} is no unit; use k, m, g or t (powers of 1024)")),
    };
    let digits = digits.trim_end();
    if let Ok(whole) = digits.parse::<u64>() {
        let max = u64::MAX >> shift;
        return if whole <= max { Ok(whole << shift) } else { Err("the size is too large".into()) };
    }
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match digits.parse::<f64>() {
        Ok(size) if plain && shift > 0 && size * (1u64 << shift) as f64 <= (u64::MAX / 2) as f64 => {
            Ok((size * (1u64 << shift) as f64) as u64)
        }
        _ => Err("a size is a number of bytes, or a number with a unit, as in 64MiB".into()),
    }
}

/// A size for people: `1.5 GiB`, `40 KiB`, `17 B`.
pub(crate) fn show_size(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(size.fract() > 0.05 && size < 100.0);
    format!("{size:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65536),
            ("512M", 512 << 20),
            ("1.5g", 3 << 29),
            ("2 TB", 2 << 40),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "x", "12q", "-1", "1.5", "99999999999999999999", "20000000t", "nanm", "1e9g"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        assert_eq!(show_size(17.0), "17 B");
        assert_eq!(show_size(40960.0), "40 KiB");
        assert_eq!(show_size(1.5 * (1u64 << 30) as f64), "1.5 GiB");
    }
}
