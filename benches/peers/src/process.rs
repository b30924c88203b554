//! One child process: started, listened to, and ended with the run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::Result;
use crate::halt::Halt;
use crate::knobs::Task;
use crate::measure::Message;

const LOOK: Duration = Duration::from_millis(50);
const SIGKILL: i32 = 9;
/// As much of what a child complained of is told.
const COMPLAINT_BYTES: usize = 400;

/// Kills the child if it is still there.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a task in a child, and hands each message on. Says why it ended, if not well.
///
/// # Errors
/// If it cannot be started, or a signal stops the run.
pub(crate) fn run(
    task: &Task,
    scratch: &Path,
    halt: &Halt,
    mut on: impl FnMut(Message),
) -> Result<Option<String>> {
    let complaints = scratch.join("stderr");
    let child = Command::new(std::env::current_exe()?)
        .arg("child")
        .arg(serde_json::to_string(task)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&complaints)?)
        // A signal from the terminal is the parent's to handle.
        .process_group(0)
        .spawn()?;
    let mut child = Guard(child);
    let out = child.0.stdout.take().ok_or("the child has an output")?;
    let (sender, messages) = channel();
    let listener = std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
            // An engine may print too: what is no message is not for us.
            if let Ok(message) = serde_json::from_str(&line)
                && sender.send(message).is_err()
            {
                return;
            }
        }
    });
    loop {
        halt.check()?;
        match messages.recv_timeout(LOOK) {
            Ok(message) => on(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let _ = listener.join();
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        halt.check()?;
        crate::clock::nap(LOOK);
    };
    let complaint = fs::read(&complaints).unwrap_or_default();
    Ok(why(status, &String::from_utf8_lossy(&complaint), task.cgroup.is_some()))
}

/// Why a child ended, if not well.
fn why(status: ExitStatus, complaint: &str, limited: bool) -> Option<String> {
    if status.success() {
        return None;
    }
    let complaint = complaint.trim();
    let from = complaint.len().saturating_sub(COMPLAINT_BYTES);
    let from = (from..).find(|&at| complaint.is_char_boundary(at)).unwrap_or(0);
    let complaint = &complaint[from..];
    Some(match status.signal() {
        Some(SIGKILL) if limited => "killed: it needed more than the memory allowed".into(),
        Some(signal) => format!("ended by signal {signal}: {complaint}"),
        None => complaint.trim_start_matches("ringwood-peers: ").to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_explained() {
        let end = |raw, complaint: &str, limited| why(ExitStatus::from_raw(raw), complaint, limited);
        assert_eq!(end(0, "warning", true), None);
        assert_eq!(end(1 << 8, "ringwood-peers: no disk\n", true).unwrap(), "no disk");
        assert!(end(9, "", true).unwrap().contains("memory allowed"));
        assert!(end(6, &"é".repeat(1000), false).unwrap().starts_with("ended by signal 6: é"));
    }
}
