//! Losses: what a network is to make small.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use glassbox_cpu::reference;
use serde::{Deserialize, Serialize};

/// How the losses of a batch become one number.
///
/// It matters: with the sum, the gradient, and so the step, grows with the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Their mean, as libraries do it.
    #[default]
    Mean,
    /// Their sum, as the week-2 formula of the course has it.
    Sum,
}

impl From<Reduction> for reference::Reduction {
    fn from(reduction: Reduction) -> reference::Reduction {
        match reduction {
            Reduction::Mean => reference::Reduction::Mean,
            Reduction::Sum => reference::Reduction::Sum,
        }
    }
}

/// A loss and its reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// −ln softmax(logits)[label], of logits and class indices.
    CrossEntropy(Reduction),
    /// (y − t)², of outputs and values. The mean is over all elements.
    MeanSquaredError(Reduction),
}

/// A loss as users name it, its reduction apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// For classes.
    #[default]
    CrossEntropy,
    /// For values.
    MeanSquaredError,
}

impl LossName {
    /// The loss with this reduction.
    pub fn with(self, reduction: Reduction) -> Loss {
        match self {
            LossName::CrossEntropy => Loss::CrossEntropy(reduction),
            LossName::MeanSquaredError => Loss::MeanSquaredError(reduction),
        }
    }

    /// Whether it is the one that settings need not name.
    pub(crate) fn is_default(&self) -> bool {
        *self == LossName::default()
    }
}

/// What the outputs of a batch should be.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// The class of each sample.
    Classes(&'a [u32]),
    /// The values of each sample, a matrix.
    Values(&'a Tensor),
}

impl<'b> Targets<'b> {
    /// The same in f64; numbers are kept in `room`.
    pub(crate) fn to_f64<'a>(self, room: &'a mut Option<Tensor>) -> Targets<'a>
    where
        'b: 'a,
    {
        match self {
            Targets::Values(values) => Targets::Values(room.insert(values.to_f64())),
            Targets::Classes(labels) => Targets::Classes(labels),
        }
    }
}

impl Loss {
    /// How the losses of a batch become one number.
    pub fn reduction(self) -> Reduction {
        match self {
            Loss::CrossEntropy(reduction) | Loss::MeanSquaredError(reduction) => reduction,
        }
    }

    /// The loss of the outputs `y` (b,o).
    pub fn forward(self, device: &Device, y: &Tensor, targets: Targets) -> Result<f64> {
        match (self, targets) {
            (Loss::CrossEntropy(reduction), Targets::Classes(labels)) => {
                device.cross_entropy(y, labels, reduction.into())
            }
            (Loss::MeanSquaredError(reduction), Targets::Values(values)) => {
                device.mean_squared_error(y, values, reduction.into())
            }
            _ => Err(self.wrong_targets()),
        }
    }

    /// dy (b,o), the gradient of the loss with respect to the outputs.
    pub fn backward(
        self,
        device: &Device,
        dy: &mut Tensor,
        y: &Tensor,
        targets: Targets,
    ) -> Result<()> {
        match (self, targets) {
            (Loss::CrossEntropy(reduction), Targets::Classes(labels)) => {
                device.cross_entropy_backward(dy, y, labels, reduction.into())
            }
            (Loss::MeanSquaredError(reduction), Targets::Values(values)) => {
                device.mean_squared_error_backward(dy, y, values, reduction.into())
            }
            _ => Err(self.wrong_targets()),
        }
    }

    /// The loss of a network that knows nothing of `classes` equally likely classes: ln of their
    /// number, which an untrained network should come close to.
    pub fn untrained(classes: usize) -> f64 {
        (classes as f64).ln()
    }

    pub(crate) fn wrong_targets(self) -> Error {
        let (value, hint) = match self {
            Loss::CrossEntropy(_) => ("values", "cross-entropy takes class indices"),
            Loss::MeanSquaredError(_) => ("classes", "the mean squared error takes values"),
        };
        Error::Setting {
            setting: "targets",
            value: value.to_string(),
            reason: "the loss is not made for them".to_string(),
            hint: hint.to_string(),
        }
    }
}
