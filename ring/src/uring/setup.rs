//! Which setup flags a ring gets: what its user wants, less what this kernel refuses.
//!
//! A kernel that does not know a flag answers EINVAL without saying which. So the newest flag is dropped and the call
//! made again, until it works; what was dropped is remembered for the disk, so that only its first rings pay for this.
//! Version numbers decide nothing: vendors' kernels lie.

use crate::{Class, Owner};

/// A setup flag, in the order in which kernels learned them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(clippy::enum_variant_names, reason = "the kernel's names")]
pub(super) enum Flag {
    /// 5.6: too large a queue is cut to the maximum instead of refused.
    Clamp,
    /// 5.10: the ring starts disabled; whoever enables it owns it, and restrictions can be set before.
    Disabled,
    /// 5.18: one bad entry does not stop the rest of a batch.
    SubmitAll,
    /// 5.19: a completion does not interrupt the thread that submitted.
    CoopTaskrun,
    /// 5.19: the shared memory says when there is completion work to run.
    TaskrunFlag,
    /// 6.0: the kernel keeps other threads away.
    SingleIssuer,
    /// 6.1: completion work runs only when the owner asks for completions.
    DeferTaskrun,
    /// 6.6: no index array between the queue and its entries.
    NoSqarray,
}

impl Flag {
    pub(super) const ALL: [Flag; 8] = [
        Flag::Clamp,
        Flag::Disabled,
        Flag::SubmitAll,
        Flag::CoopTaskrun,
        Flag::TaskrunFlag,
        Flag::SingleIssuer,
        Flag::DeferTaskrun,
        Flag::NoSqarray,
    ];

    /// The kernel's word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Flag::Clamp => "clamp",
            Flag::Disabled => "r_disabled",
            Flag::SubmitAll => "submit_all",
            Flag::CoopTaskrun => "coop_taskrun",
            Flag::TaskrunFlag => "taskrun_flag",
            Flag::SingleIssuer => "single_issuer",
            Flag::DeferTaskrun => "defer_taskrun",
            Flag::NoSqarray => "no_sqarray",
        }
    }

    /// The kernel that brought it.
    pub(super) fn since(self) -> &'static str {
        match self {
            Flag::Clamp => "5.6",
            Flag::Disabled => "5.10",
            Flag::SubmitAll => "5.18",
            Flag::CoopTaskrun | Flag::TaskrunFlag => "5.19",
            Flag::SingleIssuer => "6.0",
            Flag::DeferTaskrun => "6.1",
            Flag::NoSqarray => "6.6",
        }
    }
}

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) fn of(flags: &[Flag]) -> Self {
        flags.iter().fold(Self::default(), |set, &f| set.with(f))
    }

    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & 1 << flag as u8 != 0
    }

    pub(super) fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u8)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Oldest first.
    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |&f| self.has(f))
    }
}

/// What decides the flags of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    /// The log's rings advance linked chains while their owner does something else.
    pub(super) log: bool,
    /// One thread, or whoever holds the lane.
    pub(super) owner: Owner,
    /// A kernel thread polls the submission queue.
    pub(super) sqpoll: bool,
    /// Restricted to the operations of a store.
    pub(super) restrict: bool,
}

impl Role {
    pub(super) fn new(class: Class, owner: Owner, sqpoll: bool, restrict: bool) -> Self {
        Self { log: class == Class::Log, owner, sqpoll, restrict }
    }

    /// The flags of such a ring on a kernel that refuses `refused`.
    ///
    /// * **Log:** no deferred or cooperative task work. A link is re-submitted by task work; with `DEFER_TASKRUN` that
    ///   runs only while the owner waits, so a chain would stand still while the owner forms the next group, and a
    ///   quiet machine measured the chain slower with it (p50 91 µs) than with default flags (84 µs).
    /// * **Thread:** `SINGLE_ISSUER` and `DEFER_TASKRUN`: no interrupts, completions in batches when asked for.
    /// * **Pool:** `COOP_TASKRUN`: no interrupts either, and any thread may be the next to use it.
    /// * **SQPOLL** excludes all three.
    pub(super) fn wanted(self, refused: Flags) -> Flags {
        let mut flags = Flags::of(&[Flag::Clamp, Flag::SubmitAll, Flag::NoSqarray]);
        if self.owner == Owner::Thread {
            flags = flags.with(Flag::SingleIssuer).with(Flag::Disabled);
        }
        if !self.sqpoll && !self.log {
            let defer = self.owner == Owner::Thread && !refused.has(Flag::DeferTaskrun);
            let quiet = if defer && !refused.has(Flag::SingleIssuer) {
                Flag::DeferTaskrun
            } else {
                Flag::CoopTaskrun
            };
            // The flag word is of use (and allowed) only together with one of the two.
            flags = flags.with(quiet);
            if !refused.has(quiet) {
                flags = flags.with(Flag::TaskrunFlag);
            }
        }
        if refused.has(Flag::SingleIssuer) {
            flags = flags.without(Flags::of(&[Flag::Disabled]));
        }
        if self.restrict {
            // Asked for explicitly: refused rather than dropped, see `climb_down`.
            flags = flags.with(Flag::Disabled);
        }
        flags.without(refused)
    }
}

