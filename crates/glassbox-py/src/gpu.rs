//! Arrays in the memory of a GPU: ours for other libraries, and theirs for us.

use crate::device::Device;
use crate::work::run_detached;
use dlpark::allocation::dynamic::Initialized;
use dlpark::ffi::{DLDataType, DLDevice, DLDeviceType, DLManagedTensor, DLManagedTensorVersioned};
use dlpark::metadata::Dynamic;
use dlpark::python::consumer::stream;
use dlpark::python::{
    DlpackExporter, DlpackStream, ExportRequest, ImportedDlpack, StreamArg, export_dlpack,
    from_dlpack,
};
use dlpark::{DlpackFlags, Managed, ManagedTensorBase};
use glassbox::cuda::{Buffer, DevicePointer};
use glassbox::{Error, device::Cuda};
use numpy::{PyReadonlyArray1, PyReadwriteArray1};
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

/// An array in the memory of a GPU, contiguous, which other libraries read without a copy.
#[pyclass(frozen, module = "glassbox._native")]
pub struct DeviceArray {
    bytes: Arc<Buffer<u8>>,
    /// The type as NumPy writes it, `<f4`.
    #[pyo3(get)]
    typestr: String,
    dtype: DLDataType,
    shape: Vec<usize>,
    ordinal: i32,
}

#[pymethods]
impl DeviceArray {
    /// Copies the bytes of an array to the device.
    #[new]
    fn new(
        py: Python,
        device: &Device,
        bytes: PyReadonlyArray1<u8>,
        typestr: String,
        shape: Vec<usize>,
    ) -> PyResult<DeviceArray> {
        let dtype = dlpack_type(&typestr)
            .ok_or_else(|| PyTypeError::new_err(format!("no GPU array holds {typestr}")))?;
        let slice = bytes.as_slice()?;
        let size = usize::from(dtype.bits) / 8;
        let wanted = shape.iter().try_fold(size, |product, &side| product.checked_mul(side));
        if wanted != Some(slice.len()) {
            let text = format!("{} bytes are no array {shape:?} of {typestr}", slice.len());
            return Err(PyValueError::new_err(text));
        }
        let device = device.opened(py)?;
        let (bytes, ordinal) = run_detached(py, || {
            let gpu = gpu(&device)?;
            let ordinal = gpu.engine().context().ordinal() as i32;
            Ok((Arc::new(gpu.engine().upload(slice)?), ordinal))
        })?;
        Ok(DeviceArray { bytes, typestr, dtype, shape, ordinal })
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pyo3::types::PyTuple::new(py, &self.shape)?.into_any())
    }

    #[getter]
    fn __cuda_array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let interface = PyDict::new(py);
        interface.set_item("shape", self.shape(py)?)?;
        interface.set_item("typestr", &self.typestr)?;
        interface.set_item("data", (self.bytes.address(), false))?;
        interface.set_item("version", 3)?;
        interface.set_item("strides", py.None())?;
        // The copy was waited for, so there is nothing to wait for.
        interface.set_item("stream", py.None())?;
        Ok(interface)
    }

    fn __dlpack_device__(&self) -> (u32, i32) {
        self.device().into()
    }

    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        &self,
        py: Python<'py>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(u32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Py<PyAny>> {
        export_dlpack(self, py, ExportRequest::parse(stream, max_version, dl_device, copy)?)
    }
}

impl DeviceArray {
    /// A header that keeps the memory.
    fn header<M: ManagedTensorBase>(&self) -> PyResult<Managed<M>> {
        let refused = |error: &dyn std::fmt::Display| PyBufferError::new_err(error.to_string());
        let shape: Vec<i64> = self.shape.iter().map(|&side| side as i64).collect();
        let layout = Dynamic::compact(&shape[..]);
        let header = layout.initialize_as::<M>(self.bytes.clone());
        let mut header: Initialized<M> = header.map_err(|error| refused(&error))?;
        header.set_data(self.bytes.address() as *mut std::ffi::c_void);
        header.set_dtype(self.dtype).set_device(self.device());
        // SAFETY: the memory has as many numbers of the type as the shape says, one after the other, and the header keeps it.
        Ok(unsafe { header.finish() })
    }
}

impl DlpackExporter for DeviceArray {
    fn device(&self) -> DLDevice {
        DLDevice::cuda(self.ordinal)
    }

    fn flags(&self) -> DlpackFlags {
        DlpackFlags::empty()
    }

    fn prepare_export(&self, _: Python, _: &ExportRequest) -> PyResult<()> {
        // What was copied there is there, whichever stream reads it.
        Ok(())
    }

    fn export_legacy(&self, _: Python) -> PyResult<Managed<DLManagedTensor>> {
        self.header()
    }

    fn export_versioned(&self, _: Python) -> PyResult<Managed<DLManagedTensorVersioned>> {
        self.header()
    }
}

/// An array of another library that is handed over through DLPack.
#[pyclass(frozen, module = "glassbox._native")]
pub struct Imported {
    /// Keeps the memory.
    _tensor: ImportedDlpack,
    #[pyo3(get)]
    address: u64,
    #[pyo3(get)]
    typestr: String,
    #[pyo3(get)]
    shape: Vec<i64>,
    /// In numbers, not bytes.
    #[pyo3(get)]
    strides: Vec<i64>,
}

