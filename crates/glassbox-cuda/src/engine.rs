//! A device to compute on: its context, a stream, a pool of memory, and the kernels loaded so far.

use crate::buffer::Buffer;
use crate::driver::{Context, Element, Event, Graph, Module, Result, Stream};
use crate::launch::{Image, Launch};
use crate::pool::Pool;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Whether products have the bits of the definition.
    is_exact: bool,
    /// Whether kernels are loaded and not queued.
    is_rehearsal: AtomicBool,
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
        Engine::with(context, Arc::default(), true, false)
    }

    /// The same without the pool: each buffer is memory of its own, as long as asked for, and goes back to the driver.
    /// That is slow, and lets tools that check memory see what happens to each buffer.
    pub fn without_pool(self) -> Result<Engine> {
        Engine::with(self.shared.context.clone(), self.modules, self.is_exact, true)
    }

    /// The same, but large products may take tensor cores where they are faster. Results are as accurate as `f32` is,
    /// within [`Rung::bound`](crate::ladder::Rung::bound), and not those of the CPU.
    pub fn fast(self) -> Engine {
        Engine { is_exact: false, ..self }
    }

    /// Whether results have the bits of the definition.
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Another engine on the same device, with a stream and a pool of its own: what one queues does not wait for the
    /// other, and one can be recorded while the other works. The kernels loaded are the same.
    pub fn beside(&self) -> Result<Engine> {
        Engine::with(
            self.shared.context.clone(),
            self.modules.clone(),
            self.is_exact,
            self.shared.pool.is_exact,
        )
    }

    fn with(
        context: Arc<Context>,
        modules: Arc<Mutex<HashMap<&'static str, Arc<Module>>>>,
        is_exact: bool,
        has_exact_memory: bool,
    ) -> Result<Engine> {
        let stream = Arc::new(Stream::new(context.clone())?);
        let pool = Pool::new(context.clone(), stream.clone(), has_exact_memory);
        let shared = Arc::new(Shared { stream, pool, context });
        Ok(Engine { modules, shared, is_exact, is_rehearsal: AtomicBool::new(false) })
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

    /// Waits until everything queued is done.
    pub fn synchronize(&self) -> Result<()> {
        self.shared.stream.synchronize()
    }

    /// A mark behind everything queued, to measure times with.
    pub fn mark(&self) -> Result<Event> {
        Event::record(&self.shared.stream)
    }

    /// Records what `queue` queues instead of doing it. Buffers that it makes would be gone when the graph runs, and no
    /// one else may use the engine meanwhile: see [`beside`](Engine::beside).
    ///
    /// `queue` is called twice: a kernel cannot be loaded while a stream is recorded, so the first time kernels are
    /// loaded and nothing is queued.
    pub fn capture(&self, mut queue: impl FnMut() -> Result<()>) -> Result<Graph> {
        self.is_rehearsal.store(true, Ordering::Relaxed);
        let rehearsed = queue();
        self.is_rehearsal.store(false, Ordering::Relaxed);
        rehearsed?;
        self.shared.stream.capture(queue)
    }

    /// A launch of a kernel, to be given its arguments.
    pub fn launch(&self, image: &'static Image, kernel: &'static str) -> Result<Launch<'_>> {
        let function = self.module(image)?.function(kernel)?;
        let is_rehearsal = self.is_rehearsal.load(Ordering::Relaxed);
        Ok(Launch::new(&self.shared.stream, kernel, function, is_rehearsal))
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
