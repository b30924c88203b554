//! A line of the shell as words.
//!
//! Blanks separate words, `;` separates commands, `#` at the start of a word begins a comment. Between quotes, `'` or `"`, blanks, `;`
//! and `#` are themselves. The rule for bytes ([`crate::escape`]) holds in every word, quoted or not, so that what is shown can be
//! typed: at most, quotes must be put around it.

use crate::escape::{escape, unescape};

/// A word: its bytes, and whether some of it was quoted (then it is no option).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) bytes: Vec<u8>,
    pub(crate) quoted: bool,
}

impl Word {
    /// The word as text, for names and numbers.
    pub(crate) fn text(&self) -> String {
        escape(&self.bytes)
    }

    /// The word as an option, `--limit`.
    pub(crate) fn option(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().filter(|t| !self.quoted && t.starts_with("--"))
    }
}

/// A piece of a line, before the rule for bytes.
struct Piece {
    raw: String,
    quoted: bool,
    /// Where it begins, in characters from 1.
    at: usize,
}

/// Cuts a line into commands, each of some words.
///
/// # Errors
/// A sentence that names the place.
pub(crate) fn parse(line: &str) -> Result<Vec<Vec<Word>>, String> {
    let (pieces, open) = pieces(line);
    if let Some(quote) = open {
        return Err(format!("the quote {quote} has no end"));
    }
    let mut commands: Vec<Vec<Word>> = vec![Vec::new()];
    for piece in pieces {
        let Some(piece) = piece else {
            commands.push(Vec::new());
            continue;
        };
        let bytes = unescape(piece.raw.as_bytes()).map_err(|why| match piece.at {
            1 => why,
            at => format!("in the word at character {at}: {why}"),
        })?;
        commands.last_mut().expect("there is one").push(Word { bytes, quoted: piece.quoted });
    }
    commands.retain(|words| !words.is_empty());
    Ok(commands)
}

/// The pieces of a line (`None`: a `;`), and the quote that has no end, if there is one.
fn pieces(line: &str) -> (Vec<Option<Piece>>, Option<char>) {
    let mut pieces = Vec::new();
    let mut current: Option<Piece> = None;
    let mut quote = None;
    let mut chars = line.chars().enumerate().peekable();
    while let Some((i, c)) = chars.next() {
        let piece = |current: &mut Option<Piece>| {
            current.get_or_insert(Piece { raw: String::new(), quoted: false, at: i + 1 });
        };
        match (quote, c) {
            // An escape is for the rule to read; a quote after the backslash is none.
            (_, '\\') => {
                piece(&mut current);
                let raw = &mut current.as_mut().expect("made above").raw;
                raw.push(c);
                raw.extend(chars.next().map(|(_, c)| c));
            }
            (Some(q), _) if c == q => quote = None,
            (None, '"' | '\'') => {
                piece(&mut current);
                current.as_mut().expect("made above").quoted = true;
                quote = Some(c);
            }
            (None, '#') if current.is_none() => break,
            (None, ';') => {
                pieces.extend(current.take().map(Some));
                pieces.push(None);
            }
            (None, c) if c.is_ascii_whitespace() => pieces.extend(current.take().map(Some)),
            _ => {
                piece(&mut current);
                current.as_mut().expect("made above").raw.push(c);
            }
        }
    }
    pieces.extend(current.map(Some));
    (pieces, quote)
}

/// The last command of an unfinished line: its words as typed, the last one (perhaps empty) being typed at this moment, and where in the
/// line that begins, in bytes.
pub(crate) fn unfinished(line: &str) -> (Vec<String>, usize) {
    let (mut words, mut start) = (Vec::new(), None);
    let (mut quote, mut escaped) = (None, false);
    for (i, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => {
                start.get_or_insert(i);
                escaped = true;
            }
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                start.get_or_insert(i);
                quote = Some(c);
            }
            (None, ';') => (words, start) = (Vec::new(), None),
            (None, c) if c.is_ascii_whitespace() => {
                words.extend(start.take().map(|s| line[s..i].to_owned()));
            }
            _ => {
                start.get_or_insert(i);
            }
        }
    }
    let begin = start.unwrap_or(line.len());
    words.push(line[begin..].to_owned());
    (words, begin)
}

/// Text that is read back as one word of these bytes.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let text = escape(bytes);
    let special = |c: char| c.is_ascii_whitespace() || matches!(c, ';' | '\'' | '"' | '#');
    if text.is_empty() || text.starts_with("--") || text.contains(special) {
        format!("\"{}\"", text.replace('"', "\\\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<Vec<String>> {
        parse(line).unwrap().iter().map(|c| c.iter().map(Word::text).collect()).collect()
    }

    #[test]
    fn lines_become_words() {
        assert_eq!(texts("put a b"), [["put", "a", "b"]]);
        assert_eq!(texts(r#"put 'two words' "it's; #1""#), [["put", "two words", "it's; #1"]]);
        assert_eq!(texts("get a; get b # and a comment"), [["get", "a"], ["get", "b"]]);
        assert_eq!(texts("get a#b"), [["get", "a#b"]]);
        assert_eq!(texts(r#"put k """#), [["put", "k", ""]]);
        assert_eq!(parse(r"put \x00 a\tb").unwrap()[0][1].bytes, [0]);
        assert!(texts("  # nothing").is_empty() && texts(";;").is_empty());
        assert!(parse("put 'a").unwrap_err().contains("no end"));
        assert!(parse(r"get \q").unwrap_err().contains("character 5"));
        assert_eq!(parse("scan --limit").unwrap()[0][1].option(), Some("--limit"));
        assert_eq!(parse("scan '--limit'").unwrap()[0][1].option(), None);
    }

    #[test]
    fn the_word_that_is_being_typed_is_the_last() {
        let of = |line: &str| unfinished(line);
        assert_eq!(of("get us"), (vec!["get".into(), "us".into()], 4));
        assert_eq!(of("get "), (vec!["get".into(), String::new()], 4));
        assert_eq!(of("get a; de"), (vec!["de".into()], 7));
        assert_eq!(of("get 'a b"), (vec!["get".into(), "'a b".into()], 4));
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let words = parse(&format!("x {} y", quote(&bytes))).unwrap();
            prop_assert_eq!(&words[0][1].bytes, &bytes);
            prop_assert_eq!(words[0].len(), 3);
            prop_assert_eq!(words[0][1].option(), None);
        }

        #[test]
        fn no_line_panics(line in "\\PC*") {
            let _ = parse(&line);
            let (_, at) = unfinished(&line);
            prop_assert!(line.is_char_boundary(at));
        }
    }
}
