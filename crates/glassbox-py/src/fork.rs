//! Forks: a child has only the thread that forked, so what another one had locked would stay locked in it for ever.
//!
//! Whoever holds a lock of ours says so, and Python's `os.fork` waits until nobody does.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How many hold locks, and whether a process is forked. A number alone is whole in the child whenever it is forked,
/// which a lock would not be.
static HOLDERS: AtomicUsize = AtomicUsize::new(0);
const FORK: usize = 1 << (usize::BITS - 1);

/// How long those who wait for each other sleep between looks.
const LOOK: Duration = Duration::from_micros(50);

/// Does `body`, which takes locks and gives them back, while no process is forked. It must not take the interpreter, nor
/// come here again: a fork that waits would keep it waiting.
pub fn between_forks<T>(body: impl FnOnce() -> T) -> T {
    enter(|holders| (holders & FORK == 0).then_some(holders + 1));
    let _holder = Holder;
    body()
}

struct Holder;

impl Drop for Holder {
    fn drop(&mut self) {
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
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork, module)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork, module)?)?;
    os.call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}

/// Waits until nobody holds a lock, and sees to it that nobody does until [`after_fork`].
#[pyfunction]
fn before_fork(py: Python) {
    py.detach(|| {
        enter(|holders| (holders & FORK == 0).then_some(holders | FORK));
        enter(|holders| (holders == FORK).then_some(FORK));
    });
}

/// The end of it, in the parent and in the child.
#[pyfunction]
fn after_fork() {
    HOLDERS.fetch_and(!FORK, Ordering::Release);
}

/// Waits until `next` has an answer to the number of holders, which it then is.
fn enter(next: impl Fn(usize) -> Option<usize>) {
    while HOLDERS.fetch_update(Ordering::Acquire, Ordering::Relaxed, &next).is_err() {
        sleep(LOOK);
    }
}
