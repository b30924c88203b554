//! Tests that need a process of their own: to be killed, confined or counted.
//!
//! Such a test runs itself again in a child, and there goes on into its body. To the test runner of the child it is the one test.

use std::process::{Command, Stdio};

/// The variable that tells a child which test it is.
const VARIABLE: &str = "RINGWOOD_TEST_CHILD";

/// Whether this process is the child of `test`, a test's full name.
#[must_use]
pub fn is_child(test: &str) -> bool {
    std::env::var_os(VARIABLE).is_some_and(|name| name == test)
}

/// A command that runs `test` again, as a child, under `wrapper` and its arguments (`strace -c`, …) if there are any.
///
/// # Panics
/// If the running program cannot be found.
#[must_use]
pub fn command(test: &str, wrapper: &[&str]) -> Command {
    let exe = std::env::current_exe().expect("a test knows its own program");
    let mut command = match wrapper.split_first() {
        None => Command::new(exe),
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(exe);
            command
        }
    };
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(VARIABLE, test).stdin(Stdio::null());
    command
}

/// Runs `body` in a child process: the same test again, of which this call is the end. Returns what the child printed.
///
/// # Panics
/// If the child fails.
pub fn run(test: &str, body: impl FnOnce()) -> String {
    if is_child(test) {
        println!(); // Off the line that the test runner began.
        body();
        std::process::exit(0);
    }
    output(&mut command(test, &[]))
}

/// Runs a child to its end and returns what it printed, on both streams.
///
/// # Panics
/// If it fails.
pub fn output(command: &mut Command) -> String {
    let output = command.output().expect("the child starts");
    let text = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
    assert!(output.status.success(), "the child: {}\n{text}", output.status);
    text.lines().filter(|l| l.starts_with("SKIPPED")).for_each(|l| println!("{l}"));
    text
}
