//! Compiles kernels and the runtime to a `libcuda.so.1`: for the build script, and for tools that change kernels.

mod scan;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

pub use tools::files_in;
use tools::{compiler, create, fma_flag, hash, make, own_flags, read, run, shown, words, write};

/// What the library does beside running kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As fast as it goes; only what would hang or crash is reported.
    Fast,
    /// Every access of a kernel is checked by CUDA's rules.
    Check,
}

impl Mode {
    /// The name of the folder that has this mode's library.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Fast => "fast",
            Mode::Check => "check",
        }
    }

    fn kernel_flags(self) -> &'static str {
        match self {
            Mode::Fast => "-O2",
            // With less optimisation each access to a variable in a register would be reported, too.
            Mode::Check => {
                "-O1 -fsanitize=thread --param=tsan-instrument-func-entry-exit=0 \
                 -fsanitize=bounds-strict,object-size,alignment,signed-integer-overflow,shift,integer-divide-by-zero"
            }
        }
    }

    fn runtime_files(self) -> &'static str {
        match self {
            Mode::Fast => "unchecked",
            Mode::Check => "check/access check/cells check/fences check/hooks check/shadow",
        }
    }
}

const RUNTIME_FILES: &str = "copies early fiber memory report scheduler stacks tensor_cores warps \
     driver/context driver/device driver/event driver/graph driver/launch driver/memory driver/module driver/ptx \
     driver/results driver/settings driver/stream";

const RUNTIME_FLAGS: &str = "-std=c++17 -O2 -g1 -gdwarf-4 -fPIC -fvisibility=hidden -Wall -Wextra";

/// `-ffp-contract=off`: a fused multiply-add is where a kernel says `fmaf`, and nowhere else. `-fno-strict-aliasing`:
/// kernels look at floats as integers and at four floats as a float4, which nvcc allows.
const KERNEL_FLAGS: &str = "-std=c++17 -g1 -gdwarf-4 -fPIC -fvisibility=hidden -w -fno-exceptions -fno-rtti \
     -fno-strict-aliasing -ffp-contract=off -fno-math-errno";

/// A compiler of kernels, and where it finds and puts things.
pub struct Compiler {
    /// The folder of the runtime's sources.
    pub runtime: PathBuf,
    /// The folder of the headers that kernels include, and what reports call it.
    pub headers: (PathBuf, String),
    /// Folders of compiled objects. New ones go into the first.
    pub objects: Vec<PathBuf>,
}

/// One run of the compiler, which makes an object.
pub struct Job {
    /// Where the object is, or will be.
    pub object: PathBuf,
    arguments: Vec<String>,
    /// A kernel's variables without a first value are its shared memory; the name of their section.
    shared_section: Option<String>,
}

impl Compiler {
    /// Makes `FOLDER/libcuda.so.1`, and beside it `libcuda.so`, which is the same library by its other name.
    /// A kernel is its file's name and its text; a text whose name ends in `.cuh` is a header, and goes before one of
    /// the same name elsewhere.
    pub fn library(
        &self,
        kernels: &[(&str, &str)],
        mode: Mode,
        folder: &Path,
    ) -> Result<PathBuf, String> {
        make_library(&self.jobs(kernels, mode, folder)?, folder)
    }

    /// The job of a library that only knows its version, as a driver that lacks functions.
    pub fn stub_job(&self) -> Result<Job, String> {
        self.runtime_job("driver/results", "-DGLASSBOX_SIM_STUB")
    }

    /// What [`Compiler::library`] compiles.
    pub fn jobs(
        &self,
        kernels: &[(&str, &str)],
        mode: Mode,
        folder: &Path,
    ) -> Result<Vec<Job>, String> {
        // Headers of an earlier library in the same folder are not those of this one.
        let own_headers = folder.join("headers");
        let _ = fs::remove_dir_all(&own_headers);
        create(&own_headers)?;
        let (headers, kernels): (Vec<_>, Vec<_>) =
            kernels.iter().partition(|(name, _)| name.ends_with(".cuh"));
        for (name, text) in headers {
            write(&own_headers.join(Path::new(name).file_name().unwrap_or_default()), text)?;
        }
        check_names(&kernels)?;
        // The runtime comes last: behind all shared memory it has a piece that nobody may touch.
        let mut jobs = Vec::new();
        for (name, text) in kernels {
            jobs.push(self.kernel_job(name, text, mode, &own_headers)?);
        }
        for file in RUNTIME_FILES.split_whitespace().chain(mode.runtime_files().split_whitespace())
        {
            jobs.push(self.runtime_job(file, "")?);
        }
        Ok(jobs)
    }

    fn runtime_job(&self, file: &str, more: &str) -> Result<Job, String> {
        let source = self.runtime.join(format!("{file}.cpp"));
        let flags = words(&[RUNTIME_FLAGS, more, &own_flags()].join(" "));
        let hash = hash(&(read(&source)?, self.runtime_headers()?, &flags, compiler()));
        self.job(&source, &scan::identifier(file), hash, flags)
    }

