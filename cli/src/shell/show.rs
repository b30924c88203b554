//! How entries are shown: as a table, plain, as JSON, in hexadecimal; line by line, as they come.

use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::pager::Pager;
use crate::escape::{escape, escape_to};
use crate::failure::Result;
use crate::out::Out;
use crate::terminal;

/// How entries are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Table,
    Plain,
    Json,
    Hex,
}

impl Mode {
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Table, Self::Plain, Self::Json, Self::Hex].into_iter().find(|mode| mode.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Hex => "hex",
        }
    }

    /// Bytes as text that can be typed.
    pub(crate) fn bytes(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => bytes.iter().map(|b| format!("\\x{b:02x}")).collect(),
            _ => escape(bytes),
        }
    }
}

/// Rows of a table that are gathered to choose how wide the keys are.
const ROWS: usize = 64;
/// Widest column of keys.
const KEY_WIDTH_MAX: usize = 48;

/// Entries on their way to the screen.
pub(crate) struct Entries<'a> {
    mode: Mode,
    pager: &'a mut Pager,
    out: &'a mut Out,
    /// Rows of a table before its columns are chosen.
    waiting: Vec<(String, Option<String>)>,
    key_width: Option<usize>,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(mode: Mode, pager: &'a mut Pager, out: &'a mut Out) -> Self {
        Self { mode, pager, out, waiting: Vec::new(), key_width: None }
    }

    /// Shows an entry, or a key alone. False: the user has seen enough.
    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool> {
        match self.mode {
            Mode::Table => {
                self.waiting.push((escape(key), value.map(escape)));
                if self.key_width.is_some() || self.waiting.len() >= ROWS { self.rows() } else { Ok(true) }
            }
            Mode::Json => {
                let object = match value {
                    Some(value) => json!({ "key": escape(key), "value": escape(value) }),
                    None => json!({ "key": escape(key) }),
                };
                self.line(&object.to_string())
            }
            mode => {
                let mut line = mode.bytes(key);
                if let Some(value) = value {
                    line.push('\t');
                    if mode == Mode::Hex {
                        line.push_str(&mode.bytes(value));
                    } else {
                        escape_to(value, &mut line);
                    }
                }
                self.line(&line)
            }
        }
    }

    /// Shows what is left.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.rows().map(drop)
    }

    fn rows(&mut self) -> Result<bool> {
        let rows = std::mem::take(&mut self.waiting);
        let (mut goes_on, screen) = (true, terminal::width());
        if rows.is_empty() {
            return Ok(true);
        }
        let width = match self.key_width {
            Some(width) => width,
            None => {
                let widest = rows.iter().map(|(key, _)| key.width()).max().unwrap_or(3);
                let width = widest.clamp(3, KEY_WIDTH_MAX.min(screen / 2));
                self.key_width = Some(width);
                if rows.iter().any(|(_, value)| value.is_some()) {
                    let rule = "─".repeat(width + 1);
                    goes_on = self.line(&format!("{:width$} │ value", "key"))?
                        && self.line(&format!(
                            "{rule}┼{}",
                            "─".repeat(screen.saturating_sub(width + 3).min(40))
                        ))?;
                }
                width
            }
        };
        for (key, value) in rows {
            if !goes_on {
                break;
            }
            let Some(value) = value else {
                goes_on = self.line(&key)?;
                continue;
            };
            let key = fit(&key, width);
            let pad = " ".repeat(width.saturating_sub(key.width()));
            let value = fit(&value, screen.saturating_sub(width + 3));
            goes_on = self.line(&format!("{key}{pad} │ {value}"))?;
        }
        Ok(goes_on)
    }

    fn line(&mut self, text: &str) -> Result<bool> {
        self.out.line(text)?;
        self.pager.line(text, self.out)
    }
}

/// Text cut to a width, with a sign that it was.
fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        cut.push(c);
        if cut.width() >= width {
            cut.pop();
            break;
        }
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_by_its_width() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("東京都庁", 5), "東京…");
    }

    #[test]
    fn modes_have_names() {
        assert_eq!(Mode::of("hex").unwrap().bytes(b"k\n"), r"\x6b\x0a");
        assert_eq!(Mode::of("xml"), None);
    }
}
