//! A queue of work for the device, carried out in order.

use super::api;
use super::capture::{self, Fate};
use super::context::Context;
use super::error::{Result, check};
use cudarc::driver::sys::{CUstream, CUstream_flags};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

/// A queue of work. What is queued is done in order, some time later, unless someone waits for it.
pub struct Stream {
    stream: CUstream,
    context: Arc<Context>,
    /// Threads that queue share it, and one that records has it alone, or the others' work would be recorded too.
    turn: RwLock<()>,
}

// SAFETY: the driver's functions may be called from any thread.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// A new queue, which does not wait for the default one.
    pub fn new(context: Arc<Context>) -> Result<Stream> {
        context.bind()?;
        let mut stream = std::ptr::null_mut();
        let flags = CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: a context is current; the driver writes a handle.
        check("cuStreamCreate", unsafe { api::cuStreamCreate(&mut stream, flags) })?;
        Ok(Stream { stream, context, turn: RwLock::default() })
    }

    /// The driver's handle as a number: a `cudaStream_t`, as other libraries take it.
    pub fn raw_handle(&self) -> u64 {
        self.stream as u64
    }

    /// The driver's handle.
    pub(super) fn handle(&self) -> CUstream {
        self.stream
    }

    /// Its context.
    pub(super) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Makes its context that of the calling thread.
    pub(super) fn bind(&self) -> Result<()> {
        self.context.bind()
    }

    /// The turn of a thread that records: others wait until it is dropped.
    pub(super) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether some thread records it, so that who waits for it waits for that thread.
    pub(crate) fn is_recorded(&self) -> bool {
        self.turn.try_read().is_err()
    }

    /// Calls the driver's function of this name with the stream, for it to queue something, and returns what it says. If
    /// this thread records the stream, that is recorded, or left out in a rehearsal. If another thread does, this waits.
    pub(crate) fn queue(
        &self,
        name: &'static str,
        call: impl FnOnce(CUstream) -> u32,
    ) -> Result<()> {
        let turn = || self.turn.read().unwrap_or_else(PoisonError::into_inner);
        let _turn = match capture::fate(self.stream) {
            Fate::Done => Some(turn()),
            Fate::Recorded => None,
            Fate::Rehearsed => return Ok(()),
        };
        self.bind()?;
        check(name, call(self.stream))
    }

    /// The same with what cannot be recorded, and is refused while this thread records.
    pub(crate) fn queue_now(
        &self,
        name: &'static str,
        call: impl FnOnce(CUstream) -> u32,
    ) -> Result<()> {
        capture::refuse(name)?;
        self.queue(name, call)
    }

    /// Waits until everything queued is done. Returns what went wrong on the way.
    pub fn synchronize(&self) -> Result<()> {
        capture::refuse("cuStreamSynchronize")?;
        self.finish()
    }

    /// The same while this thread records another stream, which the driver allows.
    pub(crate) fn finish(&self) -> Result<()> {
        // SAFETY: the stream exists.
        self.queue("cuStreamSynchronize", |stream| unsafe { api::cuStreamSynchronize(stream) })
    }
}

/// Waits until a stream that may be another library's has done what is queued in it.
///
/// # Safety
/// The driver knows a stream of this handle, and no one records it.
pub(crate) unsafe fn wait_for(context: &Context, handle: u64) -> Result<()> {
    capture::refuse("cuStreamSynchronize")?;
    context.bind()?;
    // SAFETY: promised by the caller.
    let code = unsafe { api::cuStreamSynchronize(handle as CUstream) };
    check("cuStreamSynchronize", code)
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.bind().is_ok() {
            // SAFETY: the stream exists, and no one has it any more.
            let _ = unsafe { api::cuStreamDestroy_v2(self.stream) };
        }
    }
}
