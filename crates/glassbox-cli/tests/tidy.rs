//! The repository checks itself. Each message says what to do.
//!
//! Only files that git knows are looked at, and only the standard library is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates each crate may depend on. A new arrow is the most serious kind of change.
const ARROWS: &[(&str, &[&str])] = &[
    ("glassbox-cpu", &[]),
    ("glassbox-cuda-sim", &[]),
    ("glassbox-cuda", &[]),
    ("glassbox", &["glassbox-cpu", "glassbox-cuda"]),
    ("glassbox-plot", &["glassbox"]),
    ("glassbox-dash", &["glassbox", "glassbox-plot"]),
    ("glassbox-cli", &["glassbox", "glassbox-plot", "glassbox-dash"]),
    ("glassbox-py", &["glassbox", "glassbox-plot"]),
];

/// Crates with no dependency at all, tests aside.
const ALONE: &[&str] = &["glassbox-cpu"];

/// Families that only one engine has, and why.
const ONE_ENGINE: &[(&str, &str)] = &[
    ("dispatch", "fast: the choice of an instruction set"),
    ("each", "fast: how an element-wise operation is spread over vectors and threads"),
    ("memory", "fast: memory that begins cache lines"),
    ("matrix", "reference: the matrix of the course, which nothing trains on"),
    ("philox", "reference: integers have one result, so fast code calls the same function"),
    ("pool", "fast: the threads"),
    ("real", "reference: f32 and f64 under one name; fast code is f32 only"),
    ("vector", "fast: AVX-512, AVX2 and plain arrays under one name"),
];

/// Where files may say `unsafe`: the fast loops, and what talks to a driver or plays one.
const FAST: [&str; 4] = [
    "crates/glassbox-cpu/src/fast/",
    "crates/glassbox-cpu/src/fused/",
    "crates/glassbox-cuda/src/",
    "crates/glassbox-cuda-sim/",
];

/// Files elsewhere that may say `unsafe`, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("bench/rust/ours/limits.rs", "a measurement of the multiply-add instruction itself"),
    ("bench/rust/ours/products.rs", "a peer, gemm, which takes pointers"),
    ("crates/glassbox-cuda/examples/vector_add.rs", "the first launch of the course"),
    ("crates/glassbox-cuda/tests/blocks.rs", "launches with blocks of other shapes"),
    ("crates/glassbox-cuda/tests/common/mod.rs", "launches of graphs"),
    ("crates/glassbox-cuda/tests/ladder.rs", "a launch with blocks of another shape"),
    ("crates/glassbox-py/src/arrays.rs", "NumPy arrays that are read where they lie"),
    ("crates/glassbox-py/src/gpu.rs", "arrays of other libraries: DLPack's headers and streams"),
    ("crates/glassbox-py/src/parameters.rs", "NumPy arrays that share a tensor's memory"),
    ("crates/glassbox/tests/hostile_idx.rs", "an allocator that counts what readers ask for"),
    ("crates/glassbox/tests/hostile_memory.rs", "an allocator that counts what readers ask for"),
    ("crates/glassbox/tests/no_allocation.rs", "an allocator that counts what inference asks for"),
];

/// A file holds one family.
const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    let bytes = fs::read(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The files of the repository, by path from its root.
fn files() -> Vec<String> {
    // In a container the checkout may belong to another user, which git then distrusts.
    let arguments = ["-c", "safe.directory=*", "ls-files", "-z"];
    let listing = Command::new("git").args(arguments).current_dir(root()).output();
    let listing = listing.expect("this test needs git: install it");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let listing = String::from_utf8(listing.stdout).expect("paths are UTF-8");
    let files = listing.split_terminator('\0').filter(|file| root().join(file).is_file());
    files.map(str::to_string).collect()
}

fn with_ending(ending: &str) -> Vec<String> {
    files().into_iter().filter(|file| file.ends_with(ending)).collect()
}

/// Fails with all complaints at once.
fn report(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The names under `[dependencies]` in a crate's manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let (mut names, mut is_inside) = (Vec::new(), false);
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_inside = line == "[dependencies]" || line.ends_with(".dependencies]");
        } else if let (true, Some((name, _))) = (is_inside, line.split_once('=')) {
            names.push(name.trim().trim_end_matches(".workspace").to_string());
        }
    }
    names
}

