//! Numbers in device memory.

use crate::driver::{Block, Element, Result, memory, refuse};
use crate::engine::Shared;
use crate::inputs::Inputs;
use std::marker::PhantomData;
use std::sync::Arc;

/// `len` numbers in the memory of an engine's device. Dropped, its memory goes back to the engine.
pub struct Buffer<T: Element> {
    /// Always there until it is dropped.
    block: Option<Block>,
    len: usize,
    shared: Arc<Shared>,
    kind: PhantomData<T>,
}

impl<T: Element> Buffer<T> {
    /// Room for `len` numbers, which are arbitrary until something is written.
    pub(crate) fn new(shared: &Arc<Shared>, len: usize) -> Result<Buffer<T>> {
        let block = Some(shared.pool.take(len * size_of::<T>())?);
        Ok(Buffer { block, len, shared: shared.clone(), kind: PhantomData })
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address on the device. All engines of a device and all libraries that use its primary context can read there,
    /// but wait on their own for what this engine has queued: after [`write`](Buffer::write) and
    /// [`Engine::upload`](crate::Engine::upload) the numbers are there, after others when
    /// [`Engine::synchronize`](crate::Engine::synchronize) returns. A buffer that is dropped has no numbers any more, also
    /// for who is still reading them.
    pub fn address(&self) -> u64 {
        self.block.as_ref().map_or(0, Block::address)
    }

    /// Copies numbers of the host here.
    ///
    /// # Panics
    /// If there are not exactly as many.
    pub fn write(&mut self, from: &[T]) -> Result<()> {
        assert_eq!(from.len(), self.len, "a buffer is written as a whole");
        self.write_first(from)
    }

    /// Copies numbers of the host into the first places here.
    ///
    /// # Panics
    /// If there are more of them than places.
    pub fn write_first(&mut self, from: &[T]) -> Result<()> {
        assert!(from.len() <= self.len, "{} numbers for {} places", from.len(), self.len);
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: the buffer has room, and `from` is borrowed until the wait is over.
        unsafe { memory::copy_in(&self.shared.stream, self.address(), from)? };
        self.shared.stream.synchronize()
    }

    /// Copies the numbers to the host, after everything queued before.
    ///
    /// # Panics
    /// If there are not exactly as many.
    pub fn read(&self, to: &mut [T]) -> Result<()> {
        assert_eq!(to.len(), self.len, "a buffer is read as a whole");
        if to.is_empty() {
            return Ok(());
        }
        // SAFETY: as above, and `to` is borrowed until the wait is over.
        unsafe { memory::copy_out(&self.shared.stream, to, self.address())? };
        self.shared.stream.synchronize()
    }

    /// The numbers, on the host.
    pub fn download(&self) -> Result<Vec<T>>
    where
        T: Default,
    {
        let mut numbers = vec![T::default(); self.len];
        self.read(&mut numbers)?;
        Ok(numbers)
    }

    /// Queues copying another buffer of the same engine here.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn copy_from(&mut self, from: &Buffer<T>) -> Result<()> {
        assert_eq!(from.len, self.len, "buffers are copied as a whole");
        if self.len == 0 {
            return Ok(());
        }
        let bytes = self.len * size_of::<T>();
        // SAFETY: both have so many bytes, and two buffers do not overlap.
        unsafe { memory::copy(&self.shared.stream, self.address(), from.address(), bytes) }
    }

    /// Queues setting all bytes to zero.
    pub fn clear(&mut self) -> Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        // SAFETY: the buffer has so many bytes.
        unsafe { memory::set(&self.shared.stream, self.address(), 0, self.len * size_of::<T>()) }
    }
}

impl Buffer<f32> {
    /// Copies numbers into the first places here, and waits until that is done.
    ///
    /// # Errors
    /// If an address is not that of so many numbers in the memory of this device. Then nothing is copied.
    ///
    /// # Panics
    /// If there are more of them than places.
    pub fn write_inputs(&mut self, from: Inputs) -> Result<()> {
        let pointer = match from {
            Inputs::Host(numbers) => return self.write_first(numbers),
            Inputs::Device(pointer) => pointer,
        };
        assert!(pointer.len <= self.len, "{} numbers for {} places", pointer.len, self.len);
        // Recorded, the copy would be one from memory that is gone when the graph runs.
        refuse("cuMemcpyDtoDAsync")?;
        from.check(self.shared.context())?;
        if pointer.len == 0 {
            return Ok(());
        }
        let (stream, bytes) = (&self.shared.stream, pointer.len * size_of::<f32>());
        // SAFETY: the buffer has room, and the driver knows of as many bytes there.
        unsafe { memory::copy(stream, self.address(), pointer.address, bytes)? };
        stream.synchronize()
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.shared.pool.give(block);
        }
    }
}
