//! Moments at which another thread may come between (tests only).
//!
//! Some mistakes show only if a compaction runs to its end between two instructions of a reader, which threads hardly ever bring about. So the
//! places where a call meets what others change are *points* ([`point`]), and a test has what another thread might do there done by the
//! caller's own thread, in the middle of its call ([`after`]): each interleaving with a whole job is then a case, not a matter of luck.
//!
//! A point lies inside the operation on the shared thing, before it and behind it, and not between the lines of its callers: so it comes between
//! whatever two of these operations follow each other, in whatever order they are written.

use std::cell::RefCell;

type Job = Box<dyn FnOnce()>;

thread_local! {
    /// What is to happen on this thread, and how many points are passed before.
    static PENDING: RefCell<Option<(usize, Job)>> = const { RefCell::new(None) };
}

/// Another thread may come between here, as far as no lock keeps it out: see to that in the job.
pub(crate) fn point() {
    let due = PENDING.with_borrow_mut(|pending| match pending {
        Some((0, _)) => pending.take().map(|(_, job)| job),
        Some((points, _)) => {
            *points -= 1;
            None
        }
        None => None,
    });
    // Taken out: the points that the job passes itself are its own.
    if let Some(job) = due {
        job();
    }
}

/// Has `job` done at a point of this thread, after so many others.
pub(crate) fn after(points: usize, job: impl FnOnce() + 'static) {
    PENDING.set(Some((points, Box::new(job))));
}

/// Forgets the job. Returns whether it was done.
pub(crate) fn was_done() -> bool {
    PENDING.take().is_none()
}

mod tests;