/// Calls `build` with fewer and fewer flags until it succeeds or fails with something else than EINVAL. On success
/// `refused` has learned what was dropped on the way; on failure it is as before, since another cause than the flags
/// may be behind it.
pub(super) fn climb_down<T>(
    role: Role,
    refused: &mut Flags,
    mut build: impl FnMut(Flags) -> Result<T, i32>,
) -> Result<(T, Flags), i32> {
    let mut dropped = *refused;
    loop {
        let flags = role.wanted(dropped);
        if role.restrict && !flags.has(Flag::Disabled) {
            return Err(libc::EINVAL);
        }
        match build(flags) {
            Ok(ring) => {
                *refused = dropped;
                return Ok((ring, flags));
            }
            Err(libc::EINVAL) => match flags.iter().next_back() {
                Some(newest) => dropped = dropped.with(newest),
                None => return Err(libc::EINVAL),
            },
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Flag::*;

    const THREAD: Role = Role { log: false, owner: Owner::Thread, sqpoll: false, restrict: false };
    const POOL: Role = Role { owner: Owner::Pool, ..THREAD };

    /// A kernel that knows only `known`, with the kernel's own rules on combinations.
    fn kernel(known: &'static [Flag]) -> impl FnMut(Flags) -> Result<(), i32> {
        move |flags| {
            let bad = flags.iter().any(|f| !known.contains(&f))
                || flags.has(DeferTaskrun) && !flags.has(SingleIssuer)
                || flags.has(TaskrunFlag) && !(flags.has(CoopTaskrun) || flags.has(DeferTaskrun));
            if bad { Err(libc::EINVAL) } else { Ok(()) }
        }
    }

    fn granted(role: Role, known: &'static [Flag]) -> Flags {
        let mut refused = Flags::default();
        let (_, flags) = climb_down(role, &mut refused, kernel(known)).unwrap();
        // The memory of the first ring makes the second succeed at once.
        let mut calls = 0;
        climb_down(role, &mut refused, |f| {
            calls += 1;
            kernel(known)(f)
        })
        .unwrap();
        assert_eq!(calls, 1);
        flags
    }

    const V6_6: &[Flag] = &Flag::ALL;
    const V6_1: &[Flag] = &[Clamp, Disabled, SubmitAll, CoopTaskrun, TaskrunFlag, SingleIssuer, DeferTaskrun];
    const V6_0: &[Flag] = &[Clamp, Disabled, SubmitAll, CoopTaskrun, TaskrunFlag, SingleIssuer];
    const V5_19: &[Flag] = &[Clamp, Disabled, SubmitAll, CoopTaskrun, TaskrunFlag];
    const V5_15: &[Flag] = &[Clamp, Disabled];

    #[test]
    fn each_kernel_gets_the_best_it_knows() {
        let thread = [Clamp, Disabled, SubmitAll, TaskrunFlag, SingleIssuer, DeferTaskrun];
        assert_eq!(granted(THREAD, V6_6), Flags::of(&thread).with(NoSqarray));
        assert_eq!(granted(THREAD, V6_1), Flags::of(&thread));
        assert_eq!(
            granted(THREAD, V6_0),
            Flags::of(&[Clamp, Disabled, SubmitAll, CoopTaskrun, TaskrunFlag, SingleIssuer])
        );
        assert_eq!(granted(THREAD, V5_19), Flags::of(&[Clamp, SubmitAll, CoopTaskrun, TaskrunFlag]));
        assert_eq!(granted(THREAD, V5_15), Flags::of(&[Clamp]));
        assert_eq!(granted(THREAD, &[]), Flags::default());
        assert_eq!(granted(POOL, V6_6), Flags::of(&[Clamp, SubmitAll, CoopTaskrun, TaskrunFlag, NoSqarray]));
        assert_eq!(granted(POOL, V5_15), Flags::of(&[Clamp]));
    }

    #[test]
    fn the_logs_chains_advance_by_themselves() {
        for owner in [Owner::Thread, Owner::Pool] {
            let flags = Role::new(Class::Log, owner, false, false).wanted(Flags::default());
            assert!(!flags.has(DeferTaskrun) && !flags.has(CoopTaskrun) && !flags.has(TaskrunFlag));
            assert_eq!(flags.has(SingleIssuer), owner == Owner::Thread);
        }
    }

    #[test]
    fn sqpoll_excludes_task_run_flags() {
        let flags = Role { sqpoll: true, ..THREAD }.wanted(Flags::default());
        assert_eq!(flags, Flags::of(&[Clamp, Disabled, SubmitAll, SingleIssuer, NoSqarray]));
    }

    #[test]
    fn restriction_is_refused_rather_than_dropped() {
        let role = Role { restrict: true, ..POOL };
        assert!(granted(role, V5_15).has(Disabled));
        let mut refused = Flags::default();
        assert_eq!(climb_down(role, &mut refused, kernel(&[Clamp])), Err(libc::EINVAL));
        assert_eq!(refused, Flags::default());
    }

    #[test]
    fn other_errors_are_not_blamed_on_flags() {
        let mut refused = Flags::default();
        let result: Result<((), Flags), i32> = climb_down(THREAD, &mut refused, |_| Err(libc::ENOMEM));
        assert_eq!(result, Err(libc::ENOMEM));
        let result: Result<((), Flags), i32> = climb_down(THREAD, &mut refused, |_| Err(libc::EINVAL));
        assert_eq!(result, Err(libc::EINVAL));
        assert_eq!(refused, Flags::default(), "EINVAL to the end has another cause than the flags");
    }
}
