//! The three ways to work without the interpreter: at once, at once with a lock of ours, and on a thread of its own.
//!
//! Work on a thread of its own can be left: when a signal raises something, the thread that called does not wait for the
//! end of a product of large matrices. What is left goes on until it next looks whether anybody waits for it. It has
//! copies of all that it changes, and what it comes to is thrown away; the inputs that it was given it still reads.

use crate::errors::result_of;
use crate::fork::between_forks;
use glassbox::{Device, Error};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a signal waits at most.
const SIGNALS: Duration = Duration::from_millis(20);

/// What `body` computes. Signals wait for its end, so it is short, or not ours to interrupt, as a file that is written.
pub fn run_detached<T: Send>(
    py: Python,
    body: impl FnOnce() -> glassbox::Result<T> + Send,
) -> PyResult<T> {
    result_of(py.detach(|| catch_unwind(AssertUnwindSafe(body))))
}

/// What `body` computes, which takes locks of ours. Forks wait for its end as well, so it is a step of a small network at
/// most.
pub fn run_locked<T: Send>(
    py: Python,
    body: impl FnOnce() -> glassbox::Result<T> + Send,
) -> PyResult<T> {
    run_detached(py, || between_forks(body))
}

/// What `body` computes, which takes long if `is_long`: then no signal waits for it. It may ask the function that it is
/// given whether anybody still waits; if not, that is an error, with which it ends.
pub fn run_interruptibly<T: Send + 'static>(
    py: Python,
    is_long: bool,
    body: impl FnOnce(&dyn Fn() -> glassbox::Result<()>) -> glassbox::Result<T> + Send + 'static,
) -> PyResult<T> {
    if !is_long {
        return run_detached(py, || body(&|| Ok(())));
    }
    let mut work = Work::begin(move |caller: &Caller<Infallible, T>| body(&|| caller.check()))?;
    match work.receive(py)? {
        Message::Done(result) => result_of(result),
        Message::Meanwhile(nothing) => match nothing {},
    }
}

/// An error unless there is memory for so many numbers: where a network runs out of it, the process ends.
pub fn check_memory(numbers: usize) -> PyResult<()> {
    Vec::<f32>::new().try_reserve_exact(numbers).map_err(|_| {
        let gib = numbers as f64 * size_of::<f32>() as f64 / f64::from(1 << 30);
        let hint = "fewer rows at a time, or smaller layers";
        PyMemoryError::new_err(format!("{gib:.1} GiB are needed at once (hint: {hint})"))
    })
}

/// Whether so many multiply-adds take more than a few milliseconds.
pub fn is_long(device: &Device, multiply_adds: usize) -> bool {
    multiply_adds
        >= match device {
            Device::Reference => 1_000_000,
            Device::Cpu(_) => 100_000_000,
            _ => 10_000_000_000,
        }
}

/// What a thread that works tells the one that called: something to see to, or that it has ended.
pub enum Message<M, T> {
    Meanwhile(M),
    Done(thread::Result<glassbox::Result<T>>),
}

/// The thread that called, as the one that works sees it.
pub struct Caller<M, T> {
    messages: SyncSender<Message<M, T>>,
    waits: Weak<()>,
}

impl<M, T> Caller<M, T> {
    /// Tells it something, and waits until it is heard. An error if it does not wait any more.
    pub fn tell(&self, message: M) -> glassbox::Result<()> {
        self.messages.send(Message::Meanwhile(message)).map_err(|_| left())
    }

    /// An error if it does not wait any more.
    pub fn check(&self) -> glassbox::Result<()> {
        if self.waits.strong_count() == 0 { Err(left()) } else { Ok(()) }
    }
}

/// Nobody hears it.
fn left() -> Error {
    Error::Refused { what: "work that nobody waits for", hint: "none" }
}

/// Threads of work that was left, each with its process. What they hold they hold until they end.
static LEFT: Mutex<Vec<(u32, JoinHandle<()>)>> = Mutex::new(Vec::new());

/// Waits until all work that was left has ended, so that it does not pile up. An error is what a signal has raised.
pub fn wait_for_left(py: Python) -> PyResult<()> {
    let is_at_work = |(process, thread): &(u32, JoinHandle<()>)| {
        *process == std::process::id() && !thread.is_finished()
    };
    loop {
        // Its lock is only taken with the interpreter in hand, so no fork comes in between.
        let mut threads = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(is_at_work);
        if threads.is_empty() {
            return Ok(());
        }
        drop(threads);
        py.detach(|| thread::sleep(Duration::from_millis(1)));
        py.check_signals()?;
    }
}

/// Work on a thread of its own, which is left when this is dropped.
pub struct Work<M, T> {
    messages: Receiver<Message<M, T>>,
    thread: Option<JoinHandle<()>>,
    _waits: Arc<()>,
    /// When signals were last looked after.
    looked: Instant,
    /// Whose thread it is: a child that is forked meanwhile has a copy of all but that.
    process: u32,
}

impl<M, T> Drop for Work<M, T> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if !thread.is_finished() {
            let mut threads = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            threads.push((self.process, thread));
        }
    }
}

impl<M: Send + 'static, T: Send + 'static> Work<M, T> {
    /// Begins it.
    pub fn begin(
        body: impl FnOnce(&Caller<M, T>) -> glassbox::Result<T> + Send + 'static,
    ) -> PyResult<Work<M, T>> {
        let (sender, messages) = sync_channel(0);
        let waits = Arc::new(());
        let caller = Caller { messages: sender, waits: Arc::downgrade(&waits) };
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(|| body(&caller)));
            // If nobody waits any more, nobody wants it.
            _ = caller.messages.send(Message::Done(result));
        };
        let thread = thread::Builder::new().name("glassbox-work".to_string()).spawn(work)?;
        let (looked, process) = (Instant::now(), std::process::id());
        Ok(Work { messages, thread: Some(thread), _waits: waits, looked, process })
    }

    /// What it tells next, the end at last. An error is what a signal has raised; then nothing was received.
    pub fn receive(&mut self, py: Python) -> PyResult<Message<M, T>> {
        loop {
            if self.process != std::process::id() {
                let text = "the work goes on in the process that began it, not in one that was forked meanwhile (hint: \
                            end it with os._exit)";
                return Err(PyRuntimeError::new_err(text));
            }
            if self.looked.elapsed() >= SIGNALS {
                self.looked = Instant::now();
                py.check_signals()?;
            }
            if let Some(message) = self.receive_within(py, SIGNALS)? {
                return Ok(message);
            }
        }
    }

    /// What it tells within that time, if it does.
    pub fn receive_within(
        &mut self,
        py: Python,
        time: Duration,
    ) -> PyResult<Option<Message<M, T>>> {
        let messages = &mut self.messages;
        match py.detach(move || messages.recv_timeout(time)) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(PyRuntimeError::new_err("a mistake of Glassbox: a thread ended without a word"))
            }
        }
    }
}
