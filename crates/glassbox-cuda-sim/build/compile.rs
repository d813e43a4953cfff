//! Compiles kernels and the runtime to a `libcuda.so.1`: for the build script, and for tools that change kernels.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

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

    fn kernel_flags(self) -> &'static [&'static str] {
        match self {
            Mode::Fast => &["-O2"],
            // Without optimisation each access of a kernel's own variables would be reported, too.
            Mode::Check => &[
                "-O1",
                "-fsanitize=thread",
                "--param=tsan-instrument-func-entry-exit=0",
                "-fsanitize=bounds,alignment,signed-integer-overflow,shift,integer-divide-by-zero",
            ],
        }
    }

    fn runtime_files(self) -> &'static [&'static str] {
        match self {
            Mode::Fast => &["unchecked.cpp"],
            Mode::Check => {
                &["check/access.cpp", "check/cells.cpp", "check/hooks.cpp", "check/shadow.cpp"]
            }
        }
    }
}

const RUNTIME: &[&str] = &[
    "copies.cpp",
    "fiber.cpp",
    "memory.cpp",
    "report.cpp",
    "scheduler.cpp",
    "stacks.cpp",
    "tensor_cores.cpp",
    "warps.cpp",
    "driver/context.cpp",
    "driver/graph.cpp",
    "driver/launch.cpp",
    "driver/memory.cpp",
    "driver/module.cpp",
    "driver/ptx.cpp",
    "driver/results.cpp",
    "driver/stream.cpp",
];

/// A compiler of kernels, and where it finds and puts things.
pub struct Compiler {
    /// The folder of the runtime's sources.
    pub runtime: PathBuf,
    /// Folders of headers that kernels include.
    pub headers: Vec<PathBuf>,
    /// Where compiled objects are kept, by the hash of what they were made from.
    pub objects: PathBuf,
}

/// One run of g++: what it makes, and from what.
struct Job {
    object: PathBuf,
    arguments: Vec<String>,
}

impl Compiler {
    /// Makes `DIR/libcuda.so.1`, and beside it `libcuda.so`, which is the same library by its other name.
    /// A kernel is its file's name and its text. A text whose name ends in `.cuh` is a header, which goes before
    /// one of the same name elsewhere.
    pub fn library(
        &self,
        kernels: &[(&str, &str)],
        mode: Mode,
        folder: &Path,
    ) -> Result<PathBuf, String> {
        let own_headers = folder.join("headers");
        create(&own_headers)?;
        create(&self.objects)?;
        let (headers, kernels): (Vec<_>, Vec<_>) =
            kernels.iter().partition(|(name, _)| name.ends_with(".cuh"));
        for (name, text) in headers {
            let file = Path::new(name).file_name().unwrap_or_default();
            write(&own_headers.join(file), text)?;
        }
        let mut jobs = self.runtime_jobs(mode)?;
        for (name, text) in kernels {
            jobs.push(self.kernel_job(name, text, mode, &own_headers)?);
        }
        compile_all(&jobs)?;
        let objects: Vec<&Path> = jobs.iter().map(|job| job.object.as_path()).collect();
        link(&objects, folder)
    }

    /// Makes a library that only knows its version, as a driver that lacks functions.
    pub fn stub(&self, folder: &Path) -> Result<PathBuf, String> {
        create(&self.objects)?;
        create(folder)?;
        let mut flags = self.runtime_flags();
        flags.push("-DGLASSBOX_SIM_STUB".into());
        let job = self.job(&self.runtime.join("driver/results.cpp"), flags, &[])?;
        compile_all(std::slice::from_ref(&job))?;
        link(&[&job.object], folder)
    }

    fn runtime_flags(&self) -> Vec<String> {
        let flags = ["-std=c++17", "-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-Wall"];
        flags.map(String::from).to_vec()
    }

    fn runtime_jobs(&self, mode: Mode) -> Result<Vec<Job>, String> {
        let headers = [self.runtime.clone()];
        let files = RUNTIME.iter().chain(mode.runtime_files());
        files
            .map(|file| self.job(&self.runtime.join(file), self.runtime_flags(), &headers))
            .collect()
    }

