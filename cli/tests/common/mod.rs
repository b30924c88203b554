//! Runs the real binary and looks at what it says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::disallowed_methods, reason = "tests look at files and directories from outside")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// No run takes longer.
const CHILD_TIME_MAX: Duration = Duration::from_secs(240);

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!err.contains("panicked"), "{err}");
        Self { code: output.status.code().unwrap_or(-1), out: output.stdout, err }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Standard output of a run that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.err);
        self.text()
    }

    /// Standard error of a run that must have failed so, with one line that names all of these.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "out: {}\nerr: {}", String::from_utf8_lossy(&self.out), self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
    }

    /// Each line as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.ok().lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }
}

pub(crate) fn command<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringwood"));
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A directory to run in.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        finish(command(self.path(), args).spawn().unwrap())
    }

    /// Runs with these bytes on standard input.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Ran {
        let mut child = command(self.path(), args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        finish(child)
    }

    /// Starts and does not wait.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, args: &[S]) -> Child {
        command(self.path(), args).spawn().unwrap()
    }

    /// Runs `bench` with a small store.
    pub(crate) fn bench(&self, args: &str) -> Ran {
        let words: Vec<&str> =
            ["bench", "--memory=16MiB"].into_iter().chain(args.split_whitespace()).collect();
        self.run(&words)
    }

    /// Names in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// Waits for the end of a child; one that does not end within minutes is killed, and the test fails.
pub(crate) fn finish(child: Child) -> Ran {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    let (ended, wait) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if wait.recv_timeout(CHILD_TIME_MAX) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // SAFETY: a call with two numbers; the child has not been waited for, so that the number is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watchdog.join().unwrap();
    Ran::new(output)
}

/// Sends a signal to a child.
pub(crate) fn signal(child: &Child, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: a call with two numbers; the child has not been waited for, so that the number is still its own.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// Waits until `what` holds, for half a minute at most.
#[track_caller]
pub(crate) fn wait_until(mut what: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if what() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("waited for half a minute in vain");
}