#[test]
fn crates_depend_only_downwards() {
    let mut complaints = Vec::new();
    for file in with_ending("/Cargo.toml") {
        let name = file.trim_start_matches("crates/").trim_end_matches("/Cargo.toml");
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            complaints.push(format!("{file}: a new crate; add it to ARROWS and ARCHITECTURE.md"));
            continue;
        };
        for dependency in dependencies(&read(&file)) {
            let is_ours = dependency.starts_with("glassbox");
            if is_ours && !allowed.contains(&&*dependency) {
                complaints.push(format!(
                    "{file}: {name} may not depend on {dependency}; move the code down, or change \
                     ARROWS and ARCHITECTURE.md and say why"
                ));
            } else if ALONE.contains(&name) {
                complaints.push(format!("{file}: {name} has no dependencies; write it instead"));
            }
        }
    }
    report(complaints);
}

/// cudarc's functions return an enum that does not hold what a newer driver may return, and end the program where one is
/// missing. Ours are looked up before they are called, and return numbers.
#[test]
fn functions_of_the_cuda_driver_are_called_through_our_declarations() {
    let mut complaints = Vec::new();
    let mut calls = 0;
    for file in with_ending(".rs") {
        if !file.starts_with("crates/glassbox-cuda/src") {
            continue;
        }
        let text = read(&file);
        calls += text.matches("api::cu").count();
        let theirs = text.split("sys::cu").skip(1).filter(|rest| !rest.starts_with("lib()"));
        complaints.extend(theirs.map(|rest| {
            let name = rest.split('(').next().unwrap_or_default();
            format!("{file}: declare cu{name} in driver/api.rs, and call that")
        }));
    }
    assert!(calls > 30, "the calls were not found: {calls}");
    report(complaints);
}

#[test]
fn files_begin_by_saying_what_they_are() {
    let mut complaints = Vec::new();
    for file in files() {
        let text = read(&file);
        let mut lines = text.lines().skip_while(|line| line.starts_with("#!/"));
        let first = lines.next().unwrap_or_default();
        let (starts, example): (&[&str], &str) = match Path::new(&file).extension() {
            Some(ending) if ending == "rs" => (&["//! "], "//! What this file is."),
            Some(ending) if ending == "py" => (&["\"\"\"", "# "], "\"\"\"What this file is.\"\"\""),
            Some(ending) if is_cpp(&ending.to_string_lossy()) => {
                (&["// "], "// What this file is.")
            }
            Some(ending) if ending == "sh" || ending == "toml" => (&["# "], "# What this file is."),
            _ if file.ends_with("Makefile") || file == ".ci/run" => (&["# "], "# What this is."),
            _ => continue,
        };
        // A crate's manifest says what it is in its description.
        let is_manifest = file.ends_with("/Cargo.toml") && text.contains("\ndescription = ");
        let is_settings = file == "rustfmt.toml";
        if !starts.iter().any(|start| first.starts_with(start)) && !is_manifest && !is_settings {
            complaints.push(format!("{file}: begin with `{example}`, not with `{first}`"));
        }
    }
    report(complaints);
}

/// C++, and the CUDA that is written in it.
fn is_cpp(ending: &str) -> bool {
    ["cu", "cuh", "cpp", "h"].contains(&ending)
}

#[test]
fn files_are_short() {
    let is_code = |file: &String| {
        file.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs" || is_cpp(ending))
    };
    let lengths =
        files().into_iter().filter(is_code).map(|file| (read(&file).lines().count(), file));
    let long = lengths.filter(|(length, _)| *length > MOST_LINES);
    report(
        long.map(|(length, file)| {
            format!("{file} has {length} lines, more than {MOST_LINES}; split it by what it does")
        })
        .collect(),
    );
}

#[test]
fn both_engines_have_the_same_families() {
    let families = |engine: &str| -> Vec<String> {
        let folder = format!("crates/glassbox-cpu/src/{engine}/");
        let names = files().into_iter().filter_map(|file| {
            let name = file.strip_prefix(&folder)?.split(['/', '.']).next()?;
            (name != "mod").then(|| name.to_string())
        });
        names.collect()
    };
    let (reference, fast) = (families("reference"), families("fast"));
    let mut complaints = Vec::new();
    for (has, lacks, names, others) in
        [("reference", "fast", &reference, &fast), ("fast", "reference", &fast, &reference)]
    {
        for name in names.iter().filter(|name| !others.contains(name)) {
            if !ONE_ENGINE.iter().any(|(one, _)| one == name) {
                complaints.push(format!(
                    "{has} has {name} and {lacks} has not; write it, or add it to ONE_ENGINE with \
                     the reason"
                ));
            }
        }
    }
    for (name, _) in ONE_ENGINE {
        let is_in = |names: &[String]| names.iter().any(|other| other == name);
        if is_in(&reference) && is_in(&fast) {
            complaints.push(format!("{name} is in both engines now; take it out of ONE_ENGINE"));
        }
    }
    complaints.dedup();
    report(complaints);
}

