//! The only two places that print: results to stdout, everything else to stderr.

use std::io::{ErrorKind, Write};

/// Writes a result. A reader that has gone away, as `head` does, ends the process quietly.
pub fn say(text: impl std::fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        if error.kind() != ErrorKind::BrokenPipe {
            complain(&format!("cannot write to stdout: {error} (hint: is the disk full?)"));
        }
        std::process::exit(i32::from(error.kind() != ErrorKind::BrokenPipe));
    }
}

/// Writes a remark. If stderr is gone there is no one to tell.
pub fn note(text: impl std::fmt::Display) {
    _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes an error.
pub fn complain(message: &str) {
    match message.strip_suffix(')').and_then(|message| message.rsplit_once(" (hint: ")) {
        Some((message, hint)) => note(format!("error: {message}\n  hint: {hint}")),
        None => note(format!("error: {message}")),
    }
}
