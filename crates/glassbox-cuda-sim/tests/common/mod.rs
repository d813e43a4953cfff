//! The functions of the simulated driver as a test calls them: by name, with numbers.

#![allow(dead_code, reason = "each test file uses a part")]

use std::ffi::{CStr, CString, c_char};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fs};

use glassbox_cuda_sim::{Mode, compile_library};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// CUDA's number for success.
pub const SUCCESS: i32 = 0;

/// Both ways to run a kernel.
pub const MODES: [Mode; 2] = [Mode::Fast, Mode::Check];

/// The test's own kernels, by file name.
pub fn kernels() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels");
    let files = fs::read_dir(folder).expect("the folder is there").flatten();
    let mut kernels: Vec<(String, String)> = files
        .map(|file| {
            let text = fs::read_to_string(file.path()).expect("a text");
            (file.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    kernels.sort();
    kernels
}

/// The line of the kernel's text that ends in its name.
pub fn line_of(kernel: &str) -> String {
    for (file, text) in kernels() {
        let mark = format!("// {kernel}");
        if let Some(line) = text.lines().position(|line| line.ends_with(&mark)) {
            return format!("{file}:{}: ", line + 1);
        }
    }
    panic!("no line says {kernel}");
}

/// The library with those kernels, compiled once for all tests.
pub fn library(mode: Mode) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let name = env::var("GLASSBOX_SIM_TEST_FOLDER").unwrap_or_else(|_| mode.name().into());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("glassbox-cuda-sim").join(name);
    let kernels = kernels();
    let kernels: Vec<(&str, &str)> =
        kernels.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    compile_library(&kernels, mode, &folder).unwrap_or_else(|error| panic!("{error}"))
}

/// A loaded library. While a test has one, other tests of the process wait: they would share its context.
pub struct Driver {
    library: Library,
    _turn: MutexGuard<'static, ()>,
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
    /// A structure.
    Bytes(Vec<u8>),
}

impl Driver {
    /// Loads the library of this mode, and no more.
    pub fn load(mode: Mode) -> Driver {
        Driver::load_file(&library(mode))
    }

    pub fn load_file(file: &Path) -> Driver {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the library is ours, and its initialisers only fill its list of kernels.
        let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
        let library = library.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Driver { library, _turn: turn }
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
        // SAFETY: the function has this type.
        let report = unsafe {
            let function = self.library.get::<extern "C" fn() -> usize>("glassbox_sim_report");
            function.expect("it is there")()
        };
        text_at(report)
    }

    /// Whether the library has a function of this name.
    pub fn has(&self, name: &str) -> bool {
        // SAFETY: the function is looked up and not called.
        unsafe { self.library.get::<extern "C" fn()>(name).is_ok() }
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
        let parameters: Vec<String> = arguments.iter().map(Argument::ptx).collect();
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
        let [gx, gy, gz] = grid;
        let [bx, by, bz] = block;
        self.with_arguments(name, arguments, |function, given| {
            let words = [function, gx, gy, gz, bx, by, bz, dynamic_bytes, stream, given, 0];
            self.call("cuLaunchKernel", &words)
        })
    }

    /// The same with cuLaunchKernelEx, for a kernel that may start before what is queued ahead of it has ended.
    pub fn launch_early(
        &self,
        stream: usize,
        name: &str,
        grid: [usize; 3],
        block: [usize; 3],
        arguments: &[Argument],
    ) -> i32 {
        /// CUlaunchAttribute.
        #[repr(C)]
        struct Attribute {
            which: u32,
            unused: u32,
            is_early: u64,
            rest: [u64; 7],
        }
        /// CUlaunchConfig.
        #[repr(C)]
        struct Configuration {
            sizes: [u32; 7],
            stream: usize,
            attributes: usize,
            count: u32,
        }
        /// CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
        const EARLY: u32 = 6;
        let mut early = Attribute { which: EARLY, unused: 0, is_early: 1, rest: [0; 7] };
        let [[gx, gy, gz], [bx, by, bz]] = [grid, block].map(|sizes| sizes.map(|size| size as u32));
        let (sizes, attributes) = ([gx, gy, gz, bx, by, bz, 0], place(&mut early));
        let mut configuration = Configuration { sizes, stream, attributes, count: 1 };
        self.with_arguments(name, arguments, |function, given| {
            self.call("cuLaunchKernelEx", &[place(&mut configuration), function, given, 0])
        })
    }

    /// Calls `launch` with the function of that name, and with where the arguments are.
    fn with_arguments(
        &self,
        name: &str,
        arguments: &[Argument],
        launch: impl FnOnce(usize, usize) -> i32,
    ) -> i32 {
        let function = self.function(name, arguments);
        let values: Vec<Vec<u8>> = arguments.iter().map(Argument::bytes).collect();
        let mut places: Vec<usize> = values.iter().map(|value| value.as_ptr() as usize).collect();
        launch(function, places.as_mut_ptr() as usize)
    }

    /// Launches the kernel and waits for it.
    pub fn run(&self, name: &str, grid: usize, block: usize, arguments: &[Argument]) -> i32 {
        let launched = self.launch_in(0, name, [grid, 1, 1], [block, 1, 1], 0, arguments);
        if launched == SUCCESS { self.call("cuCtxSynchronize", &[]) } else { launched }
    }
}

/// The next test begins with a context of its own.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.has("cuDevicePrimaryCtxRelease_v2") {
            self.call("cuDevicePrimaryCtxRelease_v2", &[0]);
        }
    }
}

