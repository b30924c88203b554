//! doctor tells what a directory gives, to people and to programs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;

use common::{Place, Ran};
use serde_json::Value;

#[test]
fn the_table_and_the_json_tell_the_same() {
    let place = Place::new();
    let table = place.run(&["doctor"]);
    let last = table.ok().lines().last().unwrap();
    assert!(last.starts_with("Ringwood runs there with "), "{}", table.text());
    let json = place.run(&["doctor", ".", "--json"]).json();
    assert_eq!((json.len(), &json[0]["runs"]), (1, &true.into()));
    let backend = json[0]["backend"].as_str().unwrap();
    assert!(["io_uring", "system calls"].contains(&backend) && last.contains(backend), "{backend}: {last}");
    let findings = json[0]["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    for finding in findings {
        let field = |name: &str| finding[name].as_str().unwrap_or_else(|| panic!("{name} of {finding}"));
        assert!(["ok", "warn", "bad"].contains(&field("level")), "{finding}");
        for word in [field("topic"), field("name")] {
            assert!(table.text().contains(word), "{word}: {finding}");
        }
        assert!(!field("meaning").is_empty(), "{finding}");
    }
    let device = |name: &str| findings.iter().find(|f| f["topic"] == "device" && f["name"] == name).unwrap();
    assert!(device("read depth")["value"].as_str().unwrap().contains("/s at depth 64"), "{findings:?}");
    assert!(
        device("sync latency")["meaning"].as_str().unwrap().contains("a lone Synced write"),
        "{findings:?}"
    );
    assert!(place.names().is_empty(), "it leaves nothing behind");
}

#[test]
fn a_directory_that_cannot_hold_a_store_is_code_3() {
    let place = Place::new();
    let ran = place.run(&["doctor", "nowhere"]);
    ran.fails(3, &["Ringwood cannot run there"]);
    assert!(ran.text().contains("nowhere"), "{}", ran.text());
    let json = place.run(&["doctor", "nowhere", "--json"]);
    let object: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!((json.code, &object["runs"]), (3, &false.into()));
    assert!(place.names().is_empty());
}

/// `doctor` in the directory, once as text and once as JSON, each in a process that was prepared so; `None`, said why, if it cannot be.
fn under(
    place: &Place,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + Clone + 'static,
) -> Option<(Ran, Value)> {
    let run = |args: &[&str]| {
        let mut command = common::command(place.path(), args);
        // SAFETY: what `prepare` does between fork and exec are system calls alone, on memory made before.
        unsafe { command.pre_exec(prepare.clone()) };
        match command.spawn() {
            Ok(child) => Some(common::finish(child)),
            Err(e) => {
                println!("skipped: the process cannot be prepared here: {e}");
                None
            }
        }
    };
    let text = run(&["doctor"])?;
    let json = run(&["doctor", "--json"])?;
    Some((text, serde_json::from_str(json.text()).unwrap()))
}

/// A finding of the JSON.
#[track_caller]
fn finding<'a>(json: &'a Value, topic: &str, name: &str) -> &'a Value {
    let mut findings = json["findings"].as_array().unwrap().iter();
    let found = findings.find(|f| f["topic"] == topic && f["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {topic}, {name} in {json}"))
}

