//! Kernels: text that the driver translates for its device.

use super::api;
use super::context::Context;
use super::error::{Error, Result, check, code};
use cudarc::driver::sys::{CUfunction, CUmodule};
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

/// A loaded file of kernels.
pub(crate) struct Module {
    module: CUmodule,
    ptx: &'static str,
    functions: Mutex<HashMap<&'static str, Function>>,
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
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Has the driver translate the text for its device.
    pub(crate) fn load(context: &Arc<Context>, ptx: &'static str) -> Result<Module> {
        context.bind()?;
        let text = CString::new(ptx).unwrap_or_default();
        let mut module = std::ptr::null_mut();
        // SAFETY: a context is current; the text ends with 0; the driver writes a handle.
        let code = unsafe { api::cuModuleLoadData(&mut module, text.as_ptr().cast()) };
        if code == code::NO_BINARY_FOR_GPU {
            let (name, capability) = (context.name().to_string(), context.capability());
            return Err(Error::NoKernel { name, capability });
        }
        check("cuModuleLoadData", code)?;
        Ok(Module { module, ptx, functions: Mutex::default(), context: context.clone() })
    }

    /// The kernel of that name.
    ///
    /// # Panics
    /// If the text has none.
    pub(crate) fn function(&self, name: &'static str) -> Result<Function> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Ok(*function);
        }
        let parameters = parameters(self.ptx, name);
        let parameters = parameters.unwrap_or_else(|| panic!("the PTX has no kernel {name}"));
        self.context.bind()?;
        let (text, mut handle) = (CString::new(name).unwrap_or_default(), std::ptr::null_mut());
        // SAFETY: the module exists; the text ends with 0; the driver writes a handle.
        let code = unsafe { api::cuModuleGetFunction(&mut handle, self.module, text.as_ptr()) };
        check("cuModuleGetFunction", code)?;
        // A kernel's parameters are asked for once in the life of a process.
        let function = Function { handle, parameters: parameters.leak() };
        functions.insert(name, function);
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
