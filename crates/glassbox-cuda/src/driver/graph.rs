//! Work that was recorded once, and is queued as a whole.

use super::api;
use super::error::{Result, check};
use super::module::Modules;
use super::stream::Stream;
use cudarc::driver::sys::CUgraphExec;
use std::sync::Arc;

/// Recorded work. To queue it costs the host one call, however many kernels it has.
///
/// It keeps its kernels, and holds the addresses of the memory it was recorded with: whoever keeps a graph keeps that too.
pub struct Graph {
    executable: CUgraphExec,
    modules: Arc<Modules>,
}

// SAFETY: the driver's functions may be called from any thread. Two threads must not use a graph at once, so it is not Sync.
unsafe impl Send for Graph {}

impl Graph {
    /// Records what `queue` queues in the stream, whose kernels are of these modules, instead of doing it. `queue` is
    /// called twice, first to load its kernels.
    pub(crate) fn record(
        stream: &Stream,
        modules: &Arc<Modules>,
        queue: impl FnMut() -> Result<()>,
    ) -> Result<Graph> {
        let captured = stream.capture(queue)?;
        let mut executable = std::ptr::null_mut();
        // SAFETY: what was captured exists and is not needed afterwards; the driver writes a handle.
        check("cuGraphInstantiate", unsafe {
            api::cuGraphInstantiateWithFlags(&mut executable, captured.0, 0)
        })?;
        Ok(Graph { executable, modules: modules.clone() })
    }

    /// Queues the work.
    ///
    /// # Safety
    /// The memory it was recorded with exists until the work is done, and no one else uses it meanwhile. The stream is of
    /// the context it was recorded in, and the graph or an engine that recorded with it exists as long.
    pub unsafe fn launch(&self, stream: &Stream) -> Result<()> {
        // SAFETY: both exist, and promised by the caller.
        stream.queue_now("cuGraphLaunch", |stream| unsafe {
            api::cuGraphLaunch(self.executable, stream)
        })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.modules.context().bind().is_ok() {
            // SAFETY: it exists, and no one has it any more. Work under way goes on to its end.
            let _ = unsafe { api::cuGraphExecDestroy(self.executable) };
        }
    }
}
