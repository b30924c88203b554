//! Names of the log's files. Every other name in the directory is somebody else's.

use std::path::{Path, PathBuf};

/// Segments that were released and wait to be used again. Two, so that it does no harm if one is wanted just before the next is released.
pub(crate) const SPARES: [&str; 2] = ["spare-0.log", "spare-1.log"];
/// A new file that is to become a segment.
pub(crate) const SPARE_TMP: &str = "spare.tmp";
/// The staging ring.
pub(crate) const STAGING: &str = "staging.map";
/// A staging ring that is being pre-written.
pub(crate) const STAGING_TMP: &str = "staging.tmp";

/// Largest number of a segment; a name with a larger one is not ours.
pub(crate) const NUMBER_MAX: u64 = 1 << 56;

/// The file of segment `number`.
pub(crate) fn segment(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}

/// The number of a segment's file name; `None` for every other name.
pub(crate) fn segment_number(name: &Path) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(".log")?;
    let plain = digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    // "00000000001.log" would be a second name for segment 1.
    let canonical = digits.len() == 10 || !digits.starts_with('0');
    (plain && canonical).then(|| digits.parse().ok())?.filter(|&number| number <= NUMBER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_strangers_are_left_alone() {
        for number in [0, 1, 9_999_999_999, 10_000_000_000, NUMBER_MAX] {
            let path = segment(Path::new("d"), number);
            assert_eq!(segment_number(Path::new(path.file_name().unwrap())), Some(number));
        }
        for name in [
            "spare.log",
            "1.log",
            "0000000001.sst",
            "00000000001.log",
            "+000000001.log",
            "99999999999999999999.log",
            "18446744073709551615.log",
        ] {
            assert_eq!(segment_number(Path::new(name)), None, "{name}");
        }
    }
}