#[track_caller]
fn says(finding: &Value, level: &str, value: &str, words: &[&str]) {
    assert_eq!(
        (finding["level"].as_str(), finding["value"].as_str()),
        (Some(level), Some(value)),
        "{finding}"
    );
    for word in words {
        assert!(finding["meaning"].as_str().unwrap().contains(word), "{word}: {finding}");
    }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes the system calls of io_uring fail with `errno`, as profiles of containers do.
fn forbid_io_uring(errno: i32) -> io::Result<()> {
    let bpf = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let filter = [
        bpf(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        bpf(equal, 3, 0, libc::SYS_io_uring_setup as u32),
        bpf(equal, 2, 0, libc::SYS_io_uring_enter as u32),
        bpf(equal, 1, 0, libc::SYS_io_uring_register as u32),
        bpf(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        bpf(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: plain system calls; the program and its filter outlive theirs.
    unsafe {
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        checked(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
    }
}

/// Sets the limit on locked memory, and gives up the right to pass over it.
fn limit_locked_memory(bytes: u64) -> io::Result<()> {
    const CAP_IPC_LOCK: libc::c_ulong = 14;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: plain system calls; the limit outlives its. Who is not root has not got the right, and cannot drop it.
    unsafe {
        libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
        checked(libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit))
    }
}

/// Mounts something, for this process alone.
fn mount(source: &CString, target: &CString, kind: &CString, flags: libc::c_ulong) -> io::Result<()> {
    // SAFETY: plain system calls; the strings outlive theirs.
    unsafe {
        checked(libc::unshare(libc::CLONE_NEWNS))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        checked(libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), private, std::ptr::null()))?;
        checked(libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null()))
    }
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

#[test]
fn a_seccomp_filter_is_named_and_plain_system_calls_serve() {
    for (errno, name) in [(libc::EPERM, "EPERM"), (libc::ENOSYS, "ENOSYS")] {
        let place = Place::new();
        let Some((text, json)) = under(&place, move || forbid_io_uring(errno)) else { return };
        let last = text.ok().lines().last().unwrap();
        assert!(last.starts_with("Ringwood runs there with system calls, without io_uring: "), "{last}");
        assert!(last.contains("seccomp filter") && last.contains(name), "{last}");
        assert_eq!((&json["runs"], &json["backend"]), (&true.into(), &"system calls".into()));
        says(finding(&json, "kernel", "seccomp"), "ok", "filtered", &["seen below"]);
        says(finding(&json, "io_uring", "available"), "bad", "no", &["seccomp filter", name]);
        assert!(text.text().lines().any(|l| l.starts_with("BAD   available")), "{}", text.text());
    }
}

#[test]
fn little_locked_memory_is_told_with_the_remedy() {
    // Not enough for a ring at all.
    let place = Place::new();
    let Some((text, json)) = under(&place, || limit_locked_memory(8 << 10)) else { return };
    let last = text.ok().lines().last().unwrap();
    assert!(last.contains("without io_uring") && last.contains("ulimit -l"), "{last}");
    assert_eq!(json["backend"], "system calls");
    says(finding(&json, "limits", "locked memory"), "warn", "8 KiB", &["ulimit -l", "LimitMEMLOCK="]);
    // A ring of a few entries may still be had; one as a store needs it not.
    let refused = ["available", "in use"].map(|name| {
        json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["topic"] == "io_uring" && f["name"] == name && f["level"] == "bad")
    });
    let refused = refused.into_iter().flatten().next().unwrap_or_else(|| panic!("{json}"));
    says(refused, "bad", "no", &["RLIMIT_MEMLOCK is 8 KiB", "ulimit -l"]);
    // Enough for rings, little for buffers.
    let Some((text, json)) = under(&place, || limit_locked_memory(4 << 20)) else { return };
    assert!(text.ok().lines().last().unwrap().starts_with("Ringwood runs there with "), "{}", text.text());
    says(finding(&json, "limits", "locked memory"), "warn", "4096 KiB", &["unregistered", "ulimit -l"]);
}

#[test]
fn a_file_system_without_direct_io_is_told() {
    let place = Place::new();
    let (target, kind) = (c(place.path().to_str().unwrap()), c("ramfs"));
    let Some((text, json)) = under(&place, move || {
        mount(&kind, &target, &kind, 0)?;
        // The working directory is still the one below.
        // SAFETY: a plain system call on a string that outlives it.
        checked(unsafe { libc::chdir(target.as_ptr()) })
    }) else {
        return;
    };
    assert!(text.ok().lines().last().unwrap().starts_with("Ringwood runs there with "), "{}", text.text());
    says(finding(&json, "file system", "O_DIRECT"), "warn", "no", &["page cache", "ext4 or xfs"]);
    let kind = finding(&json, "file system", "type");
    assert!(kind["value"].as_str().unwrap().starts_with("ramfs on "), "{kind}");
    assert_eq!(kind["level"], "warn");
    assert_eq!(json["runs"], true);
}

#[test]
fn the_sysctl_that_forbids_rings_is_told() {
    const SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";
    for (value, level, words) in [("2", "bad", "set the sysctl to 0"), ("1", "warn", "join that group")] {
        let place = Place::new();
        let file = place.join("value");
        #[allow(clippy::disallowed_methods, reason = "stands in for the kernel's file")]
        std::fs::write(&file, format!("{value}\n")).unwrap();
        // A stand-in for the kernel's file, and a filter that refuses as the kernel does.
        let (from, to, none) = (c(file.to_str().unwrap()), c(SYSCTL), c("none"));
        let Some((text, json)) = under(&place, move || {
            mount(&from, &to, &none, libc::MS_BIND)?;
            forbid_io_uring(libc::EPERM)
        }) else {
            return;
        };
        says(finding(&json, "kernel", "kernel.io_uring_disabled"), level, value, &[words]);
        let last = text.ok().lines().last().unwrap();
        assert!(last.contains(&format!("kernel.io_uring_disabled is {value}")), "{last}");
    }
}
