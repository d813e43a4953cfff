//! A network and its optimizer a second time, in memory of their own, which is used again.

use crate::network::Network;
use crate::optim::Optimizer;
use crate::tensor::Tensor;

/// A copy of a network and its optimizer.
pub(crate) struct Twin {
    pub network: Network,
    pub optimizer: Optimizer,
}

impl Twin {
    /// A first copy.
    pub fn new(network: &Network, optimizer: &Optimizer) -> Twin {
        let mut twin = Twin { network: network.clone(), optimizer: optimizer.clone() };
        // Shared gradients would be copied as soon as training wants to change them.
        for parameter in twin.network.parameters_mut() {
            parameter.gradient = parameter.gradient.zeros_like(parameter.gradient.shape());
        }
        twin.take(network, optimizer);
        twin
    }

    /// Copies numbers into memory that is there, which leaves that of the training where it is.
    pub fn take(&mut self, network: &Network, optimizer: &Optimizer) {
        let copy = |to: &mut Tensor, from: &Tensor| match from.is_f64() {
            true => *to = from.clone(),
            false => to.data_mut().copy_from_slice(from.data()),
        };
        for (to, (_, from)) in self.network.parameters_mut().zip(network.parameters()) {
            copy(&mut to.value, &from.value);
        }
        let memory = self.optimizer.restore(optimizer.steps()).iter_mut().flatten();
        memory.zip(optimizer.memory().iter().flatten()).for_each(|(to, from)| copy(to, from));
    }
}
