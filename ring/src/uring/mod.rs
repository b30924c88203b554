//! The io_uring backend: a ring a lane, I/O memory registered once for all of them.
//!
//! `docs/ring.md` explains the rules; here is where they live:
//!
//! | module | what it does | unsafe |
//! |---|---|---|
//! | `core`, `chain`, `judge`, `request`, `slab` | the lane's logic, over a [`Port`](port::Port): queueing, chains, retries, waiting | one push |
//! | `lane` | who may use a lane, and dropping it | |
//! | `kernel` | the kernel's ring as a port | yes |
//! | `build` | making rings, restricting them, keeping forked children away | one drop |
//! | `buffers` | registered buffers and their ladder | one call |
//! | `setup` | setup flags and their ladder | |
//! | `inspect`, `refusal` | whether io_uring works here, and if not, why | a no-op |
//! | `fork` | which process this is | one atomic |
//!
//! Registered *files* are left out: a slot keeps a removed table or log segment alive until it is overwritten in every ring, and what
//! they save (one atomic an operation) is small beside what registered buffers save.

mod buffers;
mod build;
mod chain;
mod config;
mod core;
mod fork;
mod inspect;
mod judge;
mod kernel;
mod lane;
mod port;
mod refusal;
mod request;
mod setup;
mod slab;

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod tests;

use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use self::buffers::Registry;
use self::build::{Build, OwnRing};
pub use self::config::{RegisteredBuffers, Restrict, UringConfig};
use self::core::Core;
use self::fork::Process;
pub(crate) use self::inspect::{Survey, survey};
use self::kernel::{KernelPort, Waits};
pub(crate) use self::refusal::Refusal;
use self::refusal::ring_path;
use self::setup::{Flags, Role, climb_down};
use crate::os::Host;
use crate::syscall::SyscallLane;
use crate::{Arena, Caps, Class, Counters, Disk, IoError, IoErrorKind, Lane, LaneSpec, Owner, Result, os};

/// Most entries of a submission queue that kernels give.
const DEPTH_MAX: u32 = 32_768;
/// Completions that a lingering wait asks for at most.
const LINGER_ANSWERS: usize = 32;

/// A disk through io_uring. Any thread may use it.
#[derive(Debug)]
pub struct UringDisk {
    arena: Arc<Arena>,
    counters: Arc<Counters>,
    config: UringConfig,
    process: Process,
    /// Setup flags that this kernel refused so far.
    refused: Mutex<Flags>,
    /// Setup flags that its rings have, all kinds together.
    granted: Flags,
    registry: Arc<Registry>,
    /// The ring whose polling thread all others share.
    poller: Option<Arc<OwnRing>>,
    can_linger: bool,
    can_skip_iowait: bool,
    /// Rings are restricted to a store's operations.
    is_restricted: bool,
    degraded: Vec<String>,
    /// Whether a lane for which there is no memory to be locked goes through system calls, instead of being an error.
    may_stand_in: bool,
    /// Why one did.
    stood_in: OnceLock<String>,
}

impl UringDisk {
    /// A disk whose lanes use `arena`, if io_uring works here: a few small rings are made and tried, which costs well under a
    /// millisecond.
    ///
    /// # Errors
    /// [`Unsupported`](IoErrorKind::Unsupported), [`Memory`](IoErrorKind::Memory) or
    /// [`TooManyFiles`](IoErrorKind::TooManyFiles), with a sentence that names the cause and the remedy.
    pub fn new(arena: Arc<Arena>, config: UringConfig) -> Result<Arc<Self>> {
        Self::probe(arena, config, false).map_err(|refusal| refusal.into_error(&Host::read()))
    }

    /// As [`new`](Self::new), with the refusal as it is. With `may_stand_in`, lanes that find no memory for a ring go through system calls.
    pub(crate) fn probe(
        arena: Arc<Arena>,
        mut config: UringConfig,
        may_stand_in: bool,
    ) -> std::result::Result<Arc<Self>, Refusal> {
        let host = Host::read();
        let mut refused = Flags::default();
        let mut degraded = Vec::new();
        let small = Build { entries: 8, ..Build::default() };
        let mut make = |role: Role, build: Build| {
            patiently(|| climb_down(role, &mut refused, |flags| build.ring(flags))).map_err(Refusal::Setup)
        };
        // One ring of each kind, so that the flags are known; the first also shows that rings work at all.
        let (mut pooled, pool_flags) = make(Role::new(Class::Get, Owner::Pool, false, false), small)?;
        inspect::verify(&mut pooled)?;
        let (features, pooled) = (pooled.params().clone(), pooled);
        let poll = config.sqpoll.map(|idle| Build { sqpoll_ms: Some(whole_ms(idle)), ..small });
        let poller = poll.and_then(|build| {
            let made = make(Role::new(Class::Get, Owner::Pool, true, false), build);
            made.map_err(|refusal| {
                config.sqpoll = None;
                let why = refusal.explain(&host);
                degraded.push(format!("polling of the submission queue (SQPOLL) is not to be had: {why}"));
            })
            .ok()
        });
        let sqpoll = poller.is_some();
        let mut owned = |restrict: bool| {
            let role = Role::new(Class::Flush, Owner::Thread, sqpoll, restrict);
            make(role, Build { restrict, ..small }).map(|(_, flags)| flags)
        };
        let mut is_restricted = config.restrict != Restrict::Off;
        let owned = owned(is_restricted).or_else(|refusal| {
            if config.restrict != Restrict::IfPossible {
                return Err(refusal);
            }
            is_restricted = false;
            let why = refusal.explain(&host);
            degraded.push(format!("rings cannot be restricted to a store's operations: {why}"));
            owned(false)
        })?;
        let (master, is_poller) = match poller {
            Some((ring, _)) => (ring, true),
            None => (make(Role::new(Class::Get, Owner::Pool, false, false), small)?.0, false),
        };
        let master = Arc::new(OwnRing::new(master));
        let poller = is_poller.then(|| Arc::clone(&master));
        let registry = Registry::new(Arc::clone(&arena), config.buffers.best(), master, &pooled, &host);
        if refused != Flags::default() {
            let names: Vec<String> =
                refused.iter().map(|f| format!("{} ({})", f.name(), f.since())).collect();
            degraded.push(format!(
                "the kernel ({}) refuses the ring flags {}: operations cost more interrupts, nothing else changes",
                host.release,
                names.join(", ")
            ));
        }
        let log = Role::new(Class::Log, Owner::Thread, sqpoll, is_restricted).wanted(refused);
        let quiet = if sqpoll { Flags::default() } else { pool_flags };
        Ok(Arc::new(Self {
            arena,
            counters: Arc::default(),
            process: Process::current(),
            refused: Mutex::new(refused),
            granted: owned.union(log).union(quiet),
            registry: Arc::new(registry),
            poller,
            can_linger: features.is_feature_min_timeout() && features.is_feature_ext_arg(),
            can_skip_iowait: features.is_feature_no_iowait(),
            degraded,
            is_restricted,
            config,
            may_stand_in,
            stood_in: OnceLock::new(),
        }))
    }

