//! The functions of the simulated driver as a test calls them: by name, with numbers.

#![allow(dead_code, reason = "each test file uses a part")]

use std::ffi::{CStr, CString, c_char};
use std::path::Path;

use glassbox_cuda_sim::{Mode, library_dir};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// CUDA's numbers for results that tests look for.
pub const SUCCESS: i32 = 0;

pub struct Driver {
    library: Library,
}

/// Device memory.
#[derive(Clone, Copy)]
pub struct Memory {
    pub address: usize,
    pub bytes: usize,
}

/// A kernel's argument.
pub enum Argument {
    Memory(Memory),
    Unsigned(u32),
    Size(usize),
    Float(f32),
}

impl Driver {
    /// Loads the library of this mode, and no more.
    pub fn load(mode: Mode) -> Driver {
        Driver::load_file(&library_dir(mode).join("libcuda.so.1"))
    }

    pub fn load_file(file: &Path) -> Driver {
        // SAFETY: the library is ours, and its initialisers only fill its list of kernels.
        let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
        Driver { library: library.unwrap_or_else(|error| panic!("{}: {error}", file.display())) }
    }

    /// The same, with a context that is current.
    pub fn start(mode: Mode) -> Driver {
        let driver = Driver::load(mode);
        driver.make_current();
        driver
    }

    pub fn make_current(&self) {
        let mut context = 0usize;
        assert_eq!(self.call("cuInit", &[0]), SUCCESS);
        assert_eq!(self.call("cuDevicePrimaryCtxRetain", &[place(&mut context), 0]), SUCCESS);
        assert_eq!(self.call("cuCtxSetCurrent", &[context]), SUCCESS);
    }

    /// Calls a function of the driver. Numbers and pointers alike are words here.
    pub fn call(&self, name: &str, a: &[usize]) -> i32 {
        type F<const N: usize> = [usize; N];
        let _: Option<F<0>> = None;
        macro_rules! call {
            ($($word:ty),*; $($index:expr),*) => {{
                // SAFETY: the functions of the driver take integers and pointers, each of which is passed like a word,
                // and the test gives as many as the function has.
                unsafe {
                    let function = self
                        .library
                        .get::<extern "C" fn($($word),*) -> i32>(name)
                        .unwrap_or_else(|error| panic!("{name}: {error}"));
                    function($(a[$index]),*)
                }
            }};
        }
        match a.len() {
            0 => call!(;),
            1 => call!(usize; 0),
            2 => call!(usize, usize; 0, 1),
            3 => call!(usize, usize, usize; 0, 1, 2),
            4 => call!(usize, usize, usize, usize; 0, 1, 2, 3),
            5 => call!(usize, usize, usize, usize, usize; 0, 1, 2, 3, 4),
            11 => {
                call!(usize, usize, usize, usize, usize, usize, usize, usize, usize, usize, usize;
                        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
            }
            other => panic!("{name} with {other} arguments"),
        }
    }

    /// The same, for a call that has to succeed.
    pub fn must(&self, name: &str, arguments: &[usize]) {
        assert_eq!(self.call(name, arguments), SUCCESS, "{name}: {}", self.report());
    }

    /// Calls a function whose first argument is where its result goes.
    pub fn make(&self, name: &str, rest: &[usize]) -> usize {
        let mut made = 0usize;
        self.must(name, &[&[place(&mut made)], rest].concat());
        made
    }

    /// What the simulator said last.
    pub fn report(&self) -> String {
        // SAFETY: the function returns a text that ends in zero and stays until the next report.
        unsafe {
            let function =
                self.library.get::<extern "C" fn() -> *const c_char>("glassbox_sim_report");
            CStr::from_ptr(function.expect("it is there")()).to_string_lossy().into_owned()
        }
    }

    pub fn allocate(&self, bytes: usize) -> Memory {
        Memory { address: self.make("cuMemAlloc_v2", &[bytes]), bytes }
    }

    pub fn upload<T: Copy>(&self, values: &[T]) -> Memory {
        let memory = self.allocate(size_of_val(values));
        let source = values.as_ptr() as usize;
        self.must("cuMemcpyHtoDAsync_v2", &[memory.address, source, memory.bytes, 0]);
        self.must("cuCtxSynchronize", &[]);
        memory
    }

    pub fn download<T: Copy + Default>(&self, memory: Memory) -> Vec<T> {
        let mut values = vec![T::default(); memory.bytes / size_of::<T>()];
        let target = values.as_mut_ptr() as usize;
        self.must("cuMemcpyDtoHAsync_v2", &[target, memory.address, memory.bytes, 0]);
        self.must("cuCtxSynchronize", &[]);
        values
    }

    /// The function of that name, from PTX that has as many parameters as these arguments.
    pub fn function(&self, name: &str, arguments: &[Argument]) -> usize {
        let parameters: Vec<&str> = arguments.iter().map(Argument::ptx_type).collect();
        let module = self.module(&ptx(name, &parameters));
        let name = CString::new(name).expect("a name");
        self.make("cuModuleGetFunction", &[module, name.as_ptr() as usize])
    }

    pub fn module(&self, ptx: &str) -> usize {
        let text = CString::new(ptx).expect("a text");
        self.make("cuModuleLoadData", &[text.as_ptr() as usize])
    }

    /// Launches the kernel in a stream, and returns what cuLaunchKernel says.
    pub fn launch_in(
        &self,
        stream: usize,
        name: &str,
        grid: [usize; 3],
        block: [usize; 3],
        dynamic_bytes: usize,
        arguments: &[Argument],
    ) -> i32 {
        let function = self.function(name, arguments);
        let mut values: Vec<u64> = arguments.iter().map(Argument::bits).collect();
        let mut places: Vec<usize> = values.iter_mut().map(place).collect();
        let [gx, gy, gz] = grid;
        let [bx, by, bz] = block;
        let given = places.as_mut_ptr() as usize;
        let words = [function, gx, gy, gz, bx, by, bz, dynamic_bytes, stream, given, 0];
        self.call("cuLaunchKernel", &words)
    }

    /// Launches the kernel and waits for it.
    pub fn run(&self, name: &str, grid: usize, block: usize, arguments: &[Argument]) -> i32 {
        let launched = self.launch_in(0, name, [grid, 1, 1], [block, 1, 1], 0, arguments);
        if launched == SUCCESS { self.call("cuCtxSynchronize", &[]) } else { launched }
    }
}

impl Argument {
    fn ptx_type(&self) -> &'static str {
        match self {
            Argument::Memory(_) | Argument::Size(_) => ".u64",
            Argument::Unsigned(_) => ".u32",
            Argument::Float(_) => ".f32",
        }
    }

    fn bits(&self) -> u64 {
        match self {
            Argument::Memory(memory) => memory.address as u64,
            Argument::Size(value) => *value as u64,
            Argument::Unsigned(value) => u64::from(*value),
            Argument::Float(value) => u64::from(value.to_bits()),
        }
    }
}

/// PTX with one kernel that does nothing: what the simulator reads of it is its head.
pub fn ptx(name: &str, parameters: &[&str]) -> String {
    let parameters: Vec<String> = parameters
        .iter()
        .enumerate()
        .map(|(i, kind)| format!(".param {kind} {name}_param_{i}"))
        .collect();
    let parameters = parameters.join(",\n");
    format!(
        "//\n.version 8.0\n.target sm_75\n.address_size 64\n\n.visible .entry {name}(\n{parameters}\n)\n{{\n\tret;\n}}\n"
    )
}

/// Where a value is, as a word.
pub fn place<T>(value: &mut T) -> usize {
    std::ptr::from_mut(value) as usize
}
