//! A device to compute on: its context, a stream, a pool of memory, and the kernels loaded so far.

use crate::buffer::Buffer;
use crate::driver::{Context, Element, Event, Graph, Modules, Result, Stream, memory, wait_for};
use crate::ladder::VECTOR_ADD;
use crate::launch::{Image, Launch};
use crate::pool::{Pool, Pools};
use std::sync::Arc;

/// The oldest chip that the kernels are written for, as 10 · major + minor of its compute capability.
pub(crate) const OLDEST: u32 = 75;

/// What an engine and its buffers share.
pub(crate) struct Shared {
    pub stream: Arc<Stream>,
    pub pool: Arc<Pool>,
    modules: Arc<Modules>,
}

impl Shared {
    /// The device.
    pub fn context(&self) -> &Arc<Context> {
        self.modules.context()
    }
}

/// What is queued uses kernels and memory that may be gone next.
impl Drop for Shared {
    fn drop(&mut self) {
        // If waiting fails, the device is lost and nothing runs any more.
        let _ = self.stream.finish();
    }
}

/// One GPU. Everything is queued in one stream and done in order; reading a buffer waits for it.
pub struct Engine {
    /// All pools of its context.
    pools: Arc<Pools>,
    shared: Arc<Shared>,
    /// Whether products have the bits of the definition.
    is_exact: bool,
}

impl Engine {
    /// The device of that number, counted from 0. All engines of a device share its primary context, with each other and
    /// with other libraries in this process: what has an address in one has it in all.
    ///
    /// # Errors
    /// If there is no driver, it is too old or does not take kernels, there is no such device, or no kernel was written
    /// for it.
    pub fn open(ordinal: usize) -> Result<Engine> {
        let context = Arc::new(Context::open(ordinal)?);
        if context.capability() < OLDEST {
            let (name, capability) = (context.name().to_string(), context.capability());
            return Err(crate::Error::NoKernel { name, capability });
        }
        let modules = Arc::new(Modules::new(context.clone()));
        let engine = Engine::with(modules, Pools::new(context), true, false)?;
        // The smallest file: a driver that cannot translate kernels should say so now, not in the middle of a training.
        engine.launch(&VECTOR_ADD, "vector_add")?;
        Ok(engine)
    }

    /// The same without the pool: each buffer is memory of its own, as long as asked for, and goes back to the driver.
    /// That is slow, and lets tools that check memory see what happens to each buffer.
    pub fn without_pool(self) -> Result<Engine> {
        Engine::with(self.shared.modules.clone(), self.pools, self.is_exact, true)
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
        let Shared { pool, modules, .. } = &*self.shared;
        Engine::with(modules.clone(), self.pools.clone(), self.is_exact, pool.is_exact)
    }

    fn with(
        modules: Arc<Modules>,
        pools: Arc<Pools>,
        is_exact: bool,
        has_exact_memory: bool,
    ) -> Result<Engine> {
        let stream = Arc::new(Stream::new(modules.context().clone())?);
        let pool = pools.add(stream.clone(), has_exact_memory);
        let shared = Arc::new(Shared { stream, pool, modules });
        Ok(Engine { pools, shared, is_exact })
    }

    /// The device.
    pub fn context(&self) -> &Arc<Context> {
        self.shared.context()
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

    /// Copies numbers at an address of this device, in whatever library's memory, to the host. What was queued to write
    /// them is done before: see [`wait_for_stream`](Engine::wait_for_stream).
    ///
    /// # Errors
    /// If there are not so many numbers of the device's memory.
    pub fn read_at<T: Element>(&self, to: &mut [T], address: u64) -> Result<()> {
        if to.is_empty() {
            return Ok(());
        }
        memory::check_range(self.context(), address, size_of_val(to))?;
        // SAFETY: so many bytes of the device were found there, and `to` is borrowed until the wait is over.
        unsafe { memory::copy_out(self.stream(), to, address)? };
        self.synchronize()
    }

    /// Waits until everything queued is done.
    pub fn synchronize(&self) -> Result<()> {
        self.shared.stream.synchronize()
    }

    /// Waits until some library's stream has done what is queued in it: what wrote an array that is to be read here, say.
    /// The handle is as `__cuda_array_interface__` has it: 1 is the default stream, 2 that of the calling thread, and any
    /// other number a `cudaStream_t`.
    ///
    /// # Safety
    /// There is a stream of this handle, and no one records it: the driver takes handles on trust.
    pub unsafe fn wait_for_stream(&self, handle: u64) -> Result<()> {
        // SAFETY: promised by the caller.
        unsafe { wait_for(self.context(), handle) }
    }

    /// A mark behind everything queued, to measure times with.
    pub fn mark(&self) -> Result<Event> {
        Event::record(&self.shared.stream)
    }

    /// Records what `queue` queues instead of doing it: kernels, and copies and fills within the device. It is refused to
    /// wait, to make a buffer, and to copy from or to the host. Other threads that use the engine wait until this is over,
    /// so `queue` must not wait for them: see [`beside`](Engine::beside).
    ///
    /// `queue` is called twice: a kernel cannot be loaded while a stream is recorded, so the first time kernels are
    /// loaded and nothing is queued.
    ///
    /// # Errors
    /// If `queue` fails, or something in it was refused. Then nothing is recorded, as when it panics, and the engine is as
    /// it was.
    pub fn capture(&self, mut queue: impl FnMut() -> Result<()>) -> Result<Graph> {
        let (stream, modules) = (&self.shared.stream, &self.shared.modules);
        self.pools.with_room(|| Graph::record(stream, modules, &mut queue))
    }

    /// A launch of a kernel, to be given its arguments.
    pub fn launch(&self, image: &'static Image, kernel: &'static str) -> Result<Launch<'_>> {
        let modules = &self.shared.modules;
        let function = self.pools.with_room(|| modules.function(image.name, image.ptx, kernel))?;
        Ok(Launch::new(&self.shared.stream, kernel, function))
    }
}