    /// How lanes of a class wait: background work waits for batches, and its waiting is not the CPU's.
    fn waits(&self, class: Class) -> Waits {
        let background = matches!(class, Class::Flush | Class::Compaction);
        let whole = |time: &Duration| time.as_micros() > 0;
        Waits {
            no_iowait: background && self.can_skip_iowait,
            linger: self.config.linger.filter(whole).filter(|_| background && self.can_linger),
        }
    }

    /// A lane of system calls in place of one that found no memory for its ring.
    fn stand_in(&self, spec: LaneSpec) -> Box<dyn Lane> {
        self.stood_in.get_or_init(|| {
            let cause = Refusal::Setup(libc::ENOMEM).explain(&Host::read());
            log::warn!("there is no room for another ring, so a part of the I/O goes through plain system calls: {cause}");
            format!("a part of the I/O goes through plain system calls: {cause}")
        });
        Box::new(SyscallLane::new(Arc::clone(&self.counters), spec))
    }
}

/// Tries so many times, so far apart, where locked memory is short: the kernel charges rings until a moment after they were closed.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
fn patiently<T>(mut make: impl FnMut() -> std::result::Result<T, i32>) -> std::result::Result<T, i32> {
    for _ in 1..TRIES {
        match make() {
            Err(libc::ENOMEM) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    make()
}

/// A polling thread's idle time as the kernel takes it; 0 would mean its default.
fn whole_ms(idle: Duration) -> u32 {
    idle.as_millis().clamp(1, u128::from(u32::MAX)) as u32
}

impl Disk for UringDisk {
    fn caps(&self) -> Caps {
        let mut features: Vec<&'static str> = self.granted.iter().map(setup::Flag::name).collect();
        features.push(self.registry.rung().feature());
        let waits = self.waits(Class::Compaction);
        let optional = [
            ("min_wait", waits.linger.is_some()),
            ("no_iowait", waits.no_iowait),
            ("sqpoll", self.poller.is_some()),
            ("restricted", self.is_restricted),
        ];
        features.extend(optional.iter().filter(|(_, on)| *on).map(|(name, _)| name));
        let stood_in = self.stood_in.get().cloned().into_iter().collect();
        let degraded = [self.degraded.clone(), self.registry.notes(), stood_in].concat();
        Caps { backend: "io_uring", features, degraded }
    }
    fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }
    fn counters(&self) -> &Counters {
        &self.counters
    }
    fn lane(&self, spec: LaneSpec) -> Result<Box<dyn Lane>> {
        if !self.process.is_current() {
            let hint =
                "the disk was opened before a fork, by the parent process; open the store anew in the child";
            return Err(IoError::new("set up", ring_path(), IoErrorKind::Failed, hint));
        }
        let depth = spec.depth.clamp(1, DEPTH_MAX).next_power_of_two();
        let build = Build {
            entries: depth,
            sqpoll_ms: self.config.sqpoll.map(whole_ms),
            attach: self.poller.as_ref().map(|ring| ring.as_raw_fd()),
            restrict: self.is_restricted,
        };
        let role = Role::new(spec.class, spec.owner, self.poller.is_some(), self.is_restricted);
        let mut refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |errno| Refusal::Setup(errno).into_error(&Host::read());
        // Once one has stood in there is no waiting any more.
        let mut make = || climb_down(role, &mut refused, |flags| build.ring(flags));
        let made = if self.stood_in.get().is_some() { make() } else { patiently(make) };
        let (ring, flags) = match made {
            Err(libc::ENOMEM) if self.may_stand_in => return Ok(self.stand_in(spec)),
            made => made.map_err(failed)?,
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        let waits = self.waits(spec.class);
        let linger = waits.linger.map_or(0, |_| LINGER_ANSWERS);
        let mut port = KernelPort::new(ring, flags, waits, Arc::clone(&self.registry));
        if spec.owner == Owner::Pool {
            port.enable().map_err(failed)?;
        }
        let depth = (depth as usize).min(port::Port::capacity(&port));
        let core = Core::new(port, Arc::clone(&self.counters), spec.class, depth, linger);
        Ok(Box::new(lane::UringLane::new(core, spec.owner)))
    }
    os::os_calls!();
}
