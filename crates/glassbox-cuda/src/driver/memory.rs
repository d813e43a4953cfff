//! Memory of the device: blocks, and copies to and from them.

use super::Element;
use super::api;
use super::context::Context;
use super::error::{Error, Result, check, code};
use super::stream::Stream;
use cudarc::driver::sys::{CUdeviceptr, CUmemorytype, CUpointer_attribute};
use std::ffi::c_void;
use std::sync::Arc;

/// Memory of the device, as the driver gives it.
pub(crate) struct Block {
    address: CUdeviceptr,
    bytes: usize,
    context: Arc<Context>,
}

impl Block {
    /// A block of some bytes, whose contents are arbitrary.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize) -> Result<Block> {
        context.bind()?;
        let mut address = 0;
        // SAFETY: a context is current; the driver writes an address.
        let code = unsafe { api::cuMemAlloc_v2(&mut address, bytes.max(1)) };
        check("cuMemAlloc", code).map_err(|error| error.wanting(bytes))?;
        Ok(Block { address, bytes, context: context.clone() })
    }

    /// Its address on the device.
    pub(crate) fn address(&self) -> CUdeviceptr {
        self.address
    }

    /// Its size.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the block exists. The driver waits for work that uses it.
            let _ = unsafe { api::cuMemFree_v2(self.address) };
        }
    }
}

/// Fails unless there are so many bytes of the device's memory from the address on, whoever asked the driver for them.
pub(crate) fn check_range(context: &Context, address: u64, bytes: usize) -> Result<()> {
    let known = if bytes == 0 { 0 } else { known_from(context, address)? };
    if bytes <= known { Ok(()) } else { Err(Error::NotDeviceMemory { address, bytes, known }) }
}

/// How many bytes of the device's memory the driver knows of from the address on.
fn known_from(context: &Context, address: u64) -> Result<usize> {
    context.bind()?;
    let (mut kind, mut device, mut start, mut bytes) = (0u32, -1i32, 0u64, 0usize);
    // Not cuMemGetAddressRange: an allocation that grows piece by piece, as PyTorch's do, has a range for each piece.
    let mut which = [
        CUpointer_attribute::CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
        CUpointer_attribute::CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
        CUpointer_attribute::CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
        CUpointer_attribute::CU_POINTER_ATTRIBUTE_RANGE_SIZE,
    ];
    let mut values: [*mut c_void; 4] = [
        (&raw mut kind).cast(),
        (&raw mut device).cast(),
        (&raw mut start).cast(),
        (&raw mut bytes).cast(),
    ];
    // SAFETY: a context is current; the driver writes a number of the right size for each attribute, and does not follow
    // the address.
    let code = unsafe {
        let (count, which) = (which.len() as u32, which.as_mut_ptr());
        api::cuPointerGetAttributes(count, which, values.as_mut_ptr(), address)
    };
    // By these it says that the address is nobody's; the context is a good one.
    if [code::INVALID_VALUE, code::INVALID_CONTEXT].contains(&code) {
        return Ok(0);
    }
    check("cuPointerGetAttributes", code)?;
    let is_ours = kind == CUmemorytype::CU_MEMORYTYPE_DEVICE as u32
        && usize::try_from(device) == Ok(context.ordinal());
    let before = address.checked_sub(start).and_then(|before| usize::try_from(before).ok());
    Ok(if is_ours { before.map_or(0, |before| bytes.saturating_sub(before)) } else { 0 })
}

/// Queues copying `from` to the device.
///
/// # Safety
/// `to` has room, and `from` stays as it is until the copy is done.
pub(crate) unsafe fn copy_in<T: Element>(stream: &Stream, to: u64, from: &[T]) -> Result<()> {
    let (place, bytes) = (from.as_ptr().cast(), size_of_val(from));
    // SAFETY: promised by the caller.
    stream.queue_now("cuMemcpyHtoDAsync", |stream| unsafe {
        api::cuMemcpyHtoDAsync_v2(to, place, bytes, stream)
    })
}

/// Queues copying from the device into `to`.
///
/// # Safety
/// `from` has as much, and no one touches `to` until the copy is done.
pub(crate) unsafe fn copy_out<T: Element>(stream: &Stream, to: &mut [T], from: u64) -> Result<()> {
    let (bytes, place) = (size_of_val(to), to.as_mut_ptr().cast());
    // SAFETY: promised by the caller.
    stream.queue_now("cuMemcpyDtoHAsync", |stream| unsafe {
        api::cuMemcpyDtoHAsync_v2(place, from, bytes, stream)
    })
}

/// Queues copying within the device.
///
/// # Safety
/// Both have so many bytes and do not overlap.
pub(crate) unsafe fn copy(stream: &Stream, to: u64, from: u64, bytes: usize) -> Result<()> {
    // SAFETY: promised by the caller.
    stream.queue("cuMemcpyDtoDAsync", |stream| unsafe {
        api::cuMemcpyDtoDAsync_v2(to, from, bytes, stream)
    })
}

/// Queues setting every byte.
///
/// # Safety
/// There are as many.
pub(crate) unsafe fn set(stream: &Stream, to: u64, value: u8, bytes: usize) -> Result<()> {
    // SAFETY: promised by the caller.
    stream.queue("cuMemsetD8Async", |stream| unsafe {
        api::cuMemsetD8Async(to, value, bytes, stream)
    })
}
