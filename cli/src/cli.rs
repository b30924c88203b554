//! The command line: one table of commands and options, from which parser and help are made.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::flags::BenchArgs;
use crate::commands::generate::{self, GenerateArgs};
use crate::commands::repair::{self, RepairArgs};
use crate::commands::verify::{self, VerifyArgs};
use crate::escape::unescape;
use crate::inspect::InspectArgs;
use crate::shell::ShellArgs;
use crate::size::{parse_size, show_size};
use crate::span::SpanArgs;
use crate::stats::StatsArgs;
use crate::transfer::dump::{self, DumpArgs};
use crate::transfer::load::{self, LoadArgs};

const ABOUT: &str = "Ringwood: an ordered key-value store in a directory, every byte of it through io_uring";

const AFTER_HELP: &str = r"Keys and values are bytes, typed and shown by one rule: printable UTF-8 is itself;
\\ \n \t \r are backslash, newline, tab and carriage return; \xNN is the byte NN (hex).

Exit codes: 0 done, 1 key not found, 2 wrong command line, 3 the store or the system
failed the command, 4 damage found or something skipped, 130 stopped by Ctrl-C.

Examples:
  ringwood put data greeting 'hello, world'     make a store in ./data, put a key
  ringwood get data greeting                    hello, world
  ringwood scan data --prefix gre               greeting	hello, world
  ringwood data                                 a shell: Tab completes, help lists the commands
  ringwood doctor                               what this machine gives Ringwood
  ringwood bench                                watch it run on this disk for a minute";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "ringwood", version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The keyspace to work on, by the rule for bytes; `put` creates it [default: the store's own, called "default"]
    #[arg(long, global = true, value_name = "NAME", value_parser = name)]
    pub(crate) keyspace: Option<String>,
    /// Memory for cache, memtables and buffers together, as in 512MiB [default: from the machine]
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<u64>,
    /// How to reach the disk: uring, syscalls, or auto (io_uring, or system calls with a warning)
    #[arg(long, global = true, value_enum, default_value_t = Io::Auto, value_name = "WAY", hide_possible_values = true)]
    pub(crate) io: Io,
    /// Print JSON: one object, or one a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// How to reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    /// io_uring, or system calls with a warning where it is forbidden
    Auto,
    /// io_uring or an error
    Uring,
    /// preadv2, pwritev2 and fdatasync
    Syscalls,
}

/// How long a write lasts, once it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durable {
    /// On the device: survives a power cut
    Synced,
    /// With the kernel: survives the death of the process, not a power cut
    Buffered,
    /// In memory until the store is closed or flushes by itself
    None,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store a value under a key
    #[command(after_help = PUT_HELP)]
    Put(PutArgs),
    /// Print the value of a key
    #[command(after_help = GET_HELP)]
    Get(GetArgs),
    /// Remove a key
    #[command(after_help = DELETE_HELP)]
    Delete(DeleteArgs),
    /// List keys and values in order
    #[command(after_help = SCAN_HELP)]
    Scan(ScanArgs),
    /// Work on a store line by line: completion, history, batches, snapshots, scripts
    #[command(after_help = crate::shell::HELP)]
    Shell(ShellArgs),
    /// Write a store to a file: binary (all of it), TSV, CSV, JSON lines
    #[command(after_help = dump::HELP)]
    Dump(DumpArgs),
    /// Read entries from a file: a binary dump, TSV, CSV, JSON lines
    #[command(after_help = load::HELP)]
    Load(Box<LoadArgs>),
    /// Show the tree of a store, or decode one of its files
    #[command(after_help = crate::inspect::HELP)]
    Inspect(InspectArgs),
    /// Read everything and tell what is damaged and what that means
    #[command(after_help = verify::HELP)]
    Verify(VerifyArgs),
    /// Save what is whole of a damaged store into a new one
    #[command(after_help = repair::HELP)]
    Repair(RepairArgs),
    /// Show levels, cache, memory and I/O
    #[command(after_help = crate::stats::HELP)]
    Stats(StatsArgs),
    /// Tell what this machine and directory give Ringwood, and what to do about it
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Write man pages or shell completions
    #[command(after_help = generate::HELP)]
    Generate(GenerateArgs),
    /// Measure; without options, show what the store does on this disk in a minute at most
    Bench(Box<BenchArgs>),
}

const PUT_HELP: &str = r"Examples:
  ringwood put data user:1 'Ada Lovelace'
  ringwood put data 'key with a \x00 byte' 'two\nlines'
  ringwood put data picture - < picture.png     the value from standard input, byte for byte
  ringwood put data -- -key -value              after --, nothing is an option
A value that is a lone - is typed as \x2d.";

