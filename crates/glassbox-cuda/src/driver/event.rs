//! A mark in a stream, with the time when it was passed.

use super::api;
use super::context::Context;
use super::error::{Result, check};
use super::stream::Stream;
use cudarc::driver::sys::{CUevent, CUevent_flags};
use std::sync::Arc;
use std::time::Duration;

/// A mark in a stream.
pub struct Event {
    event: CUevent,
    context: Arc<Context>,
}

// SAFETY: the driver's functions may be called from any thread.
unsafe impl Send for Event {}

impl Event {
    /// Marks the place in the stream behind all that is queued.
    pub fn record(stream: &Stream) -> Result<Event> {
        stream.bind()?;
        let mut event = std::ptr::null_mut();
        let flags = CUevent_flags::CU_EVENT_DEFAULT as u32;
        // SAFETY: a context is current; the driver writes a handle.
        check("cuEventCreate", unsafe { api::cuEventCreate(&mut event, flags) })?;
        let event = Event { event, context: stream.context().clone() };
        // SAFETY: both exist.
        stream.queue_now("cuEventRecord", |stream| unsafe {
            api::cuEventRecord(event.event, stream)
        })?;
        Ok(event)
    }

    /// Waits until the stream has passed the mark.
    pub fn synchronize(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the event exists.
        check("cuEventSynchronize", unsafe { api::cuEventSynchronize(self.event) })
    }

    /// The time on the device from `earlier` to this mark, both waited for. It is accurate to about half a
    /// microsecond.
    pub fn since(&self, earlier: &Event) -> Result<Duration> {
        earlier.synchronize()?;
        self.synchronize()?;
        let mut milliseconds = 0.0;
        // SAFETY: both exist and were recorded; the driver writes one number.
        let code = unsafe { api::cuEventElapsedTime(&mut milliseconds, earlier.event, self.event) };
        check("cuEventElapsedTime", code)?;
        Ok(Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the event exists, and no one has it any more.
            let _ = unsafe { api::cuEventDestroy_v2(self.event) };
        }
    }
}
