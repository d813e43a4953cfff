//! Reads the text of kernels: which kernels and headers it has, and what has to stand around it.

use std::fs;
use std::path::PathBuf;

/// The names of the kernels in a text: what follows `extern "C" __global__ void`, launch bounds aside.
pub fn kernels_in(text: &str) -> Vec<String> {
    let text = without_comments(text);
    let heads = text.split("extern \"C\"").skip(1);
    heads.filter_map(|head| name_in(head.trim_start().strip_prefix("__global__")?)).collect()
}

/// The word before the first parenthesis that belongs to no launch bounds.
fn name_in(head: &str) -> Option<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = head;
    loop {
        let (before, after) = rest.split_once('(')?;
        let name = before.trim_end().rsplit(|c| !is_word(c)).next()?;
        if name != "__launch_bounds__" {
            return Some(name.to_string());
        }
        rest = after.split_once(')')?.1;
    }
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

/// The texts of all headers that a text includes, and that those include, as they are found in the folders.
pub fn headers_of(text: &str, folders: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut texts = vec![text.to_string()];
    let mut next = 0;
    while next < texts.len() {
        let included: Vec<String> = texts[next].lines().filter_map(included_in).collect();
        for name in included {
            if names.contains(&name) {
                continue;
            }
            let found =
                folders.iter().find_map(|folder| fs::read_to_string(folder.join(&name)).ok());
            names.push(name);
            texts.extend(found);
        }
        next += 1;
    }
    texts.split_off(1)
}

/// `common.cuh` of `#include "common.cuh"`.
fn included_in(line: &str) -> Option<String> {
    let name = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
    let name = name.trim_start().strip_prefix('"')?.split('"').next()?;
    Some(name.to_string())
}

/// A name as an identifier.
pub fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The section of an object that has the shared memory of this file.
pub fn shared_section(name: &str) -> String {
    format!("glassbox_shared_{}", identifier(name))
}

/// The kernel's text in a namespace of its own, so that files may have functions of the same name, and after it the
/// registration of its kernels.
pub fn wrapper_of(name: &str, text: &str) -> String {
    let section = shared_section(name);
    let mut wrapper = format!(
        "namespace {{\n#line 1 \"{name}\"\n{text}\n}}\n#line 1 \"registration of {name}\"\n\
         extern \"C\" __attribute__((weak, visibility(\"hidden\"))) char __start_{section}[], __stop_{section}[];\n"
    );
    for kernel in kernels_in(text) {
        wrapper += &format!(
            "__attribute__((section(\"glassbox_kernels\"))) static sim::Registered<&{kernel}> \
             registered_{kernel}(\"{kernel}\", \"{name}\", __start_{section}, __stop_{section});\n"
        );
    }
    wrapper
}

/// What a text says that the simulator cannot do, if it says such a thing.
pub fn refusal(name: &str, text: &str) -> Option<String> {
    let text = without_comments(text);
    let refuse = |line: &str| {
        let is_variable = !line.contains('(') && line.ends_with(';');
        if line.contains("extern __shared__") {
            Some("say DYNAMIC_SHARED(T, name)")
        } else if line.starts_with("__device__") && is_variable {
            Some("variables of a module are not simulated: pass a pointer")
        } else if line.starts_with("__constant__") && is_variable && !line.contains('=') {
            Some("constants that the host sets are not simulated: pass an argument")
        } else {
            None
        }
    };
    let found = text.lines().map(str::trim).find_map(|line| refuse(line).map(|why| (line, why)));
    found.map(|(line, why)| format!("{name}: `{line}`: {why}"))
}