    fn kernel_job(
        &self,
        name: &str,
        text: &str,
        mode: Mode,
        own_headers: &Path,
    ) -> Result<Job, String> {
        let plain: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let wrapper = self.objects.join(format!("{plain}-{:016x}.cpp", hash(&text)));
        write(&wrapper, &wrapper_of(name, text))?;
        let mut flags: Vec<String> =
            "-std=c++17 -g1 -fPIC -fvisibility=hidden -w -fno-exceptions -fno-rtti \
             -fno-strict-aliasing -ffp-contract=off -fno-math-errno"
                .split_whitespace()
                .map(String::from)
                .collect();
        flags.extend(mode.kernel_flags().iter().map(|flag| flag.to_string()));
        flags.extend(fma_flag().map(String::from));
        flags.push(format!("-DGLASSBOX_SIM_SHARED=\"{}\"", section_of(&plain)));
        flags.push(format!("-DGLASSBOX_SIM_SHARED_BEGIN=__start_{}", section_of(&plain)));
        flags.push(format!("-DGLASSBOX_SIM_SHARED_END=__stop_{}", section_of(&plain)));
        flags.extend(["-include".into(), shown(&self.runtime.join("device.h"))]);
        let headers: Vec<PathBuf> =
            [own_headers.to_path_buf()].into_iter().chain(self.headers.iter().cloned()).collect();
        for folder in &headers {
            flags.push(format!("-I{}", shown(folder)));
            // Reports name headers without the way to them.
            flags.push(format!("-ffile-prefix-map={}/=", shown(folder)));
        }
        let device = [self.runtime.clone()];
        self.job(&wrapper, flags, &[&headers[..], &device[..]].concat())
    }

    /// An object has a name made of all that it depends on, so what is there need not be made again.
    fn job(&self, source: &Path, flags: Vec<String>, headers: &[PathBuf]) -> Result<Job, String> {
        let mut state = DefaultHasher::new();
        read(source)?.hash(&mut state);
        for header in headers.iter().flat_map(|folder| headers_in(folder)) {
            read(&header)?.hash(&mut state);
        }
        flags.hash(&mut state);
        compiler().hash(&mut state);
        let stem = source.file_stem().unwrap_or_default();
        let name = format!("{}-{:016x}.o", shown(Path::new(stem)), state.finish());
        let object = self.objects.join(name);
        let mut arguments = flags;
        arguments.extend(["-c".into(), shown(source), "-o".into(), shown(&object)]);
        Ok(Job { object, arguments })
    }
}

/// The kernel's text in a namespace of its own, so that files may have functions of the same name, and the registration
/// of its kernels.
fn wrapper_of(name: &str, text: &str) -> String {
    let mut wrapper = format!(
        "namespace {{\n#line 1 \"{name}\"\n{text}\n}}\n#line 1 \"registration of {name}\"\n\
         extern \"C\" __attribute__((weak, visibility(\"hidden\"))) char GLASSBOX_SIM_SHARED_BEGIN[], \
         GLASSBOX_SIM_SHARED_END[];\n"
    );
    for kernel in kernels_in(text) {
        wrapper += &format!(
            "static sim::Registered<&{kernel}> registered_{kernel}(\"{kernel}\", \"{name}\", \
             GLASSBOX_SIM_SHARED_BEGIN, GLASSBOX_SIM_SHARED_END);\n"
        );
    }
    wrapper
}

