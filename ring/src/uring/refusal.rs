//! Why io_uring cannot be used here, as a sentence that names the cause and the remedy.
//!
//! Pure: the same refusal and the same [`Host`] give the same sentence, so that every cause is tested without a kernel
//! that has it.

use std::path::Path;

use crate::os::{Host, kib};
use crate::{IoError, IoErrorKind};

/// What "the ring" is called in errors.
pub(super) fn ring_path() -> &'static Path {
    Path::new("an io_uring ring")
}

/// What the kernel would not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `io_uring_setup` failed with this errno, whatever flags were left out.
    Setup(i32),
    /// The ring lacks something that every kernel since 5.12 has.
    Missing(&'static str),
    /// The kernel does not list its operations, or failed another registration.
    Register(&'static str, i32),
    /// A no-op did not come back as it should.
    Nop(i32),
}

impl Refusal {
    /// The errno behind it, 0 if there is none.
    pub(crate) fn errno(&self) -> i32 {
        match self {
            Refusal::Setup(e) | Refusal::Register(_, e) | Refusal::Nop(e) => *e,
            Refusal::Missing(_) => 0,
        }
    }

    /// The sentence: what was refused, by whom as far as can be told, what to do.
    pub(crate) fn explain(&self, host: &Host) -> String {
        match self {
            Refusal::Setup(errno) => explain_setup(*errno, host),
            Refusal::Missing(what) => format!(
                "the kernel ({}) has io_uring without {what}; Linux 5.12 or newer is needed",
                host.release
            ),
            Refusal::Register(what, errno) => {
                format!("io_uring_register ({what}) failed with {}; {}", name(*errno), filter_phrase(host))
            }
            Refusal::Nop(errno) => format!(
                "a ring could be made but a no-op on it failed with {}; {}",
                name(*errno),
                filter_phrase(host)
            ),
        }
    }

    /// The refusal as an error.
    pub(crate) fn into_error(self, host: &Host) -> IoError {
        let kind = match self.errno() {
            libc::ENOMEM => IoErrorKind::Memory,
            libc::EMFILE | libc::ENFILE => IoErrorKind::TooManyFiles,
            _ => IoErrorKind::Unsupported,
        };
        IoError::new("use", Path::new("io_uring"), kind, self.explain(host))
    }
}

fn explain_setup(errno: i32, host: &Host) -> String {
    let release = &host.release;
    match errno {
        libc::EPERM | libc::EACCES => match host.io_uring_disabled {
            Some(2) => "io_uring_setup was refused (EPERM): the sysctl kernel.io_uring_disabled is 2, which \
                        forbids it to every process; set it to 0 (sysctl -w kernel.io_uring_disabled=0)"
                .to_owned(),
            Some(1) => format!(
                "io_uring_setup was refused (EPERM): the sysctl kernel.io_uring_disabled is 1, which allows it \
                 only with CAP_SYS_ADMIN or to members of group {} (kernel.io_uring_group); join that group or \
                 set the sysctl to 0",
                host.io_uring_group.unwrap_or(-1)
            ),
            _ => format!(
                "io_uring_setup was refused (EPERM) although no sysctl forbids it: {}",
                filter_phrase(host)
            ),
        },
        libc::ENOSYS if host.version() >= (5, 1) => format!(
            "io_uring_setup does not exist (ENOSYS), yet the kernel ({release}) is new enough: {}",
            filter_phrase(host)
        ),
        libc::ENOSYS => {
            format!("the kernel ({release}) is older than io_uring; Linux 5.12 or newer is needed")
        }
        libc::ENOMEM => format!(
            "io_uring_setup found no memory (ENOMEM): {}, and a ring of 256 entries needs about {}; raise the \
             limit (ulimit -l, LimitMEMLOCK= of systemd) or the memory of the control group",
            host.memlock_phrase(),
            kib(RING_BYTES)
        ),
        libc::EMFILE | libc::ENFILE => {
            let limit = host.open_files.soft.map_or("unlimited".to_owned(), |n| n.to_string());
            format!(
                "io_uring_setup found no free file descriptor ({}): the limit is {limit}; raise it (ulimit -n)",
                name(errno)
            )
        }
        _ => format!("io_uring_setup failed with {} on kernel {release}", name(errno)),
    }
}

/// Locked memory of one ring of 256 entries, measured.
pub(super) const RING_BYTES: u64 = 28 << 10;

fn filter_phrase(host: &Host) -> String {
    match host.seccomp {
        Some(0) => "no seccomp filter is set, so a security module (SELinux, AppArmor) or a sandboxing kernel \
                    forbids it; allow io_uring_setup, io_uring_enter and io_uring_register there"
            .to_owned(),
        _ => "a seccomp filter blocks it, as the default profiles of Docker (EPERM) and Podman (ENOSYS) do; run \
              with a profile that allows io_uring_setup, io_uring_enter and io_uring_register"
            .to_owned(),
    }
}

/// The kernel's name and text for an errno.
pub(super) fn name(errno: i32) -> String {
    let symbol = match errno {
        libc::EPERM => "EPERM",
        libc::EACCES => "EACCES",
        libc::ENOSYS => "ENOSYS",
        libc::ENOMEM => "ENOMEM",
        libc::EINVAL => "EINVAL",
        libc::EMFILE => "EMFILE",
        libc::ENFILE => "ENFILE",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EBUSY => "EBUSY",
        libc::EFAULT => "EFAULT",
        _ => return std::io::Error::from_raw_os_error(errno).to_string(),
    };
    symbol.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(disabled: Option<u32>, seccomp: u32) -> Host {
        Host {
            release: "6.8.0".to_owned(),
            io_uring_disabled: disabled,
            io_uring_group: Some(991),
            seccomp: Some(seccomp),
            memlock: crate::os::Limit { soft: Some(64 << 10), hard: None },
            ..Host::default()
        }
    }

    #[track_caller]
    fn says(refusal: &Refusal, host: &Host, words: &[&str]) {
        let text = refusal.explain(host);
        for word in words {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
    }

    #[test]
    fn each_cause_has_its_own_sentence() {
        let eperm = Refusal::Setup(libc::EPERM);
        says(&eperm, &host(Some(2), 0), &["kernel.io_uring_disabled is 2", "set it to 0"]);
        says(&eperm, &host(Some(1), 0), &["kernel.io_uring_disabled is 1", "group 991"]);
        says(&eperm, &host(Some(0), 2), &["seccomp filter", "Docker"]);
        says(&eperm, &host(Some(0), 0), &["no seccomp filter", "SELinux"]);
        let enosys = Refusal::Setup(libc::ENOSYS);
        says(&enosys, &host(None, 2), &["new enough", "Podman"]);
        let old = Host { release: "4.19.0".to_owned(), ..host(None, 0) };
        says(&enosys, &old, &["4.19.0", "older than io_uring"]);
        says(&Refusal::Setup(libc::ENOMEM), &host(Some(0), 0), &["RLIMIT_MEMLOCK is 64 KiB", "ulimit -l"]);
        says(&Refusal::Setup(libc::EMFILE), &host(Some(0), 0), &["EMFILE", "ulimit -n"]);
        says(&Refusal::Missing("READ"), &host(Some(0), 0), &["without READ", "5.12"]);
        says(&Refusal::Nop(libc::EPERM), &host(Some(0), 2), &["no-op", "seccomp"]);
    }

    #[test]
    fn kinds_tell_what_can_be_done() {
        let kind = |errno| Refusal::Setup(errno).into_error(&host(Some(0), 0)).kind();
        assert_eq!(kind(libc::EPERM), IoErrorKind::Unsupported);
        assert_eq!(kind(libc::ENOMEM), IoErrorKind::Memory);
        assert_eq!(kind(libc::EMFILE), IoErrorKind::TooManyFiles);
    }
}
