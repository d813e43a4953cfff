//! Work that was recorded once, and is queued as a whole.

use super::api;
use super::context::Context;
use super::error::{Result, check};
use super::stream::Stream;
use cudarc::driver::sys::{CUgraph, CUgraphExec};
use std::sync::Arc;

/// Recorded work. To queue it costs the host one call, however many kernels it has.
///
/// It holds the addresses of the memory it was recorded with: whoever keeps a graph keeps that too.
pub struct Graph {
    executable: CUgraphExec,
    context: Arc<Context>,
}

// SAFETY: the driver's functions may be called from any thread.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}

impl Graph {
    /// Takes over what a capture gave.
    pub(super) fn new(graph: CUgraph, context: Arc<Context>) -> Result<Graph> {
        let mut executable = std::ptr::null_mut();
        // SAFETY: the graph exists and is not needed afterwards; the driver writes a handle.
        let code = unsafe {
            let code = api::cuGraphInstantiateWithFlags(&mut executable, graph, 0);
            check("cuGraphDestroy", api::cuGraphDestroy(graph)).and(Ok(code))
        }?;
        check("cuGraphInstantiate", code)?;
        Ok(Graph { executable, context })
    }

    /// Queues the work.
    ///
    /// # Safety
    /// The memory it was recorded with exists until the work is done, and no one else uses it meanwhile.
    pub unsafe fn launch(&self, stream: &Stream) -> Result<()> {
        stream.bound()?;
        // SAFETY: both exist, and promised by the caller.
        check("cuGraphLaunch", unsafe { api::cuGraphLaunch(self.executable, stream.handle()) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: it exists, and no one has it any more.
            let _ = unsafe { api::cuGraphExecDestroy(self.executable) };
        }
    }
}
