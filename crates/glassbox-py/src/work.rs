//! Long work: it is done on a thread of its own, and the one that called looks after Python's signals.
//!
//! What takes a signal seriously cannot wait for the end of a product of large matrices, so the work is left to itself
//! when a signal raises something. Nothing that it was given is lost, for it has what it reads, and what it comes to
//! goes nowhere: only the thread that called changes anything.

use crate::errors::result_of;
use glassbox::Error;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How long a signal waits at most.
const SIGNALS: Duration = Duration::from_millis(20);

/// Multiply-adds from which work is long: a few milliseconds, beside which a thread costs nothing.
const LONG: usize = 100_000_000;

/// What a thread says: that there is something to see to, or that it has ended.
pub enum Word<M, T> {
    Meanwhile(M),
    Done(thread::Result<glassbox::Result<T>>),
}

/// Where a thread says it.
pub struct Words<M, T> {
    sender: SyncSender<Word<M, T>>,
    listener: Weak<()>,
}

impl<M, T> Words<M, T> {
    /// Says it, and waits until it is heard. An error if nobody listens any more.
    pub fn say(&self, word: M) -> glassbox::Result<()> {
        self.sender.send(Word::Meanwhile(word)).map_err(|_| left())
    }

    /// An error if nobody listens any more.
    pub fn check(&self) -> glassbox::Result<()> {
        if self.listener.strong_count() == 0 { Err(left()) } else { Ok(()) }
    }
}

/// Nobody hears it.
fn left() -> Error {
    Error::Refused { what: "work that nobody waits for", hint: "none" }
}

/// Work on a thread of its own.
pub struct Work<M, T> {
    words: Receiver<Word<M, T>>,
    _listener: Arc<()>,
    /// When signals were last looked after.
    looked: Instant,
    /// Whose thread it is: a child that is forked meanwhile has a copy of all but that.
    process: u32,
}

impl<M: Send + 'static, T: Send + 'static> Work<M, T> {
    /// Begins it.
    pub fn begin(
        body: impl FnOnce(&Words<M, T>) -> glassbox::Result<T> + Send + 'static,
    ) -> PyResult<Work<M, T>> {
        let (sender, words) = sync_channel(0);
        let listener = Arc::new(());
        let says = Words { sender, listener: Arc::downgrade(&listener) };
        let work = move || {
            let result = catch_unwind(AssertUnwindSafe(|| body(&says)));
            // If nobody listens any more, nobody wants it.
            _ = says.sender.send(Word::Done(result));
        };
        thread::Builder::new().name("glassbox-work".to_string()).spawn(work)?;
        Ok(Work { words, _listener: listener, looked: Instant::now(), process: std::process::id() })
    }

    /// What it says next. An error is what a signal has raised.
    pub fn next(&mut self, py: Python) -> PyResult<Word<M, T>> {
        loop {
            if self.process != std::process::id() {
                let text = "the work goes on in the process that began it, not in one that was forked meanwhile (hint: \
                            end it with os._exit)";
                return Err(PyRuntimeError::new_err(text));
            }
            let word = self.next_within(py, SIGNALS);
            // As a rule twenty milliseconds apart, whether it says much or nothing.
            if self.looked.elapsed() >= SIGNALS {
                py.check_signals()?;
                self.looked = Instant::now();
            }
            if let Some(word) = word {
                return Ok(word);
            }
        }
    }

    /// What it says within that time, if it says anything.
    pub fn next_within(&mut self, py: Python, time: Duration) -> Option<Word<M, T>> {
        let words = &mut self.words;
        match py.detach(move || words.recv_timeout(time)) {
            Ok(word) => Some(word),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("its last word is that it is done"),
        }
    }
}

impl<T: Send + 'static> Work<Infallible, T> {
    /// What it comes to.
    pub fn result(mut self, py: Python) -> PyResult<T> {
        match self.next(py)? {
            Word::Done(result) => result_of(result),
            Word::Meanwhile(nothing) => match nothing {},
        }
    }
}

/// What `body` computes in so many multiply-adds, without the interpreter.
pub fn long<T: Send + 'static>(
    py: Python,
    multiply_adds: usize,
    body: impl FnOnce() -> glassbox::Result<T> + Send + 'static,
) -> PyResult<T> {
    if multiply_adds < LONG {
        return result_of(py.detach(|| catch_unwind(AssertUnwindSafe(body))));
    }
    Work::begin(|_| body())?.result(py)
}
