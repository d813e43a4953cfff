//! Recording a stream: what a thread queues meanwhile becomes a graph instead of being done.
//!
//! Which stream a thread records is the thread's own matter, so that it is never mistaken about another's; that no other
//! thread queues meanwhile is the matter of [`Stream`]'s turns.

use super::api;
use super::error::{Error, Result, check};
use super::stream::Stream;
use cudarc::driver::sys::{CUgraph, CUstream, CUstreamCaptureMode};
use std::cell::Cell;
use std::marker::PhantomData;

/// What becomes of work that is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done, as ever.
    Done,
    /// It is checked, and left out.
    Rehearsed,
    /// It becomes a part of a graph.
    Recorded,
}

thread_local! {
    /// The stream that this thread records, if it does.
    static RECORDED: Cell<Option<(CUstream, Fate)>> = const { Cell::new(None) };
}

/// What becomes of work that this thread queues in the stream.
pub(super) fn fate(stream: CUstream) -> Fate {
    RECORDED.get().filter(|(recorded, _)| *recorded == stream).map_or(Fate::Done, |(_, fate)| fate)
}

/// Refuses what cannot be recorded, if this thread records. The driver would refuse most of it too, and the recording
/// with it; but it would record a copy from or to memory of the host that is gone when the graph runs.
pub(crate) fn refuse(call: &'static str) -> Result<()> {
    if RECORDED.get().is_some() { Err(Error::NotRecordable { call }) } else { Ok(()) }
}

/// While it lives, its thread records.
struct Scope(PhantomData<*const ()>);

impl Scope {
    fn new(stream: &Stream, fate: Fate) -> Result<Scope> {
        refuse("cuStreamBeginCapture")?;
        RECORDED.set(Some((stream.handle(), fate)));
        Ok(Scope(PhantomData))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        RECORDED.set(None);
    }
}

/// The driver's capture of a stream, which is ended by the thread that began it, whatever happens meanwhile.
struct Capture<'a>(&'a Stream);

impl<'a> Capture<'a> {
    fn begin(stream: &'a Stream) -> Result<Capture<'a>> {
        stream.bind()?;
        // Other threads may do what they want, in other streams.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream exists.
        let code = unsafe { api::cuStreamBeginCapture_v2(stream.handle(), mode) };
        check("cuStreamBeginCapture", code)?;
        Ok(Capture(stream))
    }

    fn end(self) -> Result<Captured> {
        let stream = self.0;
        std::mem::forget(self);
        end(stream)
    }
}

/// Ends the capture of the stream, also one that the driver holds invalid.
fn end(stream: &Stream) -> Result<Captured> {
    stream.bind()?;
    let mut captured = Captured(std::ptr::null_mut());
    // SAFETY: the stream is being captured; the driver writes a handle, or null if the capture is not valid.
    check("cuStreamEndCapture", unsafe {
        api::cuStreamEndCapture(stream.handle(), &mut captured.0)
    })?;
    Ok(captured)
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        // What was captured up to here is half of something.
        let _ = end(self.0);
    }
}

/// What was captured, which an executable graph is made from.
pub(super) struct Captured(pub(super) CUgraph);

impl Drop for Captured {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it exists, and no one has it any more. The thread that captured it has a context.
            let _ = unsafe { api::cuGraphDestroy(self.0) };
        }
    }
}

impl Stream {
    /// Has `queue` queue its work twice: first only to load its kernels, which cannot be done while a stream is recorded,
    /// and then to be recorded.
    pub(super) fn capture(&self, mut queue: impl FnMut() -> Result<()>) -> Result<Captured> {
        let rehearsal = Scope::new(self, Fate::Rehearsed)?;
        queue()?;
        drop(rehearsal);
        let _turn = self.alone();
        let _recording = Scope::new(self, Fate::Recorded)?;
        let capture = Capture::begin(self)?;
        queue()?;
        capture.end()
    }
}
