//! The one table of the shell's commands: `help`, completion, hints and the page in `docs/` are made from it.

use super::session::Session;
use super::words::Word;
use super::{batch, data, keyspaces, settings, snapshots};
use crate::failure::Result;
use crate::out::Out;

/// What a word of a command is, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A key of the keyspace in use.
    Key,
    /// A keyspace.
    Keyspace,
    /// A snapshot that was taken.
    Snapshot,
    /// A command.
    Command,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Anything.
    Any,
}

/// A command: its words (at least and at most so many besides the name), and what runs it.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Its words, as `help` and hints show them.
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    pub(crate) words: (usize, usize),
    /// What the words are; the last holds for all further ones.
    pub(crate) takes: &'static [Takes],
    /// Options and, of those that take a value, its name.
    pub(crate) options: &'static [(&'static str, Option<&'static str>)],
    pub(crate) examples: &'static [(&'static str, &'static str)],
    pub(crate) run: fn(&mut Session, &Call<'_>, &mut Out) -> Result<()>,
}

/// A command as it was typed: its words without name and options, and the options.
pub(crate) struct Call<'a> {
    pub(crate) words: Vec<&'a [u8]>,
    pub(crate) options: Vec<(&'static str, Option<&'a Word>)>,
}

impl Call<'_> {
    /// Whether an option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(n, _)| *n == name)
    }

    /// The bytes of an option's value; the last one counts.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        let found = self.options.iter().rev().find(|(n, _)| *n == name);
        found.and_then(|(_, value)| value.map(|w| &w.bytes[..]))
    }

    /// Word `i` as text.
    pub(crate) fn text(&self, i: usize) -> String {
        self.words.get(i).map(|w| crate::escape::escape(w)).unwrap_or_default()
    }
}

const ANY: usize = usize::MAX;
const MODES: &[&str] = &["table", "plain", "json", "hex"];
const SWITCH: &[&str] = &["on", "off"];

/// All commands, in the order in which `help` lists them.
pub(crate) const COMMANDS: &[Spec] = &[
    Spec {
        name: "put",
        usage: "KEY VALUE",
        about: "store a value under a key",
        words: (2, 2),
        takes: &[Takes::Key, Takes::Any],
        options: &[],
        examples: &[
            ("put user:1 'Ada Lovelace'", "quotes around what has blanks"),
            (r"put 'a \x00 byte' two\nlines", "any byte, by the rule"),
        ],
        run: data::put,
    },
    Spec {
        name: "get",
        usage: "KEY",
        about: "show the value of a key",
        words: (1, 1),
        takes: &[Takes::Key],
        options: &[],
        examples: &[("get user:1", "")],
        run: data::get,
    },
    Spec {
        name: "mget",
        usage: "KEY...",
        about: "show the values of several keys, read together",
        words: (1, ANY),
        takes: &[Takes::Key],
        options: &[],
        examples: &[("mget user:1 user:2", "")],
        run: data::mget,
    },
    Spec {
        name: "delete",
        usage: "KEY...",
        about: "remove keys",
        words: (1, ANY),
        takes: &[Takes::Key],
        options: &[],
        examples: &[("delete user:1 user:2", "all or none of them")],
        run: data::delete,
    },
    Spec {
        name: "scan",
        usage: "[PREFIX] [--from KEY] [--to KEY] [--limit N] [--reverse] [--keys] [--count]",
        about: "show keys and values in order",
        words: (0, 1),
        takes: &[Takes::Key],
        options: &[
            ("--from", Some("KEY")),
            ("--to", Some("KEY")),
            ("--limit", Some("N")),
            ("--reverse", None),
            ("--keys", None),
            ("--count", None),
        ],
        examples: &[
            ("scan user: --limit 10", "the first ten whose keys begin so"),
            ("scan --from 2024-01 --to 2025-01 --keys", "from a key on, and before another one"),
            ("scan --reverse --limit 1", "the last one"),
            ("scan user: --count", "how many"),
        ],
        run: data::scan,
    },
    Spec {
        name: "begin",
        usage: "",
        about: "start a batch: puts and deletes are gathered until commit; reads do not see them",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("begin; put a 1; delete b; commit", "all of it or nothing")],
        run: batch::begin,
    },
    Spec {
        name: "commit",
        usage: "",
        about: "write the batch: all of it or nothing",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("commit", "")],
        run: batch::commit,
    },
    Spec {
        name: "discard",
        usage: "",
        about: "forget the batch",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("discard", "")],
        run: batch::discard,
    },
    Spec {
        name: "keyspaces",
        usage: "",
        about: "list the keyspaces",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("keyspaces", "")],
        run: keyspaces::list,
    },
    Spec {
        name: "use",
        usage: "KEYSPACE",
        about: "work on another keyspace",
        words: (1, 1),
        takes: &[Takes::Keyspace],
        options: &[],
        examples: &[("use users", ""), ("use default", "back to the store's own")],
        run: keyspaces::use_it,
    },
    Spec {
        name: "create",
        usage: "KEYSPACE",
        about: "make a keyspace",
        words: (1, 1),
        takes: &[Takes::Any],
        options: &[],
        examples: &[("create users; use users", "")],
        run: keyspaces::create,
    },
    Spec {
        name: "drop",
        usage: "KEYSPACE",
        about: "remove a keyspace and all that is in it, at once",
        words: (1, 1),
        takes: &[Takes::Keyspace],
        options: &[],
        examples: &[("drop users", "")],
        run: keyspaces::drop_it,
    },
    Spec {
        name: "snapshot",
        usage: "NAME",
        about: "take a snapshot of the whole store under a name",
        words: (1, 1),
        takes: &[Takes::Any],
        options: &[],
        examples: &[("snapshot before; put a 2; at before; get a", "the value that a had")],
        run: snapshots::take,
    },
    Spec {
        name: "snapshots",
        usage: "",
        about: "list the snapshots",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("snapshots", "")],
        run: snapshots::list,
    },
    Spec {
        name: "at",
        usage: "SNAPSHOT|now",
        about: "read as of a snapshot, or again as of now",
        words: (1, 1),
        takes: &[Takes::Snapshot],
        options: &[],
        examples: &[("at before", ""), ("at now", "")],
        run: snapshots::at,
    },
    Spec {
        name: "release",
        usage: "SNAPSHOT",
        about: "let a snapshot go, so that compaction may drop what it held",
        words: (1, 1),
        takes: &[Takes::Snapshot],
        options: &[],
        examples: &[("release before", "")],
        run: snapshots::release,
    },
    Spec {
        name: "flush",
        usage: "",
        about: "write what is in memory to tables",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("flush", "")],
        run: settings::flush,
    },
    Spec {
        name: "compact",
        usage: "",
        about: "merge all tables into the last level",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("compact", "")],
        run: settings::compact,
    },
    Spec {
        name: "stats",
        usage: "",
        about: "show levels, cache, memory and I/O",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("stats", "")],
        run: settings::stats,
    },
    Spec {
        name: "timing",
        usage: "on|off",
        about: "tell after each command how long it took",
        words: (1, 1),
        takes: &[Takes::Words(SWITCH)],
        options: &[],
        examples: &[("timing on", "")],
        run: settings::timing,
    },
    Spec {
        name: "mode",
        usage: "table|plain|json|hex",
        about: "choose how entries are shown; without a word, tell",
        words: (0, 1),
        takes: &[Takes::Words(MODES)],
        options: &[],
        examples: &[
            ("mode table", "columns, long values cut to the terminal"),
            ("mode plain", "key, tab, value"),
            ("mode json", "an object a line"),
            ("mode hex", r"as plain, every byte as \xNN"),
        ],
        run: settings::mode,
    },
    Spec {
        name: "page",
        usage: "on|off",
        about: "stop after each screenful (on a terminal)",
        words: (1, 1),
        takes: &[Takes::Words(SWITCH)],
        options: &[],
        examples: &[("page off", "")],
        run: settings::page,
    },
    Spec {
        name: "help",
        usage: "[COMMAND]",
        about: "list the commands, or show one with examples",
        words: (0, 1),
        takes: &[Takes::Command],
        options: &[],
        examples: &[("help scan", "")],
        run: settings::help,
    },
    Spec {
        name: "quit",
        usage: "",
        about: "leave (so does Ctrl-D)",
        words: (0, 0),
        takes: &[],
        options: &[],
        examples: &[("quit", "")],
        run: settings::quit,
    },
];

