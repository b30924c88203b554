//! Which run: everything that decides what happens in it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ringwood_ring::FaultPlan;

use super::mode::Mode;

/// A run. The same plan gives the same run, bit for bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What kind of faults.
    pub mode: Mode,
    /// Decides all else.
    pub seed: u64,
    /// Operations that are made, of those that the seed has; `None` is all of them.
    pub only: Option<Operations>,
    /// In [`Mode::Exact`]: the one thing that goes wrong.
    pub exact: Option<Exact>,
    /// Keeps the disk's last events, for a failure to print.
    pub traced: bool,
    /// A directory of the real disk: images are opened and compared there as well, through the kernel.
    pub kernel: Option<PathBuf>,
}

/// The one thing that goes wrong in an enumerated run, from the first operation on the empty disk on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exact {
    /// An operation of the disk fails.
    Fault(FaultPlan),
    /// The process dies after so many operations of the disk; so many images of that moment are checked, besides the disk itself.
    Cut {
        /// Operations.
        after: u64,
        /// Images.
        images: u64,
    },
}

impl Plan {
    /// The whole run of a seed.
    #[must_use]
    pub fn new(mode: Mode, seed: u64) -> Self {
        Self { mode, seed, only: None, exact: None, traced: false, kernel: None }
    }

    /// The same run with these operations alone.
    #[must_use]
    pub fn only(&self, operations: Operations) -> Self {
        Self { only: Some(operations), ..self.clone() }
    }
}

impl fmt::Display for Plan {
    /// The arguments of `ringwood-sim` that run it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--mode {} --replay {}", self.mode.name(), self.seed)?;
        if let Some(only) = &self.only {
            write!(f, " --only {only}")?;
        }
        self.kernel.as_ref().map_or(Ok(()), |dir| write!(f, " --kernel {}", dir.display()))
    }
}

/// Numbers of operations, ascending. As text: `0-12,15`, the ends included; `none` is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Operations(pub Vec<u64>);

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let runs = self.0.chunk_by(|a, b| a + 1 == *b);
        for (i, run) in runs.enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match run {
                [one] => write!(f, "{comma}{one}")?,
                _ => write!(f, "{comma}{}-{}", run[0], run[run.len() - 1])?,
            }
        }
        Ok(())
    }
}

impl FromStr for Operations {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |s: &str| s.parse::<u64>().map_err(|e| format!("{part:?}: {e}"));
            let (first, last) = (number(first)?, number(last)?);
            if last - first.min(last) > 1 << 20 || first > last || numbers.last().is_some_and(|n| *n >= first)
            {
                return Err(format!("{part:?} is no range after the one before"));
            }
            numbers.extend(first..=last);
        }
        Ok(Self(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::Operations;

    #[test]
    fn operations_are_written_as_they_are_read() {
        for text in ["none", "0", "0-12,15", "3,5-6,100"] {
            assert_eq!(text.parse::<Operations>().unwrap().to_string(), text);
        }
        assert_eq!("1-3".parse::<Operations>().unwrap().0, [1, 2, 3]);
        for bad in ["", "x", "5-3", "3,2", "1-1,1"] {
            bad.parse::<Operations>().unwrap_err();
        }
    }
}