#[test]
fn unsafe_stays_in_its_place() {
    let mut complaints = Vec::new();
    for file in with_ending(".rs") {
        let is_listed = UNSAFE.iter().any(|(listed, _)| *listed == file);
        if FAST.iter().any(|folder| file.starts_with(folder)) || is_listed || is_this(&file) {
            continue;
        }
        for (number, line) in read(&file).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            if code.split(|c| !is_word(c)).any(|word| word == "unsafe") {
                let number = number + 1;
                complaints.push(format!(
                    "{file}:{number}: `unsafe` belongs in {FAST:?}; write this \
                     safely, or add the file to UNSAFE with the reason"
                ));
            }
        }
    }
    report(complaints);
}

#[test]
fn nothing_of_one_machine_and_nothing_unfinished() {
    let elsewhere = "write it without naming one machine's folders or registries";
    let finish = "finish it, or open an issue";
    // In pieces, so that this file does not find itself.
    let words = [
        (["/ho", "me/"], elsewhere),
        (["/ro", "ot/"], elsewhere),
        (["/tm", "p/"], elsewhere),
        (["/wo", "rk/"], elsewhere),
        (["/Us", "ers/"], elsewhere),
        (["C:\\", "Users"], elsewhere),
        (["crates", ".io/"], elsewhere),
        (["pypi", ".org"], elsewhere),
        (["artifac", "tory"], elsewhere),
        (["TO", "DO"], finish),
        (["FIX", "ME"], finish),
        (["XX", "X"], finish),
        (["dbg", "!("], finish),
        (["to", "do!("], finish),
        (["unimple", "mented!("], finish),
    ]
    .map(|(pieces, cure)| (pieces.concat(), cure));
    let mut complaints = Vec::new();
    for file in files().into_iter().filter(|file| file != "Cargo.lock" && !is_binary(file)) {
        for (number, line) in read(&file).lines().enumerate() {
            for (word, cure) in words.iter().filter(|(word, _)| line.contains(word)) {
                complaints.push(format!("{file}:{}: `{word}`: {cure}", number + 1));
            }
        }
    }
    report(complaints);
}

/// What is no text has no place in a history, but for what documents show and tests compare with.
#[test]
fn binaries_are_few() {
    let is_known = |file: &String| {
        (file.starts_with("docs/") && file.ends_with(".png"))
            || file.starts_with("crates/glassbox/tests/golden/")
    };
    let binaries = files().into_iter().filter(|file| is_binary(file) && !is_known(file));
    report(binaries.map(|file| format!("{file} is no text; leave it out")).collect());
}

fn is_this(file: &str) -> bool {
    file.ends_with("glassbox-cli/tests/tidy.rs")
}

fn is_binary(file: &str) -> bool {
    fs::read(root().join(file)).is_ok_and(|bytes| bytes.contains(&0))
}

/// What stands in code in a document: lines of shell blocks, and words between backticks.
fn code_in(document: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut block = None;
    for line in read(document).lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.to_string()) };
        } else if let Some(language) = &block {
            code.extend((language == "sh").then(|| line.trim().to_string()));
        } else {
            code.extend(line.split('`').skip(1).step_by(2).map(str::to_string));
        }
    }
    code
}

#[test]
fn commands_in_documents_exist() {
    let makefile = read("Makefile");
    let mut complaints = Vec::new();
    for document in with_ending(".md") {
        for code in code_in(&document) {
            let code = code.split(" #").next().unwrap_or_default().trim();
            let words = code.split_whitespace().skip_while(|word| {
                word.chars().next().is_some_and(char::is_uppercase) && word.contains('=')
            });
            let words: Vec<&str> = words.collect();
            match words[..] {
                ["make", target, ..] if !makefile.contains(&format!("\n{target}:")) => {
                    complaints.push(format!("{document}: `{code}`: Makefile has no such target"));
                }
                ["glassbox", ref arguments @ ..]
                | ["cargo", "run", "--release", "--", ref arguments @ ..] => {
                    complaints.extend(refused(arguments).map(|why| {
                        format!("{document}: `{code}` is refused; correct the document\n{why}")
                    }));
                }
                _ => {}
            }
        }
    }
    report(complaints);
}

