//! A queue of work for the device, carried out in order.

use super::api;
use super::context::Context;
use super::error::{Result, check};
use super::graph::Graph;
use cudarc::driver::sys::{CUstream, CUstream_flags, CUstreamCaptureMode};
use std::sync::Arc;

/// A queue of work. What is queued is done in order, some time later, unless someone waits for it.
pub struct Stream {
    stream: CUstream,
    context: Arc<Context>,
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
        Ok(Stream { stream, context })
    }

    /// The driver's handle.
    pub(crate) fn handle(&self) -> CUstream {
        self.stream
    }

    /// Its context, current for the calling thread from now on.
    pub(crate) fn bound(&self) -> Result<&Arc<Context>> {
        self.context.bind()?;
        Ok(&self.context)
    }

    /// Waits until everything queued is done. Returns what went wrong on the way.
    pub fn synchronize(&self) -> Result<()> {
        self.bound()?;
        // SAFETY: the stream exists.
        check("cuStreamSynchronize", unsafe { api::cuStreamSynchronize(self.stream) })
    }

    /// Records what `queue` queues instead of doing it, as a graph that can be launched many times
    /// with the arguments it has now.
    pub fn capture(&self, queue: impl FnOnce() -> Result<()>) -> Result<Graph> {
        self.bound()?;
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream exists.
        let code = unsafe { api::cuStreamBeginCapture_v2(self.stream, mode) };
        check("cuStreamBeginCapture", code)?;
        let queued = queue();
        let mut graph = std::ptr::null_mut();
        // SAFETY: the stream is being captured; the driver writes a handle, or null if it is not valid.
        let code = unsafe { api::cuStreamEndCapture(self.stream, &mut graph) };
        queued?;
        check("cuStreamEndCapture", code)?;
        Graph::new(graph, self.context.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the stream exists, and no one has it any more.
            let _ = unsafe { api::cuStreamDestroy_v2(self.stream) };
        }
    }
}
