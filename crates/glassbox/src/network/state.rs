//! A network's parameters outside it: as PyTorch names and shapes them.

use super::Network;
use crate::error::{Error, Result};
use crate::file::NamedArray;
use crate::file::seal::hex;
use crate::tensor::Tensor;
use glassbox_cpu::reference::transpose;
use sha2::{Digest, Sha256};

impl Network {
    /// All parameters, with PyTorch's names and shapes: weights are (o,i).
    pub fn state(&self) -> Vec<NamedArray> {
        self.parameters().map(|(name, parameter)| to_array(name, &parameter.value)).collect()
    }

    /// Takes parameters from arrays with PyTorch's names and shapes. Nothing changes on an error.
    pub fn load_state(&mut self, arrays: &[NamedArray]) -> Result<()> {
        let names: Vec<_> = self.parameters().map(|(name, _)| name).collect();
        if let Some(extra) = arrays.iter().find(|array| !names.contains(&array.name)) {
            let found = format!("'{}' {:?} as well", extra.name, extra.shape);
            return Err(self.other_parameters(format!("only {}", names.join(", ")), found));
        }
        let mut values = Vec::new();
        for (name, parameter) in self.parameters() {
            let shape = file_shape(&parameter.value);
            let found = arrays.iter().find(|array| array.name == name);
            match found {
                Some(array) if array.shape == shape => values.push(from_array(array)?),
                _ => {
                    let found = found.map(|array| format!("{:?}", array.shape));
                    let found = found.unwrap_or_else(|| "none of that name".to_string());
                    return Err(self.other_parameters(format!("'{name}' {shape:?}"), found));
                }
            }
        }
        for (parameter, value) in self.parameters_mut().zip(values) {
            parameter.value = value;
        }
        Ok(())
    }

    /// SHA-256 of the parameters' bytes: little-endian `f32`, in the network's order, each in the
    /// shape it has on disk.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for array in self.state() {
            array.data.iter().for_each(|x| hash.update(x.to_le_bytes()));
        }
        hex(hash)
    }

    /// The error that a file holds another network's parameters.
    pub(crate) fn other_parameters(&self, expected: String, found: String) -> Error {
        Error::Parameters { path: None, network: self.to_string(), expected, found }
    }
}

/// A tensor as it is on disk: matrices turned, (i,o) to (o,i).
pub(crate) fn to_array(name: String, tensor: &Tensor) -> NamedArray {
    let mut data = tensor.data().to_vec();
    if let &[i, o] = tensor.shape() {
        transpose(&mut data, tensor.data(), [i, o]);
    }
    NamedArray { name, shape: file_shape(tensor), data }
}

/// A tensor from disk: matrices turned, (o,i) to (i,o).
pub(crate) fn from_array(array: &NamedArray) -> Result<Tensor> {
    match array.shape[..] {
        [o, i] => {
            let mut data = vec![0.0; array.data.len()];
            transpose(&mut data, &array.data, [o, i]);
            Tensor::new(&[i, o], data)
        }
        _ => Tensor::new(&array.shape, array.data.clone()),
    }
}

/// The shape of a tensor on disk.
fn file_shape(tensor: &Tensor) -> Vec<usize> {
    tensor.shape().iter().rev().copied().collect()
}
