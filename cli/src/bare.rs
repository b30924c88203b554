//! `ringwood DB` means `ringwood shell DB`.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;

/// Puts `shell` before the first word of a line that is no option, if that is no command but a directory, or a path to none.
pub(crate) fn expand(mut args: Vec<OsString>, cli: &Command) -> Vec<OsString> {
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        let Some(flag) = arg.to_str().and_then(|a| a.strip_prefix('-')) else { break };
        let flag = flag.trim_start_matches('-');
        let takes_value = |a: &&clap::Arg| a.get_long() == Some(flag) && a.get_action().takes_values();
        at += if cli.get_arguments().any(|a| takes_value(&a)) { 2 } else { 1 };
    }
    let is_command = |word: &OsString| {
        word == "help" || cli.get_subcommands().any(|c| word.to_str() == Some(c.get_name()))
    };
    // What has a slash can be no command that was mistyped.
    let is_path = |word: &OsString| word.as_encoded_bytes().contains(&b'/') || Path::new(word).is_dir();
    if args.get(at).is_some_and(|word| !is_command(word) && is_path(word)) {
        args.insert(at, "shell".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn expanded(line: &str) -> String {
        let args = line.split(' ').map(OsString::from).collect();
        let args = expand(args, &crate::cli::Cli::command());
        args.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_directory_alone_is_a_shell() {
        assert_eq!(expanded("ringwood /tmp"), "ringwood shell /tmp");
        assert_eq!(expanded("ringwood --json /tmp -c x"), "ringwood --json shell /tmp -c x");
        assert_eq!(expanded("ringwood --memory 16m /tmp"), "ringwood --memory 16m shell /tmp");
        assert_eq!(expanded("ringwood --memory=16m /tmp"), "ringwood --memory=16m shell /tmp");
        assert_eq!(expanded("ringwood ./nosuch"), "ringwood shell ./nosuch");
        for line in
            ["ringwood scan /tmp", "ringwood help", "ringwood nosuch", "ringwood --version", "ringwood"]
        {
            assert_eq!(expanded(line), line);
        }
    }
}
