//! A range of keys, from what a user says of it.

use std::ops::Bound;

use clap::Args;

use crate::cli::{Bytes, bytes};

/// The range, as options of a command.
#[derive(Debug, Args)]
pub(crate) struct SpanArgs {
    /// Only keys that begin so
    #[arg(long, value_name = "PREFIX", value_parser = bytes())]
    prefix: Option<Bytes>,
    /// Only keys from this one on
    #[arg(long, value_name = "KEY", value_parser = bytes())]
    from: Option<Bytes>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY", value_parser = bytes())]
    to: Option<Bytes>,
}

impl SpanArgs {
    /// What they leave; `None` if that is nothing.
    pub(crate) fn span(&self) -> Option<Span> {
        let [prefix, from, to] = [&self.prefix, &self.from, &self.to].map(|b| b.as_ref().map(|b| &b.0[..]));
        Span::new(prefix, from, to)
    }

    /// Whether they leave out anything by their words.
    pub(crate) fn is_any(&self) -> bool {
        self.prefix.is_some() || self.from.is_some() || self.to.is_some()
    }
}

/// From a key (included) to a key (not included, `None`: to the end).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Span {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Span {
    /// What prefix and bounds leave; `None` if that is nothing.
    pub(crate) fn new(prefix: Option<&[u8]>, from: Option<&[u8]>, to: Option<&[u8]>) -> Option<Self> {
        let prefix = prefix.unwrap_or_default();
        let ends = [to.map(<[u8]>::to_vec), after(prefix)];
        let to = ends.into_iter().flatten().min();
        let from = from.unwrap_or_default().max(prefix).to_vec();
        let empty = to.as_ref().is_some_and(|to| *to <= from);
        (!empty).then_some(Self { from, to })
    }

    /// The bounds as the store takes them.
    pub(crate) fn bounds(self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let from = if self.from.is_empty() { Bound::Unbounded } else { Bound::Included(self.from) };
        (from, self.to.map_or(Bound::Unbounded, Bound::Excluded))
    }
}

/// The first key after all that begin with `prefix`; `None` if there is none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Bytes<'a> = Option<&'a [u8]>;

    fn spanned(prefix: Bytes<'_>, from: Bytes<'_>, to: Bytes<'_>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        Span::new(prefix, from, to).map(|s| (s.from, s.to))
    }

    #[test]
    fn prefix_and_bounds_meet() {
        let some = |from: &[u8], to: Bytes<'_>| Some((from.to_vec(), to.map(<[u8]>::to_vec)));
        assert_eq!(spanned(None, None, None), some(b"", None));
        assert_eq!(spanned(Some(b"ab"), None, None), some(b"ab", Some(b"ac")));
        assert_eq!(spanned(Some(b"a\xff\xff"), None, None), some(b"a\xff\xff", Some(b"b")));
        assert_eq!(spanned(Some(b"\xff"), None, None), some(b"\xff", None));
        assert_eq!(spanned(Some(b"b"), Some(b"a"), Some(b"z")), some(b"b", Some(b"c")));
        assert_eq!(spanned(Some(b"b"), Some(b"b5"), Some(b"b7")), some(b"b5", Some(b"b7")));
        assert_eq!(spanned(None, Some(b"b"), Some(b"b")), None);
        assert_eq!(spanned(None, Some(b"c"), Some(b"b")), None);
        assert_eq!(spanned(Some(b"b"), None, Some(b"a")), None);
    }
}
