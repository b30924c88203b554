//! The guide's commands do what the guide says: each is run, in order, and its output compared.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

/// Commands of the page and what they print.
fn sessions(page: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => steps.push((command.into(), Vec::new())),
                None => steps.last_mut().unwrap().1.push(line.into()),
            },
            _ => {}
        }
    }
    steps
}

/// Whether a line is what the page shows; `…` stands for anything.
fn fits(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether the output is what the page shows; a line `…` stands for any number of lines.
fn all_fit(shown: &[String], lines: &[&str]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => (0..=lines.len()).any(|skip| all_fit(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, more)| fits(first, line) && all_fit(rest, more))
        }
    }
}

#[test]
fn the_guide_is_true() {
    let place = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_ringwood"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let steps = sessions(include_str!("../../docs/guide.md"));
    assert!(steps.len() > 30, "the page has lost its commands");
    for (command, shown) in steps {
        let line = format!("exec 2>&1; {command}");
        let mut run = Command::new("bash");
        run.args(["-c", &line]).current_dir(place.path()).env("PATH", &path);
        let output = run.env("NO_COLOR", "1").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert!(
            all_fit(&shown, &lines),
            "$ {command}\nthe guide shows:\n{}\nit is:\n{text}",
            shown.join("\n")
        );
    }
}

#[test]
fn what_the_page_leaves_open_fits() {
    assert!(fits("a … b …", "a 1 2 b c") && fits("a…", "a") && fits("same", "same"));
    assert!(!fits("a…b", "a") && !fits("same", "samex") && !fits("…x", "y"));
    let shown = ["a", "…", "z"].map(String::from);
    assert!(
        all_fit(&shown, &["a", "b", "c", "z"]) && all_fit(&shown, &["a", "z"]) && !all_fit(&shown, &["a"])
    );
}
