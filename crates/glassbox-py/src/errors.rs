//! Errors of the library as the exceptions that a user of Python expects.

use glassbox::Error;
use glassbox::data::DataError;
use glassbox::file::FileError;
use pyo3::exceptions::{
    PyArithmeticError, PyFileNotFoundError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

pyo3::create_exception!(
    glassbox,
    DeviceError,
    PyRuntimeError,
    "A device that is not there, or that failed. The message says why and what to do."
);
pyo3::create_exception!(
    glassbox,
    DivergedError,
    PyArithmeticError,
    "Training ran into infinities or NaN. The network has the parameters of the last epoch that ended."
);

/// What `body` computes, without the interpreter. A panic is our mistake, and becomes a `RuntimeError` that says so.
pub fn apart<T: Send>(
    py: Python,
    body: impl FnOnce() -> glassbox::Result<T> + Send,
) -> PyResult<T> {
    let result = py.detach(|| catch_unwind(AssertUnwindSafe(body)));
    match result {
        Ok(result) => result.map_err(to_python),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            let text = format!("a mistake of Glassbox, please report it: {text}");
            Err(PyRuntimeError::new_err(text))
        }
    }
}

/// The exception for an error.
pub fn to_python(error: Error) -> PyErr {
    let text = match &error {
        // These name files, whose names are not ours to change.
        Error::File(_)
        | Error::Data(_)
        | Error::Run { .. }
        | Error::Parameters { path: Some(_), .. } => error.to_string(),
        _ => in_python(&error.to_string()),
    };
    match error {
        Error::Device { .. } | Error::Cuda(_) | Error::LostInRun { .. } => {
            DeviceError::new_err(text)
        }
        Error::Diverged { .. } => DivergedError::new_err(text),
        Error::File(FileError::Io { source, .. }) => of_io(&source, text),
        Error::Data(DataError::Io { source, .. }) => of_io(&source, text),
        Error::File(FileError::OutOfMemory { .. }) | Error::Data(DataError::OutOfMemory { .. }) => {
            PyMemoryError::new_err(text)
        }
        Error::Data(DataError::NotAtHand(_) | DataError::Missing { .. }) => {
            PyFileNotFoundError::new_err(text)
        }
        Error::File(FileError::DiskFull { .. } | FileError::NotAFile { .. })
        | Error::Data(
            DataError::NotAFile { .. }
            | DataError::NotAFolder { .. }
            | DataError::Download { .. }
            | DataError::Locked { .. },
        ) => PyOSError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

fn of_io(source: &io::Error, text: String) -> PyErr {
    match source.kind() {
        io::ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
        io::ErrorKind::PermissionDenied => pyo3::exceptions::PyPermissionError::new_err(text),
        _ => PyOSError::new_err(text),
    }
}

/// What the command line calls a setting, and what Python does.
const NAMES: [(&str, &str); 8] = [
    ("; there is no checkpoint yet", ""),
    ("--device cpu", "device=\"cpu\""),
    ("--device cuda", "device=\"cuda\""),
    ("--epochs 1", "epochs=1"),
    ("--validation 0.1", "validation=0.1"),
    ("--reduction mean", "CrossEntropy(\"mean\")"),
    ("--batch", "batch_size"),
    ("--plan layered", "plan=\"layered\""),
];

/// A message in the words of Python: `--lr` is an argument `lr`.
fn in_python(text: &str) -> String {
    let text =
        NAMES.iter().fold(text.to_string(), |text, (ours, theirs)| text.replace(ours, theirs));
    let mut words = text.split("--");
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |mut text, word| {
        let end = word.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(word.len());
        let (name, rest) = word.split_at(end);
        if name.is_empty() {
            text.push_str("--");
        }
        text + &name.replace('-', "_") + rest
    })
}
