//! What the terminal at standard output can do.

use std::io::IsTerminal;

const WIDTH: usize = 100;
const WIDTH_MIN: usize = 40;

/// Whether to colour what goes to standard output: only on a terminal, and never with `NO_COLOR`.
pub(crate) fn has_colour() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    std::io::stdout().is_terminal() && !forbidden && !dumb
}

/// Columns of standard output; 100 if it is no terminal.
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|s| usize::from(s.ws_col)).filter(|w| *w > 0).map_or(WIDTH, |w| w.max(WIDTH_MIN))
}

/// Lines of standard output, if it is a terminal.
pub(crate) fn height() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|s| usize::from(s.ws_row)).filter(|h| *h > 0)
}

/// `text` in a colour of SGR, if there are any.
pub(crate) fn paint(colour: bool, sgr: &str, text: &str) -> String {
    if colour { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
}
