//! `ringwood dump` and `ringwood load`: a store to and from files.
//!
//! | module | what |
//! |---|---|
//! | [`dump`], [`load`] | the commands |
//! | [`binary`] | the form that holds a whole store; its page is `docs/format-dump.md` |
//! | [`text`] | tab-separated lines and JSON lines |
//! | [`table`] | CSV |
//! | [`feed`] | entries on their way into the store, and complaints |

mod binary;
pub(crate) mod dump;
mod feed;
pub(crate) mod load;
mod table;
mod text;

use std::path::Path;

use clap::ValueEnum;

/// How entries lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A whole store, all keyspaces, checksummed
    Binary,
    /// A key, a tab, a value, by the rule for bytes
    Tsv,
    /// Comma-separated values, bytes as they are
    Csv,
    /// An object a line
    Jsonl,
}

impl Format {
    /// By the ending of a file's name.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "rwdump" => Some(Self::Binary),
            "tsv" | "tab" => Some(Self::Tsv),
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}
