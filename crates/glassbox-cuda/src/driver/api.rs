//! The functions of the driver that are called here, with what they return as a plain number.
//!
//! cudarc declares them too, but as returning an enum of the errors that it knows, and a newer driver returns others:
//! an enum must never hold those. Its types of handles and of settings serve, since it is we who choose their values.

use cudarc::driver::sys::{
    self, CUcontext, CUdevice, CUdevice_attribute, CUdeviceptr, CUevent, CUfunction, CUgraph,
    CUgraphExec, CUjit_option, CUlaunchConfig, CUmodule, CUpointer_attribute, CUstream,
    CUstreamCaptureMode,
};
use std::ffi::{c_char, c_void};
use std::sync::OnceLock;

/// The function of that name, if the driver has it.
///
/// # Safety
/// The library of the driver is present, and `F` is the type of the function.
pub(super) unsafe fn find<F: Copy>(name: &str) -> Option<F> {
    // SAFETY: promised by the caller.
    unsafe { sys::culib().get::<F>(name.as_bytes()).ok().map(|function| *function) }
}

macro_rules! functions {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        /// Every function of the driver that is called here. One that is missing would end the program at
        /// its first call, so all are looked up first.
        pub const SYMBOLS: &[&str] = &[$(stringify!($name)),*];

        $(
            /// The driver's function of this name.
            ///
            /// # Safety
            /// The driver is loaded, and the arguments are as its documentation has them.
            #[allow(non_snake_case)] // the driver's names
            pub(crate) unsafe fn $name($($argument: $type),*) -> u32 {
                type Function = unsafe extern "system" fn($($type),*) -> u32;
                static FUNCTION: OnceLock<Function> = OnceLock::new();
                let name = stringify!($name);
                // SAFETY: promised by the caller.
                let function = FUNCTION.get_or_init(|| unsafe { find(name) }.expect(name));
                // SAFETY: as above.
                unsafe { function($($argument),*) }
            }
        )*
    };
}

functions! {
    fn cuCtxSetCurrent(context: CUcontext);
    fn cuDeviceGet(device: *mut CUdevice, ordinal: i32);
    fn cuDeviceGetAttribute(value: *mut i32, which: CUdevice_attribute, device: CUdevice);
    fn cuDeviceGetCount(count: *mut i32);
    fn cuDeviceGetName(name: *mut c_char, bytes: i32, device: CUdevice);
    fn cuDeviceGetPCIBusId(text: *mut c_char, bytes: i32, device: CUdevice);
    fn cuDevicePrimaryCtxRelease_v2(device: CUdevice);
    fn cuDevicePrimaryCtxRetain(context: *mut CUcontext, device: CUdevice);
    fn cuDriverGetVersion(version: *mut i32);
    fn cuEventCreate(event: *mut CUevent, flags: u32);
    fn cuEventDestroy_v2(event: CUevent);
    fn cuEventElapsedTime(milliseconds: *mut f32, start: CUevent, end: CUevent);
    fn cuEventRecord(event: CUevent, stream: CUstream);
    fn cuEventSynchronize(event: CUevent);
    fn cuGetErrorName(code: u32, name: *mut *const c_char);
    fn cuGetErrorString(code: u32, text: *mut *const c_char);
    fn cuGraphDestroy(graph: CUgraph);
    fn cuGraphExecDestroy(graph: CUgraphExec);
    fn cuGraphInstantiateWithFlags(executable: *mut CUgraphExec, graph: CUgraph, flags: u64);
    fn cuGraphLaunch(graph: CUgraphExec, stream: CUstream);
    fn cuInit(flags: u32);
    fn cuLaunchKernelEx(
        config: *const CUlaunchConfig, function: CUfunction, arguments: *mut *mut c_void,
        extra: *mut *mut c_void
    );
    fn cuMemAlloc_v2(address: *mut CUdeviceptr, bytes: usize);
    fn cuMemFree_v2(address: CUdeviceptr);
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    fn cuMemcpyDtoDAsync_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream);
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream);
    fn cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream);
    fn cuMemsetD8Async(to: CUdeviceptr, value: u8, count: usize, stream: CUstream);
    fn cuModuleGetFunction(function: *mut CUfunction, module: CUmodule, name: *const c_char);
    fn cuModuleLoadDataEx(
        module: *mut CUmodule, image: *const c_void, count: u32, options: *mut CUjit_option,
        values: *mut *mut c_void
    );
    fn cuModuleUnload(module: CUmodule);
    fn cuPointerGetAttributes(
        count: u32, which: *mut CUpointer_attribute, values: *mut *mut c_void, address: CUdeviceptr
    );
    fn cuStreamBeginCapture_v2(stream: CUstream, mode: CUstreamCaptureMode);
    fn cuStreamCreate(stream: *mut CUstream, flags: u32);
    fn cuStreamDestroy_v2(stream: CUstream);
    fn cuStreamEndCapture(stream: CUstream, graph: *mut CUgraph);
    fn cuStreamSynchronize(stream: CUstream);
}