impl Argument {
    /// Its declaration in PTX, up to its name.
    fn ptx(&self) -> String {
        match self {
            Argument::Memory(_) | Argument::Size(_) => ".u64 p".into(),
            Argument::Unsigned(_) => ".u32 p".into(),
            Argument::Float(_) => ".f32 p".into(),
            Argument::Bytes(bytes) => format!(".align 4 .b8 p[{}]", bytes.len()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Argument::Memory(memory) => memory.address.to_le_bytes().to_vec(),
            Argument::Size(value) => value.to_le_bytes().to_vec(),
            Argument::Unsigned(value) => value.to_le_bytes().to_vec(),
            Argument::Float(value) => value.to_le_bytes().to_vec(),
            Argument::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// PTX with one kernel that does nothing: what the simulator reads of it is its head.
pub fn ptx(name: &str, parameters: &[impl AsRef<str>]) -> String {
    let parameters: Vec<String> =
        parameters.iter().map(|parameter| format!(".param {}", parameter.as_ref())).collect();
    let parameters = parameters.join(",\n");
    format!(
        "//\n.version 8.0\n.target sm_75\n.address_size 64\n\n\
         .visible .entry {name}(\n{parameters}\n)\n{{\n\tret;\n}}\n"
    )
}

/// The text that begins there.
pub fn text_at(address: usize) -> String {
    // SAFETY: the driver's texts end in zero, and stay at least until its next call.
    unsafe { CStr::from_ptr(address as *const c_char) }.to_string_lossy().into_owned()
}

/// Writes to memory of the host that the driver has allocated.
pub fn write_pinned(address: usize, value: u32) {
    // SAFETY: the test has just been given at least four bytes there, and they are aligned.
    unsafe { (address as *mut u32).write(value) }
}

/// Whether a library of that name is there, and has that function.
pub fn has_function(library: &str, function: &str) -> bool {
    // SAFETY: the initialisers of a driver may run, and the function is not called.
    unsafe { Library::new(library).is_ok_and(|it| it.get::<extern "C" fn()>(function).is_ok()) }
}

/// Tells the process that runs this test alone.
pub fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("stderr is open");
}

/// Where a value is, as a word.
pub fn place<T>(value: &mut T) -> usize {
    std::ptr::from_mut(value) as usize
}
