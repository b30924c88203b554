//! The shell on a terminal: what is typed, and what the screen shows.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests look at files from outside")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use common::{Place, wait_until};

const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// A shell on a terminal of its own, and its screen.
struct Terminal {
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
}

impl Terminal {
    fn start(place: &Place, args: &[&str]) -> Self {
        let (mut master, mut slave) = (-1, -1);
        let size = libc::winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: two places for descriptors and a size that outlives the call; no name and no settings are asked for.
        let made = unsafe {
            libc::openpty(
                &raw mut master,
                &raw mut slave,
                std::ptr::null_mut(),
                std::ptr::null(),
                &raw const size,
            )
        };
        assert_eq!(made, 0);
        // SAFETY: the call made these two, and nobody else has them.
        let (master, slave) = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let io = || slave.as_fd().try_clone_to_owned().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringwood"));
        command.current_dir(place.path()).args(args).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command.env("RINGWOOD_HISTORY", place.join("history"));
        command.stdin(io()).stdout(io()).stderr(io());
        // SAFETY: both calls may be made between fork and exec; the child takes the terminal as its own, so that Ctrl-C reaches it.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        drop((command, slave));
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            ROWS.try_into().unwrap(),
            COLUMNS.try_into().unwrap(),
            1000,
        )));
        let mut from = File::from(master.try_clone().unwrap());
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end of the other side is an error here.
            while let Ok(n @ 1..) = from.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..n]);
            }
        });
        Self { keys: File::from(master), screen, child }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen shows this.
    #[track_caller]
    fn shows(&self, text: &str) {
        for _ in 0..1500 {
            if self.text().contains(text) {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        panic!("{text:?} is not on the screen:\n{}", self.text());
    }

    /// Waits until the last line is this prompt and nothing else.
    #[track_caller]
    fn ready(&self, prompt: &str) {
        for _ in 0..1500 {
            if self.text().trim_end().lines().last() == Some(prompt) {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        panic!("{prompt:?} does not stand alone on the last line:\n{}", self.text());
    }

    fn end(mut self) -> Option<i32> {
        wait_until(|| self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }
}

/// A store with so many keys.
fn filled(keys: usize) -> Place {
    let place = Place::new();
    let mut script = String::from("create users\n");
    for i in 0..keys {
        script.push_str(&format!("put key{i:03} value{i}\n"));
    }
    place.feed(&["shell", "--create", "db", "--durability", "none"], script.as_bytes()).ok();
    place
}

#[test]
fn a_session_at_a_terminal() {
    let place = filled(300);
    let mut t = Terminal::start(&place, &["db"]);
    t.ready("db>");
    // A command and a key are completed, and the syntax is shown while it is typed.
    t.keys("pu\t");
    t.shows("db> put KEY VALUE");
    t.keys("new:1 'a value'\r");
    t.shows("put new:1 'a value'");
    t.ready("db>");
    t.keys("get new\t\r");
    t.shows("get new:1 \na value\n");
    t.ready("db>");
    t.keys("use u\t\r");
    t.ready("db/users>");
    t.keys("use default\r");
    t.ready("db>");
    t.keys("begin\r");
    t.ready("db [batch of 0]>");
    t.keys("discard\r");
    t.ready("db>");
    t.keys("nosuch\r");
    t.shows("there is no command `nosuch`");
    t.ready("db>");
    t.keys("get nobody\r");
    t.shows("there is no key nobody\n");
    t.ready("db>");
    t.keys("scan key --limit 2\r");
    t.shows("key    │ value\n───────┼");
    t.shows("key001 │ value1\n");
    t.ready("db>");
    t.keys("quit\r");
    assert_eq!(t.end(), Some(0));
    let history = std::fs::read_to_string(place.join("history")).unwrap();
    assert!(history.contains("put new:1 'a value'") && history.contains("scan key --limit 2"), "{history}");
    // The next session remembers.
    let mut t = Terminal::start(&place, &["shell", "db"]);
    t.ready("db>");
    t.keys("\x1b[A\x1b[A");
    t.shows("db> scan key --limit 2");
    t.keys("\x03");
    t.ready("db>");
    t.keys("\x04");
    assert_eq!(t.end(), Some(0));
}

#[test]
fn what_is_typed_ahead_is_not_lost() {
    let place = filled(0);
    let mut t = Terminal::start(&place, &["db"]);
    t.ready("db>");
    // All at once, as a paste comes from a terminal that does not mark it.
    let lines: String = (0..40).map(|i| format!("put key{i:02} value{i}\r")).collect();
    t.keys(&lines);
    t.keys("scan --count\r");
    t.shows("\n40\n");
    t.ready("db>");
    t.keys("\x04");
    assert_eq!(t.end(), Some(0));
}

#[test]
fn results_are_paged_and_ctrl_c_stops_them_alone() {
    let place = filled(3000);
    let mut t = Terminal::start(&place, &["db"]);
    t.ready("db>");
    t.keys("scan\r");
    t.shows("-- more");
    assert!(t.text().contains("key000 │ value0") && !t.text().contains("key030"), "{}", t.text());
    t.keys(" ");
    t.shows("key030 │ value30");
    t.keys("q");
    t.ready("db>");
    t.keys("scan --count\r");
    t.shows("3000\n");
    t.ready("db>");
    // An endless result: it stops, and the shell goes on.
    t.keys("page off\r");
    t.ready("db>");
    t.keys(&"scan;".repeat(300));
    t.keys("\r");
    t.shows("key29");
    t.keys("\x03");
    t.shows("(stopped)\n");
    t.ready("db>");
    t.keys("get key007\r");
    t.shows("value7\n");
    t.ready("db>");
    t.keys("\x04");
    assert_eq!(t.end(), Some(0));
}
