//! A CUDA driver for machines without a GPU.
//!
//! The build script compiles the unchanged text of the kernels of `glassbox-cuda` with g++, together with a runtime
//! that has the functions of `libcuda.so.1` and runs each CUDA thread as a fiber on the CPU. [`install`] loads that
//! library into the process, and whatever asks for the CUDA driver afterwards finds it.
//!
//! `README.md` says what is modelled and what is not.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[cfg(not(unix))]
use libloading::Library;
#[cfg(unix)]
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

#[path = "../build/compile.rs"]
pub mod compile;

pub use compile::Mode;

/// The folder with this mode's `libcuda.so.1` and `libcuda.so`.
pub fn library_dir(mode: Mode) -> PathBuf {
    Path::new(env!("OUT_DIR")).join(mode.name())
}

/// The folder with a `libcuda.so.1` that lacks nearly all functions of a driver.
pub fn stub_dir() -> PathBuf {
    Path::new(env!("OUT_DIR")).join("stub")
}

/// Makes the simulated driver the CUDA driver of this process, for as long as it lives.
///
/// `GLASSBOX_CUDA_LIBRARY=FILE` names another library to load, and `GLASSBOX_CUDA_REAL=1` leaves the driver of the
/// system alone. Only the first call does anything.
///
/// # Panics
///
/// If the library cannot be loaded.
pub fn install(mode: Mode) {
    static INSTALLED: OnceLock<Vec<Library>> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        if env::var_os("GLASSBOX_CUDA_REAL").is_some_and(|value| value == "1") {
            return Vec::new();
        }
        let library = env::var_os("GLASSBOX_CUDA_LIBRARY").map(PathBuf::from);
        load(&library.unwrap_or_else(|| library_dir(mode).join("libcuda.so.1")))
    });
}

/// The same, with the mode that `GLASSBOX_CUDA_SIM=fast|check` names; fast if it names none.
///
/// # Panics
///
/// If it names something else, or the library cannot be loaded.
pub fn install_default() {
    match env::var("GLASSBOX_CUDA_SIM").as_deref() {
        Ok("check") => install(Mode::Check),
        Ok("fast") | Err(_) => install(Mode::Fast),
        Ok(other) => panic!("GLASSBOX_CUDA_SIM={other}: say fast or check"),
    }
}

/// Runs one test of the calling test program in a process of its own, whose driver heeds this environment. Returns whether
/// it passed, and what it printed.
///
/// # Panics
///
/// If there is no such test.
pub fn run_alone(test: &str, environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env::current_exe().expect("a program"));
    command.args([test, "--exact", "--nocapture", "--include-ignored"]);
    let output = command.envs(environment.iter().copied()).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let is_run = text.contains("1 passed") || text.contains("1 failed");
    assert!(is_run, "there is no test {test}\n{text}");
    (output.status.success(), text.into_owned())
}

/// Loads the library, and the one beside it that answers to the driver's other name.
#[cfg(unix)]
fn load(library: &Path) -> Vec<Library> {
    let other = library.with_file_name("libcuda.so");
    let files = [Some(library), other.exists().then_some(other.as_path())];
    let open = |file: &Path| {
        // SAFETY: the library is ours, and its initialisers only fill its list of kernels.
        unsafe { Library::open(Some(file), RTLD_NOW | RTLD_GLOBAL) }
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    files.into_iter().flatten().map(open).collect()
}

#[cfg(not(unix))]
fn load(library: &Path) -> Vec<Library> {
    panic!("{}: the simulated CUDA driver is made for Linux", library.display());
}

/// Compiles these kernels, each a file's name and its text, to a library in the folder: for tools that change kernels
/// and look whether a test notices. A text whose name ends in `.cuh` replaces the header of that name. Returns the
/// library, for `GLASSBOX_CUDA_LIBRARY`.
///
/// # Errors
///
/// What the compiler said.
pub fn compile_library(
    kernels: &[(&str, &str)],
    mode: Mode,
    folder: &Path,
) -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiler = compile::Compiler {
        runtime: here.join("runtime"),
        headers: (here.join("../glassbox-cuda/src/ops"), "src/ops".into()),
        objects: vec![folder.join("objects"), Path::new(env!("OUT_DIR")).join("objects")],
    };
    compiler.library(kernels, mode, folder)
}