/// What the program says to these arguments, if it does not take them. Nothing is carried out.
fn refused(arguments: &[&str]) -> Option<String> {
    if arguments.contains(&"…") {
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    let output = command.args(arguments).arg("--help").output().expect("the program starts");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn files_named_in_documents_exist() {
    let files = files();
    let mut complaints = Vec::new();
    for document in with_ending(".md") {
        for code in code_in(&document) {
            let path = code.split([' ', ':', '*']).next().unwrap_or_default();
            let starts = ["crates/", "tools/", "bench/", "docs/", ".ci/", "book/", "course/"];
            let is_path = starts.iter().any(|start| path.starts_with(start));
            let is_there = |file: &String| file == path || file.starts_with(path);
            // NAME stands for any name, and results are written later than what announces them.
            let is_open = path.contains("NAME") || path.starts_with("bench/results");
            if is_path && !is_open && !files.iter().any(is_there) {
                complaints.push(format!("{document}: there is no `{path}`; correct the document"));
            }
        }
    }
    report(complaints);
}

#[test]
fn every_example_is_listed() {
    let readme = read("README.md");
    let examples = files().into_iter().filter(|file| file.starts_with("crates/glassbox/examples/"));
    let mut complaints = Vec::new();
    for example in examples {
        let name = example.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        if !readme.contains(name) {
            complaints.push(format!("README.md does not name {example}; add it to the table"));
        }
        let length = read(&example).lines().count();
        if length >= 60 {
            complaints.push(format!("{example} has {length} lines; an example has less than 60"));
        }
    }
    report(complaints);
}

/// The page of planted faults is of kernels that are there.
#[test]
fn faults_are_those_of_present_kernels() {
    let page = read("crates/glassbox-cuda/mutants.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut complaints = Vec::new();
    for file in rows.map(|row| format!("crates/glassbox-cuda/{row}")) {
        if !root().join(&file).is_file() {
            complaints
                .push(format!("crates/glassbox-cuda/mutants.md: no {file}; run `make mutants`"));
        }
    }
    report(complaints);
}

/// The numbers in a text, each as it is written. Those in names, as in f32, are none.
fn numbers(text: &str) -> Vec<&str> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '.');
    let starts = words.filter_map(|word| word.split(|c| !is_digit(c)).next());
    starts.filter(|word| word.parse::<f64>().is_ok()).collect()
}

/// Between the markers of the README everything is from the file that the first marker names: every
/// number of the table, and every other line in full.
#[test]
fn results_in_the_readme_are_the_recorded_ones() {
    let readme = read("README.md");
    let mut complaints = Vec::new();
    for part in readme.split("<!-- results: ").skip(1) {
        let (file, rest) = part.split_once(" -->").expect("a marker ends with -->");
        let (table, _) = rest.split_once("<!-- end of results -->").expect("the second marker");
        if !root().join(file).exists() {
            let is_empty = !table.contains('|');
            let cure = "run `make results`, which writes both";
            complaints.extend((!is_empty).then(|| format!("README.md: no {file}; {cure}")));
            continue;
        }
        let json = read(file);
        let outside_strings: String = json.split('"').step_by(2).collect();
        let recorded: Vec<f64> =
            numbers(&outside_strings).iter().filter_map(|word| word.parse().ok()).collect();
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let stale = if line.starts_with('|') {
                // Between backticks stands the beginning of a hash.
                let mut hashes = line.split('`').skip(1).step_by(2);
                let numbers: String = line.split('`').step_by(2).collect();
                let stale =
                    self::numbers(&numbers).into_iter().find(|n| !is_recorded(n, &recorded));
                let stale = stale.map(str::to_string);
                stale.or(hashes.find(|hash| !json.contains(hash)).map(str::to_string))
            } else {
                (!json.contains(line.trim())).then(|| line.to_string())
            };
            complaints.extend(stale.map(|stale| {
                format!("README.md: `{stale}` is not in {file}; run `make results`, never edit it")
            }));
        }
    }
    report(complaints);
}

/// Whether a number of the table is a recorded one, or one in percent, rounded to its decimals.
fn is_recorded(word: &str, recorded: &[f64]) -> bool {
    let decimals = word.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let shown = |x: f64| format!("{x:.decimals$}");
    recorded.iter().any(|&x| shown(x) == word || shown(100.0 * x) == word)
}
