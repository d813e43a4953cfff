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

/// The kernel's text in a namespace of its own, so that files may have functions of the same name, and after it the
/// registration of its kernels.
pub fn wrapper_of(name: &str, text: &str) -> String {
    let section = format!("glassbox_shared_{}", identifier(name));
    let mut wrapper = format!(
        "#define GLASSBOX_SIM_SHARED \"{section}\"\n\
         namespace {{\n#line 1 \"{name}\"\n{text}\n}}\n#line 1 \"registration of {name}\"\n\
         extern \"C\" __attribute__((weak, visibility(\"hidden\"))) char __start_{section}[], __stop_{section}[];\n"
    );
    for kernel in kernels_in(text) {
        wrapper += &format!(
            "static sim::Registered<&{kernel}> registered_{kernel}(\"{kernel}\", \"{name}\", \
             __start_{section}, __stop_{section});\n"
        );
    }
    wrapper
}
