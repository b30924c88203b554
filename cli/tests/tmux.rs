//! A session in a terminal that people use: what is typed into tmux, and the screen that it shows, line by line.
//!
//! Where there is no tmux this is left to `terminal.rs`, which has a terminal of its own.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests look at files from outside")]

mod common;

use std::process::Command;

use common::{Place, wait_until};

/// A tmux server of its own, with one window.
struct Tmux<'a> {
    place: &'a Place,
}

impl<'a> Tmux<'a> {
    /// `None` if there is no tmux.
    fn start(place: &'a Place, command: &str) -> Option<Self> {
        let this = Self { place };
        this.command().arg("-V").output().ok()?;
        let mut start = this.command();
        start.args(["-f", "/dev/null", "new-session", "-d", "-x", "60", "-y", "15", command]);
        assert!(start.current_dir(place.path()).status().unwrap().success());
        Some(this)
    }

    fn command(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.place.join("tmux")).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        tmux.env("RINGWOOD_HISTORY", "").env("NO_COLOR", "1");
        tmux
    }

    /// Keys, as tmux names them.
    fn keys(&self, keys: &[&str]) {
        assert!(self.command().arg("send-keys").args(keys).status().unwrap().success());
    }

    fn screen(&self) -> String {
        let shown = self.command().args(["capture-pane", "-p"]).output().unwrap();
        String::from_utf8(shown.stdout).unwrap().trim_end().to_owned()
    }

    /// Waits until this was typed, and the prompt is there again.
    #[track_caller]
    fn done(&self, line: &str) {
        let typed = format!("fruit> {line}\n");
        wait_until(|| self.screen().contains(&typed) && self.screen().ends_with("\nfruit>"));
    }

    #[track_caller]
    fn shows(&self, expected: &str) {
        let mut seen = String::new();
        for _ in 0..500 {
            seen = self.screen();
            if seen == expected {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        panic!("the screen is\n{seen}\nand not\n{expected}");
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}

#[test]
fn a_session_is_shown_as_it_was_typed() {
    let place = Place::new();
    let command = format!("{} shell fruit --create", env!("CARGO_BIN_EXE_ringwood"));
    let Some(tmux) = Tmux::start(&place, &command) else {
        eprintln!("there is no tmux: left out");
        return;
    };
    wait_until(|| tmux.screen().ends_with("\nfruit>"));
    tmux.keys(&["C-l"]);
    tmux.shows("fruit>");
    let type_line = |line: &str| {
        tmux.keys(&["-l", line]);
        tmux.keys(&["Enter"]);
        tmux.done(line);
    };
    for line in ["put pear 'green and yellow'", "put apple red", r"put \xff\n raw"] {
        type_line(line);
    }
    // Completed from the store: Tab types the key to its end.
    tmux.keys(&["-l", "get pe"]);
    tmux.keys(&["Tab", "Enter"]);
    tmux.done("get pear");
    for line in ["scan", "get plum", "mode hex; get apple"] {
        type_line(line);
    }
    tmux.shows(SCREEN.trim());
    tmux.keys(&["C-d"]);
}

/// The last line of the first command has gone up.
const SCREEN: &str = r"
fruit> put apple red
fruit> put \xff\n raw
fruit> get pear
green and yellow
fruit> scan
key    │ value
───────┼────────────────────────────────────────
apple  │ red
pear   │ green and yellow
\xff\n │ raw
fruit> get plum
there is no key plum
fruit> mode hex; get apple
\x72\x65\x64
fruit>
";