/// `put`
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// Directory of the store; made if it is not there
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// The key, by the rule for bytes
    #[arg(value_name = "KEY", value_parser = bytes(), allow_negative_numbers = true)]
    pub(crate) key: Bytes,
    /// The value, by the rule for bytes, or - for standard input
    #[arg(value_name = "VALUE", value_parser = input(), allow_negative_numbers = true)]
    pub(crate) value: Input,
    /// When to come back: synced (on the device), buffered (survives kill -9) or none (in memory)
    #[arg(long, value_enum, default_value_t = Durable::Synced, value_name = "LEVEL", hide_possible_values = true)]
    pub(crate) durability: Durable,
}

const GET_HELP: &str = r"Examples:
  ringwood get data user:1
  ringwood get --raw data picture > picture.png
  ringwood get data nobody || echo 'exit code 1: not there'";

/// `get`
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// The key, by the rule for bytes
    #[arg(value_name = "KEY", value_parser = bytes(), allow_negative_numbers = true)]
    pub(crate) key: Bytes,
    /// Write the value byte for byte, without escapes and without a newline after it
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
}

const DELETE_HELP: &str = r"Examples:
  ringwood delete data user:1
To remove a key that is not there is no error: the store does not look.";

/// `delete`
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// The key, by the rule for bytes
    #[arg(value_name = "KEY", value_parser = bytes(), allow_negative_numbers = true)]
    pub(crate) key: Bytes,
    /// When to come back: synced (on the device), buffered (survives kill -9) or none (in memory)
    #[arg(long, value_enum, default_value_t = Durable::Synced, value_name = "LEVEL", hide_possible_values = true)]
    pub(crate) durability: Durable,
}

const SCAN_HELP: &str = r#"Each line is a key, a tab and a value, by the rule for bytes: a tab is always the separator.

Examples:
  ringwood scan data --prefix user: --limit 10
  ringwood scan data --from 2024-01 --to 2025-01 --keys-only
  ringwood scan data --reverse --limit 1                 the last entry
  ringwood scan data --prefix user: --count
  ringwood scan data --json                              {"key":"user:1","value":"Ada Lovelace"}"#;

/// `scan`
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
    /// At most so many entries
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) limit: Option<u64>,
    /// From the last key to the first
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Print keys alone
    #[arg(long)]
    pub(crate) keys_only: bool,
    /// Print nothing but the number of entries
    #[arg(long, conflicts_with = "keys_only")]
    pub(crate) count: bool,
}

const DOCTOR_HELP: &str = r#"Exit codes: 0 if Ringwood can run there, with io_uring or with plain system calls (it says
which); 3 if it cannot.

Examples:
  ringwood doctor /var/lib/app
  ringwood doctor --json | jq '.findings[] | select(.level != "ok")'"#;

/// `doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The directory where a store is or would be
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
}

/// Bytes, typed by the rule of [`crate::escape`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

/// Bytes, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    Bytes(Vec<u8>),
}

pub(crate) fn bytes() -> impl TypedValueParser<Value = Bytes> {
    OsStringValueParser::new().try_map(|text| read_bytes(&text).map(Bytes))
}

fn input() -> impl TypedValueParser<Value = Input> {
    OsStringValueParser::new().try_map(|text| match text.as_encoded_bytes() {
        b"-" => Ok(Input::Stdin),
        _ => read_bytes(&text).map(Input::Bytes),
    })
}

fn read_bytes(text: &OsStr) -> Result<Vec<u8>, String> {
    unescape(text.as_encoded_bytes())
}

/// A keyspace's name, by the rule for bytes.
fn name(text: &str) -> Result<String, String> {
    String::from_utf8(unescape(text.as_bytes())?).map_err(|_| "a keyspace's name is UTF-8".into())
}

fn memory(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        bytes if bytes < ringwood::MEMORY_BYTES_MIN => {
            Err(format!("a store needs at least {} of memory", show_size(ringwood::MEMORY_BYTES_MIN as f64)))
        }
        bytes => Ok(bytes),
    }
}

/// A count, typed as one.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it is no whole number from 0 on".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_table_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn keys_are_read_by_the_rule() {
        let cli = Cli::try_parse_from(["ringwood", "put", "db", r"a\x00", "-", "--keyspace", "u"]).unwrap();
        assert_eq!(cli.global.keyspace.as_deref(), Some("u"));
        let Command::Put(put) = cli.command else { panic!("not a put") };
        assert_eq!((put.key, put.value), (Bytes(b"a\0".into()), Input::Stdin));
        assert!(Cli::try_parse_from(["ringwood", "get", "db", r"\q"]).is_err());
    }
}