    fn kernel_job(
        &self,
        name: &str,
        text: &str,
        mode: Mode,
        own_headers: &Path,
    ) -> Result<Job, String> {
        if let Some(refusal) = scan::refusal(name, text) {
            return Err(refusal);
        }
        let (headers, headers_name) = &self.headers;
        let folders = [own_headers.to_path_buf(), headers.clone()];
        let wrapper = scan::wrapper_of(name, text);
        let flags = [KERNEL_FLAGS, mode.kernel_flags(), fma_flag(), &own_flags()].join(" ");
        // Paths are left out, so that the same text is the same object wherever it lies.
        let included = scan::headers_of(text, &folders);
        let hash = hash(&(&wrapper, included, self.runtime_headers()?, &flags, compiler()));
        let stem = scan::identifier(name);
        let source = self.new_objects()?.join(format!("{stem}-{hash:016x}.cpp"));
        write(&source, &wrapper)?;
        let mut flags = words(&flags);
        // What lies elsewhere is called by its name alone.
        for (folder, name) in folders.iter().zip(["", &format!("{headers_name}/")]) {
            flags.push(format!("-I{}", folder.display()));
            flags.push(format!("-ffile-prefix-map={}/={name}", folder.display()));
        }
        flags.extend(["-include".into(), shown(&self.runtime.join("device.h"))]);
        let job = self.job(&source, &stem, hash, flags)?;
        Ok(Job { shared_section: Some(scan::shared_section(name)), ..job })
    }

    /// An object's name is made of all that it depends on, so what is there need not be made again.
    fn job(&self, source: &Path, stem: &str, hash: u64, flags: Vec<String>) -> Result<Job, String> {
        let name = format!("{stem}-{hash:016x}.o");
        let new = self.new_objects()?.join(&name);
        let made = self.objects.iter().map(|folder| folder.join(&name)).find(|file| file.exists());
        let arguments = [flags, vec!["-c".into(), shown(source)]].concat();
        Ok(Job { object: made.unwrap_or(new), arguments, shared_section: None })
    }

    fn new_objects(&self) -> Result<&PathBuf, String> {
        let folder = self.objects.first().ok_or("no folder for objects")?;
        create(folder).map(|()| folder)
    }

    fn runtime_headers(&self) -> Result<Vec<String>, String> {
        let files = files_in(&self.runtime);
        let is_header = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "h");
        files.iter().filter(is_header).map(|file| read(file)).collect()
    }
}

/// The driver finds kernels by name alone.
fn check_names(kernels: &[(&str, &str)]) -> Result<(), String> {
    let mut seen: Vec<(String, &str)> = Vec::new();
    for (file, text) in kernels {
        for kernel in scan::kernels_in(text) {
            if let Some((_, other)) = seen.iter().find(|(name, _)| *name == kernel) {
                return Err(format!(
                    "kernel {kernel} is in {other} and in {file}; give one another name"
                ));
            }
            seen.push((kernel, file));
        }
    }
    Ok(())
}

/// Compiles what is not there, and links all of it to `FOLDER/libcuda.so.1`.
pub fn make_library(jobs: &[Job], folder: &Path) -> Result<PathBuf, String> {
    compile_all(jobs)?;
    link(jobs, folder)
}

/// As many objects at once as there are processors.
fn compile_all(jobs: &[Job]) -> Result<(), String> {
    let missing: Vec<&Job> = jobs.iter().filter(|job| !job.object.exists()).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(missing.len());
    let (left, errors) = (Mutex::new(missing), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = left.lock().ok().and_then(|mut left| left.pop()) {
                    if let (Err(error), Ok(mut errors)) = (compile(job), errors.lock()) {
                        errors.push(error);
                    }
                }
            });
        }
    });
    let errors = errors.into_inner().unwrap_or_default();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

fn compile(job: &Job) -> Result<(), String> {
    // Reports name files without the way to them.
    let here = std::env::current_dir().map_err(|error| error.to_string())?;
    let map = format!("-fdebug-prefix-map={}=.", here.display());
    make(&job.object, |part| {
        run(Command::new(compiler()).args(&job.arguments).args([&map, "-o"]).arg(part))?;
        let Some(section) = &job.shared_section else { return Ok(()) };
        let rename = format!("--rename-section=.bss={section},alloc,load,contents,data");
        run(Command::new("objcopy").arg(rename).arg(part))
    })
}

/// Two names, as programs ask for either. Each library has its name as SONAME, so that one which is loaded already
/// answers to it; the second has nothing in it but the need for the first.
fn link(jobs: &[Job], folder: &Path) -> Result<PathBuf, String> {
    create(folder)?;
    let library = folder.join("libcuda.so.1");
    let flags = "-shared -Wl,-soname,libcuda.so.1 -Wl,-z,noexecstack";
    let objects = jobs.iter().map(|job| &job.object);
    make(&library, |part| {
        let mut command = Command::new(compiler());
        run(command.args(words(flags)).args(objects).args(["-ldl", "-o"]).arg(part))
    })?;
    let flags = "-shared -nostdlib -Wl,-soname,libcuda.so -Wl,-rpath,$ORIGIN -Wl,--no-as-needed";
    make(&folder.join("libcuda.so"), |part| {
        run(Command::new(compiler()).args(words(flags)).arg(&library).arg("-o").arg(part))
    })?;
    Ok(library)
}
