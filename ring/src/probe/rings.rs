//! The kernel, its rings, and the limits on them.

use super::{Level, Probe};
use crate::os::{Host, kib};
use crate::uring::Survey;

const KERNEL: &str = "kernel";
const RING: &str = "io_uring";
const LIMITS: &str = "limits";

pub(super) fn kernel(probe: &mut Probe, host: &Host) {
    let (level, meaning) = match host.version() {
        v if v >= (6, 12) => {
            (Level::Ok, "new enough for everything that a store uses, shared registered buffers included")
        }
        v if v >= (5, 12) => (Level::Ok, "new enough; 6.12 or later shares registered buffers between rings"),
        _ => (Level::Bad, "too old for io_uring as a store needs it: 5.12 or later"),
    };
    probe.add(KERNEL, "release", &host.release, level, meaning);
    if let Some(value) = host.io_uring_disabled {
        let (level, meaning) = match value {
            0 => (Level::Ok, "every process may use io_uring"),
            1 => (
                Level::Warn,
                "only privileged processes and members of kernel.io_uring_group may use io_uring; join that group, or set the \
                 sysctl to 0",
            ),
            _ => (Level::Bad, "no process may use io_uring; set the sysctl to 0 to allow it"),
        };
        probe.add(KERNEL, "kernel.io_uring_disabled", value.to_string(), level, meaning);
    }
    if let Some(mode) = host.seccomp {
        let (value, meaning) = match mode {
            0 => ("none", "no filter stands between this process and the kernel"),
            _ => ("filtered", "a filter is set; whether it lets io_uring through is seen below"),
        };
        probe.add(KERNEL, "seccomp", value, Level::Ok, meaning);
    }
}

pub(super) fn rings(probe: &mut Probe, host: &Host, survey: &Survey) {
    if let Some(refusal) = &survey.refusal {
        probe.add(RING, "available", "no", Level::Bad, refusal.explain(host));
        return;
    }
    probe.add(RING, "available", "yes", Level::Ok, "rings can be made, and a no-op went there and back");
    for (name, has) in &survey.opcodes {
        let meaning = if *has {
            "the kernel has the operation"
        } else {
            "the kernel lacks an operation that is needed"
        };
        probe.add(RING, name, yes(*has), level(*has, Level::Bad), meaning);
    }
    for (name, has) in &survey.features {
        probe.add(RING, name, yes(*has), level(*has, Level::Warn), feature_meaning(name));
    }
    for (name, since, works) in &survey.flags {
        let meaning = format!("{} (Linux {since})", flag_meaning(name));
        probe.add(RING, name, yes(*works), level(*works, Level::Warn), meaning);
    }
    let meaning = "a kernel thread can poll the queue (an option, off by default; it takes a core)";
    probe.add(RING, "sqpoll", yes(survey.sqpoll), Level::Ok, meaning);
    let meaning =
        "a ring can be restricted, for good, to what a store does: reads, writes and syncs (Linux 5.10)";
    probe.add(RING, "restrictions", yes(survey.restrict), Level::Ok, meaning);
}

fn feature_meaning(name: &str) -> &'static str {
    match name {
        "nodrop" => "completions are never lost",
        "submit_stable" => "a submitted entry may be overwritten at once",
        "native_workers" => "what cannot be done at once is done by threads of this process",
        "ext_arg" => "a wait can have a time limit",
        "min_timeout" => "background work can wait for a batch of completions, for a little while",
        _ => "background work can wait without being counted as the CPU's I/O wait",
    }
}

fn flag_meaning(name: &str) -> &'static str {
    match name {
        "clamp" => "a queue too large is cut instead of refused",
        "r_disabled" => "a ring can be made by one thread for another",
        "submit_all" => "one bad entry does not hold up a batch",
        "coop_taskrun" => "completions do not interrupt a thread",
        "taskrun_flag" => "a lane sees without a system call whether there is completion work",
        "single_issuer" => "the kernel keeps other threads away from a ring",
        "defer_taskrun" => "completions are handled in batches, when asked for",
        _ => "one memory access less for each operation",
    }
}

pub(super) fn limits(probe: &mut Probe, host: &Host) {
    match host.lockable_bytes() {
        None => {
            let meaning = "all I/O memory can be registered with rings";
            probe.add(LIMITS, "locked memory", "unlimited", Level::Ok, meaning);
        }
        Some(bytes) => {
            let level = if bytes < 64 << 20 { Level::Warn } else { Level::Ok };
            let meaning = "I/O memory beyond about three quarters of this is used unregistered, which costs some CPU for each \
                           operation; raise it with ulimit -l or LimitMEMLOCK= of systemd";
            probe.add(LIMITS, "locked memory", kib(bytes), level, meaning);
        }
    }
    let files = host.open_files;
    let few = files.soft.is_some_and(|n| n < 1024);
    let text = |n: Option<u64>| n.map_or("unlimited".to_owned(), |n| n.to_string());
    let value = format!("{} (at most {})", text(files.soft), text(files.hard));
    let meaning = "each table, log segment and ring takes one; raise it with ulimit -n for large stores";
    probe.add(LIMITS, "open files", value, if few { Level::Warn } else { Level::Ok }, meaning);
}

fn yes(has: bool) -> &'static str {
    if has { "yes" } else { "no" }
}

fn level(has: bool, otherwise: Level) -> Level {
    if has { Level::Ok } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uring::Refusal;

    #[test]
    fn a_refusal_is_all_there_is_to_say() {
        let survey = Survey {
            refusal: Some(Refusal::Setup(libc::EPERM)),
            flags: Vec::new(),
            features: Vec::new(),
            opcodes: Vec::new(),
            sqpoll: false,
            restrict: false,
        };
        let host = Host { io_uring_disabled: Some(2), ..Host::default() };
        let mut probe = Probe::default();
        kernel(&mut probe, &host);
        rings(&mut probe, &host, &survey);
        assert_eq!(probe.worst(), Level::Bad);
        let available = probe.get(RING, "available").unwrap();
        assert!(available.meaning.contains("io_uring_disabled is 2"), "{available:?}");
        assert!(probe.get(RING, "sqpoll").is_none());
        assert_eq!(probe.get(KERNEL, "kernel.io_uring_disabled").unwrap().level, Level::Bad);
    }
}
