//! Kernels: text that the driver translates for its device.

use super::api;
use super::context::Context;
use super::error::{Result, check};
use cudarc::driver::sys::{CUfunction, CUjit_option, CUmodule};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::{CString, c_void};
use std::sync::{Arc, Mutex, PoisonError};

/// The files of kernels that were loaded in a context.
pub(crate) struct Modules {
    context: Arc<Context>,
    loaded: Mutex<HashMap<&'static str, Module>>,
}

/// A loaded file of kernels.
struct Module {
    module: CUmodule,
    file: &'static str,
    ptx: &'static str,
    functions: HashMap<&'static str, Function>,
    context: Arc<Context>,
}

/// A kernel, and the sizes of its parameters in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub handle: CUfunction,
    pub parameters: &'static [usize],
}

// SAFETY: the driver's functions may be called from any thread.
unsafe impl Send for Module {}

impl Modules {
    pub(crate) fn new(context: Arc<Context>) -> Modules {
        Modules { context, loaded: Mutex::default() }
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// A kernel of a file, which is loaded the first time. It exists as long as this.
    ///
    /// # Panics
    /// If the file has none of that name.
    pub(crate) fn function(
        &self,
        file: &'static str,
        ptx: &'static str,
        kernel: &'static str,
    ) -> Result<Function> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let module = match loaded.entry(file) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Module::load(&self.context, file, ptx)?),
        };
        module.function(kernel)
    }
}

/// Bytes for what the driver says against a text.
const LOG_BYTES: usize = 8192;

impl Module {
    /// Has the driver translate the text for its device.
    fn load(context: &Arc<Context>, file: &'static str, ptx: &'static str) -> Result<Module> {
        context.bind()?;
        let text = CString::new(ptx).unwrap_or_default();
        let (mut module, mut log) = (std::ptr::null_mut(), vec![0u8; LOG_BYTES]);
        let mut options = [
            CUjit_option::CU_JIT_ERROR_LOG_BUFFER,
            CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        // The size is given in the place of a pointer.
        let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), LOG_BYTES as *mut c_void];
        // SAFETY: a context is current; the text ends with 0; there are two options, and the log is as long as they say;
        // the driver writes a handle and into the log.
        let code = unsafe {
            let (image, count) = (text.as_ptr().cast(), options.len() as u32);
            let (options, values) = (options.as_mut_ptr(), values.as_mut_ptr());
            api::cuModuleLoadDataEx(&mut module, image, count, options, values)
        };
        check("cuModuleLoadDataEx", code).map_err(|error| error.refusing(file, &log))?;
        Ok(Module { module, file, ptx, functions: HashMap::new(), context: context.clone() })
    }

    fn function(&mut self, name: &'static str) -> Result<Function> {
        if let Some(function) = self.functions.get(name) {
            return Ok(*function);
        }
        let parameters = parameters(self.ptx, name);
        let parameters = parameters.unwrap_or_else(|| panic!("the PTX has no kernel {name}"));
        self.context.bind()?;
        let (text, mut handle) = (CString::new(name).unwrap_or_default(), std::ptr::null_mut());
        // SAFETY: the module exists; the text ends with 0; the driver writes a handle.
        let code = unsafe { api::cuModuleGetFunction(&mut handle, self.module, text.as_ptr()) };
        // A driver may put off translating a kernel until now.
        check("cuModuleGetFunction", code).map_err(|error| error.refusing(self.file, &[]))?;
        // They stay for the life of the process: a few bytes a kernel, each time that a device is opened.
        let function = Function { handle, parameters: parameters.leak() };
        self.functions.insert(name, function);
        Ok(function)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the module exists, and no one has it any more.
            let _ = unsafe { api::cuModuleUnload(self.module) };
        }
    }
}

/// The sizes of a kernel's parameters in bytes, read off its PTX: `.param .u64 name_param_0`, or
/// `.param .align 4 .b8 name_param_1[28]` for a structure.
fn parameters(ptx: &str, name: &str) -> Option<Vec<usize>> {
    let start = ptx.find(&format!(".entry {name}("))?;
    let list = ptx[start..].split_once('(')?.1.split_once(')')?.0;
    list.split(',').filter(|text| text.contains(".param")).map(parameter).collect()
}

fn parameter(text: &str) -> Option<usize> {
    let (kind, name) = text.trim().rsplit_once(char::is_whitespace)?;
    let bits: usize =
        kind.rsplit_once('.')?.1.trim_start_matches(char::is_alphabetic).parse().ok()?;
    let count = match name.split_once('[') {
        Some((_, count)) => count.trim_end_matches(']').parse().ok()?,
        None => 1,
    };
    Some(bits / 8 * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_off_the_text() {
        let ptx = ".visible .entry other(\n)\n.visible .entry f(\n\t.param .u64 f_param_0,\n\t.param .f32 f_param_1,\n\t.param .align 4 .b8 f_param_2[28]\n)\n{";
        assert_eq!(parameters(ptx, "f"), Some(vec![8, 4, 28]));
        assert_eq!(parameters(ptx, "other"), Some(vec![]));
        assert_eq!(parameters(ptx, "g"), None);
    }
}
