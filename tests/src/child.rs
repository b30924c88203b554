//! Tests that need a process of their own: to be killed, confined or counted.
//!
//! A test target runs itself again with [`ROLE`] set, filtered to the one test that plays the role (`fn child()` by convention, which
//! returns at once where the variable is not set).

use std::process::{Command, Stdio};

/// The variable that tells a child which role it plays.
pub const ROLE: &str = "RINGWOOD_TEST_CHILD";

/// The role of this process, if it is a child.
#[must_use]
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// A command that runs the test `child` of this test target in the role `role`.
///
/// # Panics
/// If the running program cannot be found.
#[must_use]
pub fn command(role: &str) -> Command {
    wrapped(role, &[])
}

/// The same under another program: `wrapper` and its arguments come first (`strace -c`, …).
///
/// # Panics
/// If the running program cannot be found.
#[must_use]
pub fn wrapped(role: &str, wrapper: &[&str]) -> Command {
    let exe = std::env::current_exe().expect("a test knows its own program");
    let mut command = match wrapper.split_first() {
        None => Command::new(exe),
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(exe);
            command
        }
    };
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).stdin(Stdio::null());
    command
}

/// Runs a child to its end; its output on both streams, and whether it succeeded.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the child starts");
    let text = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
    (output.status.success(), text)
}
