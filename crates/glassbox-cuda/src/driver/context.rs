//! A device, and what this process keeps on it.

use super::api;
use super::error::{Error, Result, check};
use super::library;
use cudarc::driver::sys::{CUcontext, CUdevice, CUdevice_attribute};
use std::ffi::CStr;

/// The primary context of a device, which libraries in one process share.
pub struct Context {
    context: CUcontext,
    ordinal: usize,
    device: CUdevice,
    name: String,
    capability: u32,
    cuda: i32,
}

// SAFETY: the driver's functions may be called from any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// The context of device `ordinal`, counted from 0.
    pub fn open(ordinal: usize) -> Result<Context> {
        let count = library::device_count()?;
        if ordinal >= count {
            return Err(Error::NoDevice { ordinal, count });
        }
        let (mut device, mut context) = (0, std::ptr::null_mut());
        // SAFETY: the driver is loaded; it writes a handle each.
        unsafe {
            check("cuDeviceGet", api::cuDeviceGet(&mut device, ordinal as i32))?;
            check("cuDevicePrimaryCtxRetain", api::cuDevicePrimaryCtxRetain(&mut context, device))?;
        }
        let name = String::new();
        let cuda = library::version()?;
        let mut context = Context { context, ordinal, device, name, capability: 0, cuda };
        context.name = context.ask_name()?;
        let [major, minor] = [
            CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        ]
        .map(|attribute| context.attribute(attribute));
        context.capability = 10 * major? + minor?;
        context.bind()?;
        Ok(context)
    }

    /// Makes this the context of the calling thread. Every call of the driver needs one.
    pub(crate) fn bind(&self) -> Result<()> {
        // SAFETY: the context is retained.
        check("cuCtxSetCurrent", unsafe { api::cuCtxSetCurrent(self.context) })
    }

    /// The number of the device, counted from 0.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// The name of the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 10 · major + minor of its compute capability.
    pub fn capability(&self) -> u32 {
        self.capability
    }

    /// Whether a kernel can start before the one queued ahead of it has ended: chips from compute capability 9.0 on, with
    /// a driver of CUDA 12.3 or newer, which is the oldest that records it.
    pub fn starts_early(&self) -> bool {
        self.capability >= 90 && self.cuda >= 12030
    }

    /// Bytes of its memory: free, and in all.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.bind()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: a context is current; the driver writes two numbers.
        check("cuMemGetInfo", unsafe { api::cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok((free, total))
    }

    fn attribute(&self, attribute: CUdevice_attribute) -> Result<u32> {
        let mut value = 0;
        // SAFETY: the device exists; the driver writes one number.
        let code = unsafe { api::cuDeviceGetAttribute(&mut value, attribute, self.device) };
        check("cuDeviceGetAttribute", code)?;
        Ok(value.max(0) as u32)
    }

    /// Its place in the machine, as in `0000:65:00.0`: what other tools know it by.
    pub fn pci_bus_id(&self) -> Result<String> {
        let mut text = [0; 32];
        // SAFETY: the device exists; the driver writes at most the given length and ends with 0.
        unsafe {
            let (start, length) = (text.as_mut_ptr(), text.len() as i32 - 1);
            check("cuDeviceGetPCIBusId", api::cuDeviceGetPCIBusId(start, length, self.device))?;
            Ok(CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())
        }
    }

    fn ask_name(&self) -> Result<String> {
        let mut name = [0; 256];
        // SAFETY: the device exists; the driver writes at most the given length and ends with 0.
        unsafe {
            let code = api::cuDeviceGetName(name.as_mut_ptr(), name.len() as i32 - 1, self.device);
            check("cuDeviceGetName", code)?;
            Ok(CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned())
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was retained once. What the driver says at the end interests no one any more.
        let _ = unsafe { api::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}
