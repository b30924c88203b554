//! Who makes background work happen: threads, or, in the simulation, the waiting calls themselves.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;

use ringwood_ring::Stepper;
use ringwood_wal::{Progress, Pump};

use crate::background::{Role, Step, Worker};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// The background of one open store.
pub(crate) enum Tasks {
    Threads { log: Option<JoinHandle<()>>, workers: Vec<JoinHandle<()>> },
    Stepped(Arc<SteppedTasks>),
}

impl Tasks {
    /// Starts the log's thread, one that flushes, those that compact, and one that reads ahead. If one cannot be started, none is left behind.
    pub(crate) fn start(store: &Arc<Store>, mut pump: Pump) -> Result<Self> {
        let all = workers(store)?;
        let mut tasks = (None, Vec::new());
        let started = spawn("ringwood-log".into(), move || drop(pump.run())).and_then(|log| {
            tasks.0 = Some(log);
            for (i, worker) in all.into_iter().enumerate() {
                let name = if i == 0 { "ringwood-flush".to_owned() } else { format!("ringwood-comp{i}") };
                let store = Arc::clone(store);
                tasks.1.push(spawn(name, move || worker.run(&store))?);
            }
            let store = Arc::clone(store);
            tasks.1.push(spawn("ringwood-scan".into(), move || store.scans.run())?);
            Ok(())
        });
        let mut tasks = Tasks::Threads { log: tasks.0, workers: tasks.1 };
        if let Err(error) = started {
            tasks.stop_workers(store);
            let _ = store.log.close();
            tasks.join_log();
            return Err(error);
        }
        Ok(tasks)
    }

    /// Stops flushes, compactions and reading ahead where they are.
    pub(crate) fn stop_workers(&mut self, store: &Store) {
        store.background.close();
        store.scans.close();
        match self {
            Tasks::Threads { workers, .. } => workers.drain(..).for_each(|w| drop(w.join())),
            Tasks::Stepped(tasks) => tasks.stop_workers(store),
        }
    }

    /// Waits for the log, which has been told to close.
    pub(crate) fn join_log(&mut self) {
        match self {
            Tasks::Threads { log, .. } => drop(log.take().map(JoinHandle::join)),
            // Its gates hold the stepper, which holds the pump: here the circle ends.
            Tasks::Stepped(tasks) => drop(tasks.lock_pump().take()),
        }
    }
}

/// One worker that flushes, then those that compact.
fn workers(store: &Arc<Store>) -> Result<Vec<Worker>> {
    let compactors = (0..store.budget.compaction_threads).map(|_| Role::Compact);
    std::iter::once(Role::Flush).chain(compactors).map(|role| Worker::new(store, role)).collect()
}

pub(crate) fn spawn<T: Send + 'static>(
    name: String,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let hint = "raise the limit of processes (ulimit -u)";
    let spawned = std::thread::Builder::new().name(name).spawn(body);
    spawned.map_err(|e| Error::new(ErrorKind::Io, format!("cannot start a thread: {e}; {hint}")))
}

/// Background work that is stepped from inside waiting calls. One thread; the disk's seed picks who goes next.
#[derive(Default)]
pub(crate) struct SteppedTasks {
    pump: Mutex<Option<Pump>>,
    workers: OnceLock<Vec<Mutex<Worker>>>,
    store: OnceLock<Weak<Store>>,
}

impl SteppedTasks {
    pub(crate) fn stepper(self: &Arc<Self>) -> Stepper {
        let tasks = Arc::clone(self);
        Arc::new(move || tasks.step())
    }

    pub(crate) fn start(self: &Arc<Self>, store: &Arc<Store>, pump: Pump) -> Result<Tasks> {
        let workers = workers(store)?;
        let _ = self.workers.set(workers.into_iter().map(Mutex::new).collect());
        // Last: from here on it is in a circle, which `join_log` ends.
        *self.lock_pump() = Some(pump);
        let _ = self.store.set(Arc::downgrade(store));
        Ok(Tasks::Stepped(Arc::clone(self)))
    }

    fn lock_pump(&self) -> std::sync::MutexGuard<'_, Option<Pump>> {
        self.pump.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one step of someone's work. False if nobody has any.
    pub(crate) fn step(&self) -> bool {
        let Some(store) = self.store.get().and_then(Weak::upgrade) else {
            return self.step_pump();
        };
        let workers = self.workers.get().map_or(&[][..], Vec::as_slice);
        let count = workers.len() + 1;
        let start = store.disk.random() as usize % count;
        (0..count).map(|i| (start + i) % count).any(|who| match workers.get(who) {
            // A step that waits (for the log's ring, say) steps others, not itself.
            Some(worker) => worker
                .try_lock()
                .is_ok_and(|mut w| w.step(&store, store.disk.random() & 1 == 0) == Step::Progress),
            None => self.step_pump(),
        })
    }

    fn step_pump(&self) -> bool {
        let Ok(mut pump) = self.pump.try_lock() else { return false };
        pump.as_mut().is_some_and(|pump| matches!(pump.step(true), Ok(Progress::Worked)))
    }

    fn stop_workers(&self, store: &Store) {
        for worker in self.workers.get().into_iter().flatten() {
            worker.lock().unwrap_or_else(PoisonError::into_inner).abandon(store);
        }
    }
}
