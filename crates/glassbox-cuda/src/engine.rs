//! A device to compute on: its context, a stream, a pool of memory, and the kernels loaded so far.

use crate::buffer::Buffer;
use crate::driver::{Context, Element, Event, Graph, Module, Pinned, Result, Stream};
use crate::launch::{Image, Launch};
use crate::pool::Pool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The oldest chip that the kernels are written for, as 10 · major + minor of its compute capability.
pub(crate) const OLDEST: u32 = 75;

/// What an engine and its buffers share.
pub(crate) struct Shared {
    pub stream: Arc<Stream>,
    pub pool: Pool,
    pub context: Arc<Context>,
}

/// One GPU. Everything is queued in one stream and done in order; reading a buffer waits for it.
pub struct Engine {
    modules: Arc<Mutex<HashMap<&'static str, Arc<Module>>>>,
    shared: Arc<Shared>,
}

impl Engine {
    /// The device of that number, counted from 0.
    ///
    /// # Errors
    /// If there is no driver, it is too old, there is no such device, or no kernel was written for it.
    pub fn open(ordinal: usize) -> Result<Engine> {
        let context = Arc::new(Context::open(ordinal)?);
        if context.capability() < OLDEST {
            let (name, capability) = (context.name().to_string(), context.capability());
            return Err(crate::Error::NoKernel { name, capability });
        }
        Engine::with(context, Arc::default())
    }

    /// Another engine on the same device, with a stream and a pool of its own: what one queues does not wait for the
    /// other, and one can be recorded while the other works. The kernels loaded are the same.
    pub fn beside(&self) -> Result<Engine> {
        Engine::with(self.shared.context.clone(), self.modules.clone())
    }

    fn with(
        context: Arc<Context>,
        modules: Arc<Mutex<HashMap<&'static str, Arc<Module>>>>,
    ) -> Result<Engine> {
        let stream = Arc::new(Stream::new(context.clone())?);
        let pool = Pool::new(context.clone(), stream.clone());
        Ok(Engine { modules, shared: Arc::new(Shared { stream, pool, context }) })
    }

    /// The device.
    pub fn context(&self) -> &Arc<Context> {
        &self.shared.context
    }

    /// The stream in which everything is queued.
    pub fn stream(&self) -> &Stream {
        &self.shared.stream
    }

    /// A buffer of arbitrary numbers, to be written before it is read.
    pub fn buffer<T: Element>(&self, len: usize) -> Result<Buffer<T>> {
        Buffer::new(&self.shared, len)
    }

    /// A buffer of zeros.
    pub fn zeros<T: Element>(&self, len: usize) -> Result<Buffer<T>> {
        let mut buffer = self.buffer(len)?;
        buffer.clear()?;
        Ok(buffer)
    }

    /// A buffer of these numbers.
    pub fn upload<T: Element>(&self, numbers: &[T]) -> Result<Buffer<T>> {
        let mut buffer = self.buffer(numbers.len())?;
        buffer.write(numbers)?;
        Ok(buffer)
    }

    /// Zeros in memory of the host that the device reads and writes by itself.
    pub fn pinned<T: Element>(&self, len: usize) -> Result<Pinned<T>> {
        Pinned::zeros(&self.shared.context, len)
    }

    /// Waits until everything queued is done.
    pub fn synchronize(&self) -> Result<()> {
        self.shared.stream.synchronize()
    }

    /// A mark behind everything queued, to measure times with.
    pub fn mark(&self) -> Result<Event> {
        Event::record(&self.shared.stream)
    }

    /// Records what `queue` queues instead of doing it. Kernels must have been loaded before, buffers that it makes
    /// would be gone when the graph runs, and no one else may use the engine meanwhile: see
    /// [`beside`](Engine::beside).
    pub fn capture(&self, queue: impl FnOnce() -> Result<()>) -> Result<Graph> {
        self.shared.stream.capture(queue)
    }

    /// Whether the chip has what an image of kernels needs.
    pub fn supports(&self, image: &Image) -> bool {
        self.shared.context.capability() >= image.capability
    }

    /// A launch of a kernel, to be given its arguments.
    pub fn launch(&self, image: &'static Image, kernel: &'static str) -> Result<Launch<'_>> {
        let function = self.module(image)?.function(kernel)?;
        Ok(Launch::new(&self.shared.stream, kernel, function))
    }

    /// Loads every kernel of the operations and of training steps, so that none has to be loaded while a graph is
    /// recorded, which the driver does not allow.
    pub(crate) fn load_all(&self) -> Result<()> {
        crate::ops::IMAGES.iter().chain(&crate::train::IMAGES).try_for_each(|image| {
            self.module(image)?;
            Ok(())
        })
    }

    fn module(&self, image: &'static Image) -> Result<Arc<Module>> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(image.name) {
            return Ok(module.clone());
        }
        let module = Arc::new(Module::load(&self.shared.context, image.ptx)?);
        modules.insert(image.name, module.clone());
        Ok(module)
    }
}
