//! Runs of benchmarks, as pages keep them.

use std::path::Path;

use serde_json::{Value, json};

use crate::failure::{Failure, Result};

/// What stands around a run in a page. JSON there has no `<`.
const BEFORE: &str = "<script type=\"application/json\" id=\"ringwood-bench\">";
const AFTER: &str = "</script>";
const VERSION: u64 = 1;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// What it is called: its file's name without its ending.
    pub(super) name: String,
    /// What was measured and where.
    pub(super) facts: Vec<(String, String)>,
    /// Objects as `--json` prints them, in the order of the run.
    pub(super) benchmarks: Vec<Value>,
}

impl Run {
    /// A run that is to be written there.
    pub(super) fn new(path: &Path) -> Self {
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { name, facts: Vec::new(), benchmarks: Vec::new() }
    }

    /// Reads a page, or what `bench --json` printed.
    ///
    /// # Errors
    /// If the file cannot be read, or is neither.
    #[allow(clippy::disallowed_methods, reason = "the user's report file, no file of the store")]
    pub(super) fn read(path: &Path) -> Result<Self> {
        let wrong = |why: &str| Failure::store(format!("cannot compare with {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| wrong(&e.to_string()))?;
        let mut run = Self::new(path);
        let embedded = text.split_once(BEFORE).and_then(|(_, rest)| rest.split_once(AFTER));
        run.take(embedded.map_or(&text[..], |(json, _)| json)).map_err(|why| wrong(&why))?;
        if run.benchmarks.is_empty() {
            return Err(wrong("it is no report of ringwood bench, nor what its --json printed"));
        }
        Ok(run)
    }

    fn take(&mut self, text: &str) -> Result<(), String> {
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let value = value.map_err(|e| format!("it is no report of ringwood bench ({e})"))?;
            match value["ringwood_bench"].as_u64() {
                None if value["ops_per_sec"].is_number() => self.benchmarks.push(value),
                // What else --json prints.
                None => {}
                Some(VERSION) => {
                    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                    let facts = value["facts"].as_array().into_iter().flatten();
                    self.facts = facts.map(|fact| (text(&fact[0]), text(&fact[1]))).collect();
                    self.benchmarks.extend(value["benchmarks"].as_array().into_iter().flatten().cloned());
                }
                Some(version) => {
                    return Err(format!("it is of version {version}, and this program knows {VERSION}"));
                }
            }
        }
        Ok(())
    }

    /// The run as a part of a page, which [`read`](Self::read) finds there.
    pub(super) fn embedded(&self) -> String {
        let json = json!({ "ringwood_bench": VERSION, "facts": self.facts, "benchmarks": self.benchmarks });
        format!("{BEFORE}{}{AFTER}\n", json.to_string().replace('<', "\\u003c"))
    }

    /// Its benchmarks with their names; of those that ran several times, all but the first have a number.
    pub(super) fn named(&self) -> Vec<(String, &Value)> {
        let mut named: Vec<(String, &Value)> = Vec::new();
        for benchmark in &self.benchmarks {
            let name = benchmark["benchmark"].as_str().unwrap_or_default();
            let before = self.benchmarks.iter().take_while(|b| !std::ptr::eq(*b, benchmark));
            let name = match before.filter(|b| b["benchmark"] == name).count() {
                0 => name.to_owned(),
                n => format!("{name} ({})", n + 1),
            };
            named.push((name, benchmark));
        }
        named
    }
}

/// Runs of one name get numbers.
pub(super) fn tell_apart(runs: &mut [Run]) {
    for i in 1..runs.len() {
        let taken = |name: &str| runs[..i].iter().any(|run| run.name == name);
        let name = &runs[i].name;
        if taken(name) {
            let free = (2..).map(|n| format!("{name} ({n})")).find(|name| !taken(name));
            runs[i].name = free.unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_comes_back_from_its_page_and_from_lines() {
        let benchmark =
            |name: &str| json!({ "benchmark": name, "ops_per_sec": 5.0, "message": "</script><b>" });
        let mut run = Run::new(Path::new("/x/new.html"));
        run.facts = vec![("CPU".into(), "2 * fast".into())];
        run.benchmarks = vec![benchmark("fillseq"), benchmark("readrandom"), benchmark("readrandom")];
        let page = format!("<html>{}<p></html>", run.embedded());
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            #[allow(clippy::disallowed_methods, reason = "a test's file")]
            std::fs::write(&path, text).unwrap();
            path
        };
        assert_eq!(Run::read(&write("new.html", &page)).unwrap(), run);
        let lines = format!("{}\n{{\"benchmark\":\"stats\"}}\n", benchmark("fillseq"));
        let old = Run::read(&write("old.json", &lines)).unwrap();
        assert_eq!((old.name.as_str(), old.benchmarks.len()), ("old", 1));
        for text in ["", "<html></html>", "{}", "{\"ringwood_bench\":2}"] {
            assert!(Run::read(&write("bad", text)).is_err(), "{text}");
        }
        let names: Vec<_> = run.named().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["fillseq", "readrandom", "readrandom (2)"]);
        let mut runs = vec![run.clone(), run.clone(), run];
        tell_apart(&mut runs);
        assert_eq!(runs.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["new", "new (2)", "new (3)"]);
    }
}
