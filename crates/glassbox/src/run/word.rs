//! Names of folders in lines that are meant to be pasted.

use std::path::Path;

/// A path as one word of a line for sh, so that a line can be pasted: what a name holds is never run.
pub fn shell_word(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().display().to_string();
    // What begins with a dash would be an option.
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    // A path holds no NUL, which is all that cannot be quoted.
    shlex::try_quote(&text).map(|word| word.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_name_is_one_word_of_a_shell() {
        assert_eq!(shell_word("runs/digits-1"), "runs/digits-1");
        assert_eq!(shell_word("-f"), "./-f");
        for name in
            ["x; rm -rf ~", "it's", "a b", "$(id)", "`id`", "\"", "\\", "a\nb", "*", "", "!x", "é"]
        {
            let line = format!("printf %s {}", shell_word(name));
            let found = std::process::Command::new("sh").arg("-c").arg(&line).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&found.stdout), name, "{line}");
        }
    }
}