// SAFETY: DLPack's tensors may be dropped on any thread, and nothing but that happens to it: what was read from it is
// beside it.
unsafe impl Sync for Imported {}
// SAFETY: as above.
unsafe impl Send for Imported {}

/// The default stream, which whoever reads waits for. It is asked for by name, through Python's protocol, as 1: an array of
/// PyTorch is made ready for no stream at all where the argument is left out.
struct DefaultStream;

// SAFETY: the default stream is there on every device of CUDA, and always lives.
unsafe impl DlpackStream for DefaultStream {
    fn as_python_arg(&self, _: Python, device: DLDevice) -> PyResult<StreamArg> {
        Ok(match device.device_type {
            DLDeviceType::CUDA => stream::cuda(std::ptr::null_mut()),
            // It is refused below.
            _ => stream::none(),
        })
    }
}

#[pymethods]
impl Imported {
    #[new]
    fn new(value: &Bound<'_, PyAny>) -> PyResult<Imported> {
        let refused = |text: String| PyBufferError::new_err(text);
        let tensor = from_dlpack(value.as_borrowed(), Some(&DefaultStream), None)?;
        let found = tensor.validate().map_err(|error| refused(error.to_string()))?;
        if found.device().device_type != DLDeviceType::CUDA {
            return Err(refused("it lies neither on the host nor on an NVIDIA GPU".to_string()));
        }
        let typestr = type_string(found.dtype())
            .ok_or_else(|| PyTypeError::new_err(format!("its type is {:?}", found.dtype())))?;
        let strides = found.strides_or_compact().map_err(|error| refused(error.to_string()))?;
        let (shape, strides) = (found.shape().to_vec(), strides.to_vec());
        let address = found.data_ptr() as u64 + found.byte_offset();
        Ok(Imported { address, typestr: typestr.to_string(), shape, strides, _tensor: tensor })
    }
}

/// Inputs (rows, width) in float32 at an address of the device, contiguous.
#[pyclass(frozen, module = "glassbox._native")]
pub struct DeviceMatrix {
    address: u64,
    pub rows: usize,
    pub width: usize,
    stream: Option<u64>,
    /// Keeps the memory.
    _owner: Py<PyAny>,
}

#[pymethods]
impl DeviceMatrix {
    #[new]
    fn new(
        address: u64,
        rows: usize,
        width: usize,
        stream: Option<u64>,
        owner: Py<PyAny>,
    ) -> DeviceMatrix {
        DeviceMatrix { address, rows, width, stream, _owner: owner }
    }

    fn __len__(&self) -> usize {
        self.rows
    }
}

impl DeviceMatrix {
    /// The numbers, once what was queued to write them is done.
    pub fn ready(&self, gpu: &Cuda) -> glassbox::Result<DevicePointer> {
        wait(gpu, self.stream)?;
        Ok(DevicePointer { address: self.address, len: self.rows.saturating_mul(self.width) })
    }
}

/// Fills `out` with the bytes at an address of the device.
#[pyfunction]
pub fn read_device(
    py: Python,
    device: &Device,
    mut out: PyReadwriteArray1<u8>,
    address: u64,
    stream: Option<u64>,
) -> PyResult<()> {
    let (out, device) = (out.as_slice_mut()?, device.opened(py)?);
    run_detached(py, || {
        let gpu = gpu(&device)?;
        wait(gpu, stream)?;
        Ok(gpu.engine().read_at(out, address)?)
    })
}

fn wait(gpu: &Cuda, stream: Option<u64>) -> glassbox::Result<()> {
    if let Some(handle) = stream {
        // SAFETY: the handle is that of the array's interface, whose protocol promises a stream that lives.
        unsafe { gpu.engine().wait_for_stream(handle)? };
    }
    Ok(())
}

/// The GPU that a device is.
pub fn gpu(device: &glassbox::Device) -> glassbox::Result<&Cuda> {
    match device {
        glassbox::Device::Cuda(gpu) => Ok(gpu),
        _ => {
            let (what, hint) = ("the device is no GPU", "device=\"cuda\"");
            Err(Error::Refused { what, hint })
        }
    }
}

/// DLPack's types beside NumPy's.
const TYPES: [(DLDataType, &str); 11] = [
    (DLDataType::BOOL, "|b1"),
    (DLDataType::I8, "|i1"),
    (DLDataType::I16, "<i2"),
    (DLDataType::I32, "<i4"),
    (DLDataType::I64, "<i8"),
    (DLDataType::U8, "|u1"),
    (DLDataType::U16, "<u2"),
    (DLDataType::U32, "<u4"),
    (DLDataType::U64, "<u8"),
    (DLDataType::F32, "<f4"),
    (DLDataType::F64, "<f8"),
];

fn dlpack_type(typestr: &str) -> Option<DLDataType> {
    TYPES.iter().find(|(_, name)| *name == typestr).map(|(dtype, _)| *dtype)
}

fn type_string(dtype: DLDataType) -> Option<&'static str> {
    TYPES.iter().find(|(same, _)| *same == dtype).map(|(_, name)| *name)
}