/// The names of the kernels in a text: what follows `extern "C" __global__ void`, launch bounds aside.
pub fn kernels_in(text: &str) -> Vec<String> {
    let text = without_comments(text);
    let mut kernels = Vec::new();
    for part in text.split("extern \"C\"").skip(1) {
        let Some(rest) = part.trim_start().strip_prefix("__global__") else { continue };
        let mut word = String::new();
        for (at, c) in rest.char_indices() {
            if c.is_alphanumeric() || c == '_' {
                let is_new = rest[..at]
                    .chars()
                    .next_back()
                    .is_none_or(|before| !before.is_alphanumeric() && before != '_');
                if is_new {
                    word.clear();
                }
                word.push(c);
            } else if c == '(' && word != "__launch_bounds__" && !is_number(&word) {
                kernels.push(word);
                break;
            }
        }
    }
    kernels
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn without_comments(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("//").into_iter().chain(rest.find("/*")).min() {
        plain.push_str(&rest[..at]);
        let end = if rest[at..].starts_with("//") { "\n" } else { "*/" };
        rest = rest[at..].find(end).map_or("", |length| &rest[at + length + end.len()..]);
        plain.push('\n');
    }
    plain + rest
}

fn section_of(plain: &str) -> String {
    format!("glassbox_shared_{plain}")
}

/// `fmaf` is one instruction on a processor that has it, and a slow function elsewhere.
fn fma_flag() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("fma") {
        return Some("-mfma");
    }
    None
}

fn compiler() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "g++".into())
}

/// Runs the compiler for all that is not there, as many times at once as there are processors.
fn compile_all(jobs: &[Job]) -> Result<(), String> {
    let missing: Vec<&Job> = jobs.iter().filter(|job| !job.object.exists()).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from);
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

/// Under another name first, since an object that is there counts as whole.
fn compile(job: &Job) -> Result<(), String> {
    let part = job.object.with_extension(format!("{}.part", std::process::id()));
    let mut arguments = job.arguments.clone();
    arguments.pop();
    arguments.push(shown(&part));
    run(&arguments)?;
    fs::rename(&part, &job.object).map_err(|error| format!("{}: {error}", shown(&job.object)))
}

/// Two names, as programs ask for either: each library has its name as SONAME, so that one which is loaded already
/// answers to it, and the second has nothing in it but the need for the first.
fn link(objects: &[&Path], folder: &Path) -> Result<PathBuf, String> {
    let library = folder.join("libcuda.so.1");
    let part = folder.join("libcuda.so.1.part");
    let flags =
        ["-shared", "-Wl,-soname,libcuda.so.1", "-Wl,-z,noexecstack", "-o"].map(String::from);
    let inputs = objects.iter().map(|object| shown(object));
    run(&flags
        .into_iter()
        .chain([shown(&part)])
        .chain(inputs)
        .chain(["-ldl".into()])
        .collect::<Vec<_>>())?;
    fs::rename(&part, &library).map_err(|error| format!("{}: {error}", shown(&library)))?;
    let flags = [
        "-shared",
        "-nostdlib",
        "-Wl,-soname,libcuda.so",
        "-Wl,-rpath,$ORIGIN",
        "-Wl,--no-as-needed",
        "-o",
    ]
    .map(String::from);
    run(&flags
        .into_iter()
        .chain([shown(&folder.join("libcuda.so")), shown(&library)])
        .collect::<Vec<_>>())?;
    Ok(library)
}

fn run(arguments: &[String]) -> Result<(), String> {
    let compiler = compiler();
    let output = Command::new(&compiler).args(arguments).output().map_err(|error| {
        format!(
            "{compiler}: {error}\nhint: the simulated CUDA driver is compiled with g++; install it (Debian: \
             apt install g++), or name another compiler in CXX"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{compiler} {}\n{errors}", arguments.join(" ")))
}

fn headers_in(folder: &Path) -> Vec<PathBuf> {
    let is_header = |file: &PathBuf| {
        file.extension().is_some_and(|end| end == OsStr::new("h") || end == OsStr::new("cuh"))
    };
    files_in(folder).into_iter().filter(is_header).collect()
}

/// All files in a folder and below, in order; none if there is no such folder.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let below = |path: PathBuf| if path.is_dir() { files_in(&path) } else { vec![path] };
    paths.into_iter().flat_map(below).collect()
}

fn hash(value: &impl Hash) -> u64 {
    let mut state = DefaultHasher::new();
    value.hash(&mut state);
    state.finish()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", shown(folder)))
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", shown(file)))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", shown(file)))
}
