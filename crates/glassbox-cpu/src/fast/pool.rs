//! A pool of threads for work that lasts microseconds.
//!
//! A training step of a small network is a dozen pieces of work of some ten microseconds each, so
//! a worker spins for a moment before it sleeps, and no one waits for a thread that has not woken
//! up: tasks are taken one by one by whoever is free, and the caller takes all that are left. Which
//! thread does a task changes nothing, because tasks are cut by shape and write apart.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// How many times a waiting thread looks before it gives up its core. A look with its pause takes
/// some 50 ns on the processors we measured, so this is a fifth of a millisecond: longer than any
/// gap within a training step, and short beside a person's patience.
const SPINS: u32 = 4000;

/// Threads that wait for work together. The thread that calls [`run`](Pool::run) is one of them.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// One call of `run` at a time.
    turn: Mutex<()>,
}

struct Shared {
    /// The work at hand, replaced before each new round.
    job: Mutex<Option<Job>>,
    /// The round in the upper half, the next task to take in the lower: one number, so that no
    /// thread takes a task of one round for that of another.
    next: AtomicU64,
    /// Tasks of this round that are done.
    done: AtomicUsize,
    stop: AtomicBool,
    /// What a task panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// What a task panics with because another did.
pub(crate) struct Abandoned;

/// The address of a closure, how many tasks it has, and its round.
#[derive(Clone, Copy)]
struct Job {
    body: *const (dyn Fn(usize) + Sync),
    tasks: u32,
    round: u32,
}

// SAFETY: the closure may be called from any thread; that it still exists is promised where it is.
unsafe impl Send for Job {}

impl Pool {
    /// A pool of `threads` in all, at least one, or as many as the system grants.
    pub fn new(threads: usize) -> Pool {
        let shared = Arc::new(Shared {
            job: Mutex::new(None),
            next: AtomicU64::new(0),
            done: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let workers = (1..threads).map(|index| {
            let shared = Arc::clone(&shared);
            let name = format!("glassbox-{index}");
            thread::Builder::new().name(name).spawn(move || shared.work())
        });
        // Where the system refuses a thread, those that there are do the work.
        let workers = workers.map_while(Result::ok).collect();
        Pool { shared, workers, turn: Mutex::new(()) }
    }

    /// How many threads take part.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `body(t)` for every `t` in `0..tasks` and returns when all are done. A panic in a task
    /// is passed on. `body` must not call `run` of the same pool.
    ///
    /// As many tasks as there are threads run at the same time, each on a thread of its own until it
    /// ends: tasks may wait for each other.
    pub fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() || tasks < 2 {
            return (0..tasks).for_each(body);
        }
        let _turn = lock(&self.turn);
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes, and `take_tasks` says why the closure outlives its use.
        let body = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(
                body,
            )
        };
        let tasks = u32::try_from(tasks).expect("fewer than 2^32 tasks");
        let round = ((shared.next.load(Ordering::Relaxed) >> 32) as u32).wrapping_add(1);
        let job = Job { body, tasks, round };
        *lock(&shared.job) = Some(job);
        shared.done.store(0, Ordering::Relaxed);
        shared.next.store(u64::from(round) << 32, Ordering::Release);
        // As many as are needed: others would spin on cores that somebody else may want.
        self.workers.iter().take(tasks as usize - 1).for_each(|worker| worker.thread().unpark());

        shared.take_tasks(job);
        let all = tasks as usize;
        wait_until(|| shared.done.load(Ordering::Acquire) == all, thread::yield_now);
        if let Some(panic) = lock(&shared.panic).take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches the panics of its tasks, and so ends only when told.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// The life of a worker.
    fn work(&self) {
        let mut seen = 0;
        loop {
            let round = || (self.next.load(Ordering::Acquire) >> 32) as u32;
            let is_called = || round() != seen || self.stop.load(Ordering::Acquire);
            wait_until(is_called, thread::park);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            let job = lock(&self.job).expect("a round starts with a job");
            seen = job.round;
            self.take_tasks(job);
        }
    }

    /// Takes tasks of a round until none is left, or the round is over.
    fn take_tasks(&self, job: Job) {
        while let Some(task) = self.take(job) {
            // SAFETY: the caller of `run` owns the closure, and does not return, by panic either,
            // before all tasks of the round are done. This one is not.
            let body = unsafe { &*job.body };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(task))) {
                let mut first = lock(&self.panic);
                // Tasks that only waited for the one that panicked have nothing to say.
                if first.as_ref().is_none_or(|first| first.is::<Abandoned>()) {
                    *first = Some(panic);
                }
            }
            self.done.fetch_add(1, Ordering::Release);
        }
    }

    /// The next task of a round.
    fn take(&self, job: Job) -> Option<usize> {
        let mut next = self.next.load(Ordering::Acquire);
        loop {
            let task = next as u32;
            if (next >> 32) as u32 != job.round || task >= job.tasks {
                return None;
            }
            match self.next.compare_exchange_weak(
                next,
                next + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(task as usize),
                Err(now) => next = now,
            }
        }
    }
}

/// Looks often, then rests between looks.
fn wait_until(is_done: impl Fn() -> bool, rest: impl Fn()) {
    for _ in 0..SPINS {
        if is_done() {
            return;
        }
        std::hint::spin_loop();
    }
    while !is_done() {
        rest();
    }
}

/// A lock that a panic elsewhere does not spoil: what it guards is replaced whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An output that several tasks write, each its own part.
#[derive(Clone, Copy)]
pub(crate) struct Parts<T>(*mut T);

// SAFETY: a pointer alone does nothing; whoever writes through it promises that the parts are apart.
unsafe impl<T: Send> Sync for Parts<T> {}

impl<T> Parts<T> {
    pub(crate) fn new(slice: &mut [T]) -> Parts<T> {
        Parts(slice.as_mut_ptr())
    }

    /// The address of the first element.
    pub(crate) fn start(self) -> *mut T {
        self.0
    }

    /// The address of element `index`.
    ///
    /// # Safety
    /// `index` is within the slice.
    #[inline(always)]
    pub(crate) unsafe fn at(self, index: usize) -> *mut T {
        // SAFETY: promised by the caller.
        unsafe { self.0.add(index) }
    }

    /// Elements `start..start + len`, to be read.
    ///
    /// # Safety
    /// They are within the slice, which outlives `'a`, and no one writes them meanwhile.
    pub(crate) unsafe fn read<'a>(self, start: usize, len: usize) -> &'a [T] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts(self.0.add(start), len) }
    }

    /// Elements `start..start + len`, to be written.
    ///
    /// # Safety
    /// They are within the slice, which outlives `'a`, and no one else touches them meanwhile.
    pub(crate) unsafe fn part<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_for_any_number_of_threads() {
        for threads in [1, 2, 3, 5, 8] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 7, 100] {
                let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|t| _ = counts[t].fetch_add(1, Ordering::Relaxed));
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_panic_in_a_task_is_passed_on_and_the_pool_works_again() {
        let pool = Pool::new(3);
        for bad in 0..4 {
            let run = || pool.run(4, &|t| assert!(t != bad, "task {bad}"));
            let message = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(message.downcast_ref::<String>().unwrap(), &format!("task {bad}"));
            pool.run(4, &|_| ());
        }
    }
}