/// The command of this name.
pub(crate) fn find(name: &str) -> Option<&'static Spec> {
    COMMANDS.iter().find(|spec| spec.name == name)
}

/// What `help` says of all commands.
pub(crate) fn overview() -> String {
    let mut text = String::new();
    for spec in COMMANDS {
        let usage = if spec.options.is_empty() { spec.usage } else { "[PREFIX] [OPTION...]" };
        let call = format!("{} {usage}", spec.name);
        text.push_str(&format!("{call:<28}  {}\n", spec.about));
    }
    text.push_str(
        "\n`help COMMAND` has examples. Words are separated by blanks, commands by `;` or lines.\n",
    );
    text.push_str(r#"Quotes, ' or ", keep blanks; \\ \n \t \r \xNN stand for bytes, quoted or not."#);
    text
}

/// What `help` says of one.
pub(crate) fn details(spec: &Spec) -> String {
    let mut text = format!("{} {}\n  {}\n", spec.name, spec.usage, spec.about);
    let width = spec.examples.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    text.push_str("examples:");
    for (line, about) in spec.examples {
        let line = format!("  {line:<width$}  {about}");
        text.push('\n');
        text.push_str(line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::words;

    /// The table as the page shows it.
    fn markdown() -> String {
        let mut text = String::from("| command | what it does |\n|---|---|\n");
        for spec in COMMANDS {
            let call = format!("{} {}", spec.name, spec.usage).replace('|', "\\|");
            text.push_str(&format!("| `{}` | {} |\n", call.trim_end(), spec.about));
        }
        text
    }

    #[test]
    fn the_page_has_the_table() {
        let page = include_str!("../../../docs/cli.md");
        assert!(page.contains(&markdown()), "docs/cli.md must hold this table:\n{}", markdown());
    }

    #[test]
    fn the_table_is_sound() {
        for (i, spec) in COMMANDS.iter().enumerate() {
            assert!(COMMANDS[..i].iter().all(|s| s.name != spec.name), "{} is there twice", spec.name);
            assert!(!spec.examples.is_empty() && spec.words.0 <= spec.words.1, "{}", spec.name);
            assert!(spec.words.1 == 0 || !spec.takes.is_empty(), "{}", spec.name);
            for (line, _) in spec.examples {
                let commands = words::parse(line).unwrap();
                assert!(commands.iter().any(|c| c[0].text() == spec.name), "{line}");
                assert!(commands.iter().all(|c| find(&c[0].text()).is_some()), "{line}");
            }
            for (option, _) in spec.options {
                assert!(spec.usage.contains(option), "{option}");
            }
        }
    }
}
