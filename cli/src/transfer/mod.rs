//! `ringwood dump` and `ringwood load`: a store to and from files.
//!
//! | module | what |
//! |---|---|
//! | [`dump`], [`load`] | the commands |
//! | [`binary`] | the form that holds a whole store; its page is `docs/format-dump.md` |
//! | [`text`], [`table`], [`json`] | parsers: tab-separated lines, CSV, JSON |
//! | [`cut`], [`piece`] | an input cut into pieces of whole records |
//! | [`pipeline`], [`parsed`] | pieces parsed by several threads, in order |
//! | [`target`], [`resume`] | entries on their way into the store; how far they came, for a load that is stopped |

mod binary;
mod cut;
pub(crate) mod dump;
mod json;
pub(crate) mod load;
mod parsed;
mod piece;
mod pipeline;
mod resume;
mod table;
mod target;
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
    /// One array or one object
    Json,
}

impl Format {
    /// By the ending of a file's name.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "rwdump" => Some(Self::Binary),
            "tsv" | "tab" => Some(Self::Tsv),
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}
