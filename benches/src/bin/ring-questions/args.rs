//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::questions::{ALL, Question};

/// Measures, on the disk of a directory, what decides how the store uses its rings.
#[derive(Debug, Parser)]
#[command(version, after_help = after_help())]
pub(crate) struct Args {
    /// Directory on the disk to measure; a temporary directory in it is made and removed
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Size of the file that is read: more than the device caches, if it can be
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..1 << 24))]
    pub(crate) file_mib: u64,
    /// Seconds for each question, about [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    seconds: Option<f64>,
    /// Fewer rounds, 3 seconds a question: to see that it runs, not to decide by
    #[arg(long)]
    pub(crate) quick: bool,
    /// One JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Only these questions, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = parse_name)]
    only: Vec<&'static str>,
}

impl Args {
    /// Seconds a question.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 3.0 } else { 10.0 })
    }

    /// Rounds a contest: odd, so that the median is a round that was.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 3 } else { 5 }
    }

    /// What is to be asked, in the order of the list.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &'static Question> + '_ {
        ALL.iter().filter(|q| self.only.is_empty() || self.only.contains(&q.name))
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_string())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("from 0.1 to 3600".into()) }
}

fn parse_name(text: &str) -> Result<&'static str, String> {
    let found = ALL.iter().find(|q| q.name == text).map(|q| q.name);
    found.ok_or_else(|| format!("the questions are {}", names().join(", ")))
}

fn names() -> Vec<&'static str> {
    ALL.iter().map(|q| q.name).collect()
}

fn after_help() -> String {
    let lines: Vec<String> = ALL.iter().map(|q| format!("  {:<9} {}", q.name, q.asks)).collect();
    format!("Questions:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_chosen_by_name() {
        let all = Args::try_parse_from(["ring-questions"]).unwrap();
        assert_eq!(all.questions().count(), ALL.len());
        let two = Args::try_parse_from(["ring-questions", "--only", "batch,wal"]).unwrap();
        assert_eq!(two.questions().map(|q| q.name).collect::<Vec<_>>(), ["wal", "batch"]);
        let error = Args::try_parse_from(["ring-questions", "--only", "wal,nonsense"]).unwrap_err();
        assert!(error.to_string().contains("the questions are wal, "), "{error}");
    }

    #[test]
    fn times_have_bounds() {
        for bad in ["0", "-1", "nan", "1e9", "x"] {
            assert!(Args::try_parse_from(["ring-questions", &format!("--seconds={bad}")]).is_err(), "{bad}");
        }
        let quick = Args::try_parse_from(["ring-questions", "--quick"]).unwrap();
        assert_eq!((quick.seconds(), quick.rounds()), (3.0, 3));
    }
}
