//! What a ring can do, found out by asking it and by doing.

use io_uring::{IoUring, Parameters, Probe, opcode};

use super::build::{Build, errno};
use super::port::FILLER;
use super::refusal::Refusal;
use super::setup::{Flag, Flags};

/// Operations that a store needs, with the kernel's numbers.
pub(super) const OPCODES: [(&str, u8); 6] = [
    ("NOP", opcode::Nop::CODE),
    ("READ", opcode::Read::CODE),
    ("READ_FIXED", opcode::ReadFixed::CODE),
    ("WRITE", opcode::Write::CODE),
    ("WRITE_FIXED", opcode::WriteFixed::CODE),
    ("FSYNC", opcode::Fsync::CODE),
];

/// Feature bits: name, whether a store needs it, whether the ring has it.
pub(super) fn features(p: &Parameters) -> [(&'static str, bool, bool); 6] {
    [
        ("nodrop", true, p.is_feature_nodrop()),
        ("submit_stable", true, p.is_feature_submit_stable()),
        ("native_workers", true, p.is_feature_native_workers()),
        ("ext_arg", false, p.is_feature_ext_arg()),
        ("min_timeout", false, p.is_feature_min_timeout()),
        ("no_iowait", false, p.is_feature_no_iowait()),
    ]
}

/// Which of [`OPCODES`] the kernel says it has.
pub(super) fn opcodes(ring: &IoUring) -> Result<[(&'static str, bool); 6], Refusal> {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|e| Refusal::Register("probe", errno(&e)))?;
    Ok(OPCODES.map(|(name, code)| (name, probe.is_supported(code))))
}

/// Finds out whether a ring does what a store needs: features, operations, and a no-op there and back.
pub(super) fn verify(ring: &mut IoUring) -> Result<(), Refusal> {
    if let Some((name, ..)) = features(ring.params()).iter().find(|(_, needed, has)| *needed && !has) {
        return Err(Refusal::Missing(name));
    }
    if let Some((name, _)) = opcodes(ring)?.iter().find(|(_, has)| !has) {
        return Err(Refusal::Missing(name));
    }
    let noop = opcode::Nop::new().build().user_data(FILLER);
    // SAFETY: a no-op refers to no memory.
    let pushed = unsafe { ring.submission().push(&noop) };
    assert!(pushed.is_ok(), "a new ring has room for one entry");
    loop {
        match ring.submit_and_wait(1) {
            Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
            Err(e) => return Err(Refusal::Nop(errno(&e))),
            Ok(_) => match ring.completion().next() {
                Some(answer) if answer.result() < 0 => return Err(Refusal::Nop(-answer.result())),
                Some(_) => return Ok(()),
                None => {}
            },
        }
    }
}

/// What rings can do on this kernel, each thing tried.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Why io_uring cannot be used, if so; then the rest is empty.
    pub(crate) refusal: Option<Refusal>,
    /// Name, kernel that brought it, whether it works: setup flags.
    pub(crate) flags: Vec<(&'static str, &'static str, bool)>,
    /// Name and whether the ring has it: feature bits that a store uses.
    pub(crate) features: Vec<(&'static str, bool)>,
    /// Name and whether the kernel has it: operations.
    pub(crate) opcodes: Vec<(&'static str, bool)>,
    /// Whether a kernel thread may poll the queue.
    pub(crate) sqpoll: bool,
    /// Whether a ring can be restricted.
    pub(crate) restrict: bool,
}

/// Tries everything that a store may use of a ring.
pub(crate) fn survey() -> Survey {
    let small = Build { entries: 8, ..Build::default() };
    let mut survey = Survey {
        refusal: None,
        flags: Vec::new(),
        features: Vec::new(),
        opcodes: Vec::new(),
        sqpoll: false,
        restrict: false,
    };
    let mut ring = match small.ring(Flags::default()) {
        Ok(ring) => ring,
        Err(errno) => {
            survey.refusal = Some(Refusal::Setup(errno));
            return survey;
        }
    };
    survey.features = features(ring.params()).iter().map(|&(name, _, has)| (name, has)).collect();
    match opcodes(&ring) {
        Ok(opcodes) => survey.opcodes = opcodes.to_vec(),
        Err(refusal) => survey.refusal = Some(refusal),
    }
    if survey.refusal.is_none() {
        survey.refusal = verify(&mut ring).err();
    }
    // Each with the flags that it requires.
    survey.flags = Flag::ALL
        .map(|flag| {
            let with = match flag {
                Flag::TaskrunFlag => Flags::of(&[Flag::CoopTaskrun, flag]),
                Flag::DeferTaskrun => Flags::of(&[Flag::SingleIssuer, flag]),
                _ => Flags::of(&[flag]),
            };
            // Flags are looked at before memory is: want of it says that they are known.
            let is_known = !matches!(small.ring(with), Err(errno) if errno != libc::ENOMEM);
            (flag.name(), flag.since(), is_known)
        })
        .to_vec();
    let polled = Build { sqpoll_ms: Some(1), ..small };
    let restricted = Build { restrict: true, ..small };
    survey.sqpoll = polled.ring(Flags::default()).is_ok();
    survey.restrict = restricted.ring(Flags::of(&[Flag::Disabled])).is_ok();
    survey
}
