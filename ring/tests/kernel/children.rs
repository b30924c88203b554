//! Tests in a process of their own: to lose privileges, to be filtered, to die.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

const VARIABLE: &str = "RINGWOOD_TEST_CHILD";

/// Runs `body` in a child process: the same test again, of which this call is the end. `test` is the test's full name.
pub fn in_child(test: &str, body: impl FnOnce()) -> Child {
    if std::env::var_os(VARIABLE).is_some_and(|name| name == test) {
        println!(); // Off the line that the test runner began.
        body();
        let _ = std::io::stdout().flush();
        std::process::exit(0);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, test)
        .output()
        .unwrap();
    Child(output)
}

pub struct Child(Output);

impl Child {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned() + &String::from_utf8_lossy(&self.0.stderr)
    }

    /// The child's words, if its body ran to its end.
    #[track_caller]
    pub fn succeeded(self) -> String {
        let text = self.text();
        assert!(self.0.status.success(), "{}\n{text}", self.0.status);
        if let Some(why) = text.lines().find(|l| l.starts_with("skipped:")) {
            println!("{why}");
        }
        text
    }

    /// The child's words, if it aborted.
    #[track_caller]
    pub fn aborted(self) -> String {
        let text = self.text();
        assert_eq!(self.0.status.signal(), Some(libc::SIGABRT), "{}\n{text}", self.0.status);
        text
    }
}

/// Prints log messages as lines `LOG level text`.
pub fn log_to_stdout() {
    struct Printer;
    impl log::Log for Printer {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            println!("LOG {} {}", record.level(), record.args());
        }
        fn flush(&self) {}
    }
    log::set_logger(&Printer).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
}

/// Sets a resource limit, soft and hard, and gives up root (and with it CAP_IPC_LOCK).
pub fn limit_unprivileged(resource: libc::__rlimit_resource_t, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: plain system calls; `limit` outlives its.
    unsafe {
        assert_eq!(libc::setrlimit(resource, &raw const limit), 0);
        if libc::getuid() == 0 {
            assert_eq!(libc::setresuid(65_534, 65_534, 65_534), 0);
        }
    }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn bpf(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// Makes the io_uring system calls of this thread fail with `errno`, as container profiles do.
pub fn forbid_io_uring(errno: i32) {
    let [setup, enter, register] =
        [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register].map(|nr| nr as u32);
    filter(&[
        bpf(LOAD, 0, 0, 0),
        bpf(EQUAL, 3, 0, setup),
        bpf(EQUAL, 2, 0, enter),
        bpf(EQUAL, 1, 0, register),
        bpf(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        bpf(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
    ]);
}

/// Makes this thread's restrictions of rings fail with `errno`.
pub fn forbid_restrictions(errno: i32) {
    const REGISTER_RESTRICTIONS: u32 = 11;
    const SECOND_ARGUMENT: u32 = 24;
    filter(&[
        bpf(LOAD, 0, 0, 0),
        bpf(EQUAL, 0, 2, libc::SYS_io_uring_register as u32),
        bpf(LOAD, 0, 0, SECOND_ARGUMENT),
        bpf(EQUAL, 1, 0, REGISTER_RESTRICTIONS),
        bpf(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        bpf(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
    ]);
}

fn filter(filter: &[libc::sock_filter]) {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: plain system calls; the program and its filter outlive theirs.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}
