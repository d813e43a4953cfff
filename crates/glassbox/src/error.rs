//! What can go wrong, with the facts, and what to do about it.

use crate::data::DataError;
use crate::file::FileError;
use std::path::PathBuf;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The shapes of an operation's operands do not fit each other.
    #[error("{op}: shapes {} do not fit (hint: {hint})", Shapes(shapes))]
    Shape {
        /// The operation.
        op: &'static str,
        /// The shapes, the output's first.
        shapes: Vec<Vec<usize>>,
        /// What would fit.
        hint: &'static str,
    },

    /// A tensor was given other than as many numbers as its shape holds.
    #[error(
        "a tensor of shape {shape:?} holds {expected} numbers, not {found} (hint: the shape is rows first)"
    )]
    Count {
        /// The shape.
        shape: Vec<usize>,
        /// How many numbers it holds.
        expected: usize,
        /// How many there were.
        found: usize,
    },

    /// Operands that no device holds together.
    #[error(
        "{op}: the operands are not all on device '{device}' in one precision (hint: only the reference device computes in f64)"
    )]
    Elsewhere {
        /// The operation.
        op: &'static str,
        /// The device that was asked.
        device: &'static str,
    },

    /// A label that names no class.
    #[error(
        "label {label} of sample {row} is not below {classes}, the number of classes (hint: classes count from 0, and the network's last width must reach the largest)"
    )]
    Label {
        /// The sample, counted from 0.
        row: usize,
        /// Its label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },

    /// The text of a network could not be understood.
    #[error(
        "network '{text}': {reason} (hint: widths and layers joined by '-', as in 784-128-relu-10)"
    )]
    Model {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The parameters of a file are not those of the network.
    #[error(
        "{}the network {network} needs {expected}, found {found} (hint: name the network that the file was trained as with --model)",
        Where(path)
    )]
    Parameters {
        /// The file, if they came from one.
        path: Option<PathBuf>,
        /// The network.
        network: String,
        /// The parameter that is missing or differs.
        expected: String,
        /// What was there instead.
        found: String,
    },

    /// A setting that cannot be.
    #[error("{setting} cannot be {value}: {reason} (hint: {hint})")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        reason: String,
        /// What to do.
        hint: String,
    },

    /// Training ran into infinities or NaN.
    #[error("{what} at step {step} (hint: {hint})")]
    Diverged {
        /// What is no longer finite.
        what: String,
        /// The step, counted from 1.
        step: u64,
        /// What to try, and what is left.
        hint: String,
    },

    /// A layer that makes a network have no linear template.
    #[error(
        "layer {layer}, {text}, is not linear on either side of a kink: {reason} (hint: templates are those of dense layers, relu and leaky relu, dropout aside)"
    )]
    NotLinear {
        /// The layer, counted from 0.
        layer: usize,
        /// Its text.
        text: String,
        /// Why it is not.
        reason: &'static str,
    },

    /// What was asked for cannot be done as things stand.
    #[error("{what} (hint: {hint})")]
    Refused {
        /// What stands in the way.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },

    /// A device that is not there.
    #[error("device '{device}' is not available: {reason} (hint: {hint})")]
    Device {
        /// The device.
        device: String,
        /// Why not.
        reason: String,
        /// What to do.
        hint: &'static str,
    },

    /// A GPU failed at its work.
    #[error("{0} (hint: {hint})", hint = gpu_hint(.0))]
    Cuda(#[from] glassbox_cuda::Error),

    /// A GPU was lost in a run that has a checkpoint.
    #[error(
        "{error} (hint: `glassbox train --resume {}` goes on from the checkpoint of step {step}, with --device cpu also without the GPU; if it happens again, look into dmesg)",
        crate::run::shell_word(folder)
    )]
    LostInRun {
        /// What the GPU reported.
        error: Box<glassbox_cuda::Error>,
        /// The folder of the run.
        folder: PathBuf,
        /// The step of its newest sound checkpoint.
        step: u64,
    },

    /// A run's folder cannot be used.
    #[error("{}: {reason} (hint: {hint})", path.display())]
    Run {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: String,
    },

    /// Something that cannot be measured.
    #[error(transparent)]
    Metrics(#[from] crate::metrics::MetricsError),

    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),

    /// A data set could not be had.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Error {
    /// Whether a GPU was lost: nothing else can be computed on it by this process.
    pub fn is_lost_gpu(&self) -> bool {
        matches!(
            self,
            Error::Cuda(glassbox_cuda::Error::DeviceLost { .. }) | Error::LostInRun { .. }
        )
    }
}

/// What to do about an error of a GPU. The engine knows neither checkpoints nor another device.
pub(crate) fn gpu_hint(error: &glassbox_cuda::Error) -> &'static str {
    match error {
        glassbox_cuda::Error::OutOfMemory { .. } => {
            "use a smaller --batch or --model, or --device cpu; nvidia-smi shows who else holds memory"
        }
        glassbox_cuda::Error::DeviceLost { .. } => {
            "try again, or use --device cpu; if it happens again, look into dmesg"
        }
        other => other.hint(),
    }
}

/// Shapes as people write them: 64×784.
struct Shapes<'a>(&'a [Vec<usize>]);

impl std::fmt::Display for Shapes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let text =
            |shape: &Vec<usize>| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
        f.write_str(&self.0.iter().map(text).collect::<Vec<_>>().join(", "))
    }
}

/// A path and a colon, if there is a path.
struct Where<'a>(&'a Option<PathBuf>);

impl std::fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self.0 {
            Some(path) => write!(f, "{}: ", path.display()),
            None => Ok(()),
        }
    }
}
