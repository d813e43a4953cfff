//! Forks: a child has only the thread that forked, so what another one had locked would stay locked in it for ever.
//!
//! Whoever holds a lock of ours, always for a short time, says so, and Python's `os.fork` waits until nobody does. No wait
//! is for ever: other libraries have locks that they take before a fork too, and those who hold them may be waiting here.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How many hold locks, and whether a process is forked. A number alone is whole in the child whenever it is forked,
/// which a lock would not be.
static HOLDERS: AtomicUsize = AtomicUsize::new(0);
const FORK: usize = 1 << (usize::BITS - 1);

/// How long a fork waits at most for those who hold locks, and they for a fork: far longer than either takes.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long they sleep between looks.
const LOOK: Duration = Duration::from_micros(50);

thread_local! {
    /// Whether this thread is one of the holders.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
}

/// Does `body`, which takes locks and gives them back, while no process is forked. It must not take the interpreter, nor
/// come here again: a fork that waits would keep it waiting.
pub fn between_forks<T>(body: impl FnOnce() -> T) -> T {
    debug_assert!(!HOLDS.get(), "locks within locks");
    if !changed(|holders| (holders & FORK == 0).then_some(holders + 1)) {
        // The one that forks may be waiting for this thread, in a lock of somebody else.
        HOLDERS.fetch_add(1, Ordering::Acquire);
    }
    HOLDS.set(true);
    let _holder = Holder;
    body()
}

struct Holder;

impl Drop for Holder {
    fn drop(&mut self) {
        HOLDS.set(false);
        HOLDERS.fetch_sub(1, Ordering::Release);
    }
}

/// Has Python's forks wait, once a process.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    static IS_REGISTERED: AtomicBool = AtomicBool::new(false);
    let os = module.py().import("os")?;
    // Not every system forks.
    if !os.hasattr("register_at_fork")? || IS_REGISTERED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let hooks = PyDict::new(module.py());
    hooks.set_item("before", wrap_pyfunction!(before_fork, module)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork_in_parent, module)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, module)?)?;
    os.call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}

/// Waits until nobody holds a lock, and sees to it that nobody does until the fork is done.
#[pyfunction]
fn before_fork(py: Python) {
    py.detach(|| {
        // Whoever did not see that it was done must have ended in between.
        if !changed(|holders| (holders & FORK == 0).then_some(holders | FORK)) {
            HOLDERS.fetch_or(FORK, Ordering::Acquire);
        }
        changed(|holders| (holders == FORK).then_some(FORK));
    });
}

#[pyfunction]
fn after_fork_in_parent() {
    HOLDERS.fetch_and(!FORK, Ordering::Release);
}

/// The child's only thread holds nothing.
#[pyfunction]
fn after_fork_in_child() {
    HOLDERS.store(0, Ordering::Release);
}

/// Waits until `next` has an answer to the number of holders, which it then is. Whether it was so in time.
fn changed(next: impl Fn(usize) -> Option<usize>) -> bool {
    let start = Instant::now();
    while HOLDERS.fetch_update(Ordering::Acquire, Ordering::Relaxed, &next).is_err() {
        if start.elapsed() > PATIENCE {
            return false;
        }
        sleep(LOOK);
    }
    true
}
