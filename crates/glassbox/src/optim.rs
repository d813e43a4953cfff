//! Optimizers: how gradients change weights.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::tensor::Tensor;
use glassbox_cpu::fused;
use glassbox_cpu::reference::AdamStep;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which optimizer, with its numbers. In order of increasing complexity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Rule {
    /// w −= lr · g
    Sgd,
    /// v = μ v + g;  w −= lr · v
    Momentum {
        /// μ, how much of the velocity is kept.
        momentum: f32,
    },
    /// v = μ v + g;  w −= lr · (g + μ v)
    Nesterov {
        /// μ, how much of the velocity is kept.
        momentum: f32,
    },
    /// Adam, weight decay added to the gradient.
    Adam {
        /// β₁ and β₂, how much of the moments is kept.
        betas: [f32; 2],
        /// ε, added to the denominator.
        epsilon: f32,
    },
    /// Adam with weight decay apart from the gradient.
    AdamW {
        /// β₁ and β₂, how much of the moments is kept.
        betas: [f32; 2],
        /// ε, added to the denominator.
        epsilon: f32,
    },
}

impl Rule {
    /// The rule of that name, with the numbers that PyTorch takes by default (and μ = 0.9).
    pub fn named(name: &str) -> Result<Rule> {
        let (betas, epsilon, momentum) = ([0.9, 0.999], 1e-8, 0.9);
        match name {
            "sgd" => Ok(Rule::Sgd),
            "momentum" => Ok(Rule::Momentum { momentum }),
            "nesterov" => Ok(Rule::Nesterov { momentum }),
            "adam" => Ok(Rule::Adam { betas, epsilon }),
            "adamw" => Ok(Rule::AdamW { betas, epsilon }),
            _ => Err(Error::Setting {
                setting: "optimizer",
                value: name.to_string(),
                reason: "there is none of that name".to_string(),
                hint: "use sgd, momentum, nesterov, adam or adamw".to_string(),
            }),
        }
    }

    /// Whether steps are divided by how large gradients usually are.
    pub fn is_adaptive(self) -> bool {
        matches!(self, Rule::Adam { .. } | Rule::AdamW { .. })
    }

    /// The names of the tensors that the rule remembers for each parameter, PyTorch's.
    pub fn memory(self) -> &'static [&'static str] {
        match self {
            Rule::Sgd => &[],
            Rule::Momentum { .. } | Rule::Nesterov { .. } => &["momentum_buffer"],
            Rule::Adam { .. } | Rule::AdamW { .. } => &["exp_avg", "exp_avg_sq"],
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Rule::Sgd => "sgd",
            Rule::Momentum { .. } => "momentum",
            Rule::Nesterov { .. } => "nesterov",
            Rule::Adam { .. } => "adam",
            Rule::AdamW { .. } => "adamw",
        })
    }
}

/// A rule at work on a network: with its memory, and the number of steps made.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    weight_decay: f32,
    /// For each parameter of the network, in order, as many tensors as [`Rule::memory`] names.
    memory: Vec<Vec<Tensor>>,
    steps: u64,
}

impl Optimizer {
    /// An optimizer for `network` that has made no step yet.
    pub fn new(rule: Rule, weight_decay: f32, network: &Network) -> Optimizer {
        let zeros = |parameter: &Tensor| {
            rule.memory().iter().map(|_| parameter.zeros_like(parameter.shape())).collect()
        };
        let memory = network.parameters().map(|(_, parameter)| zeros(&parameter.value)).collect();
        Optimizer { rule, weight_decay, memory, steps: 0 }
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// How many steps it has made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The memory, for a checkpoint: a list for each parameter of the network.
    pub fn memory(&self) -> &[Vec<Tensor>] {
        &self.memory
    }

    /// The memory, to be filled from a checkpoint, and the number of steps.
    pub fn restore(&mut self, steps: u64) -> &mut [Vec<Tensor>] {
        self.steps = steps;
        &mut self.memory
    }

    /// The memory, for a plan that makes the steps itself and then says so to
    /// [`advance`](Optimizer::advance).
    pub(crate) fn memory_mut(&mut self) -> &mut [Vec<Tensor>] {
        &mut self.memory
    }

    /// Counts steps that a plan has made itself.
    pub(crate) fn advance(&mut self, steps: u64) {
        self.steps += steps;
    }

    /// What step `t`, counted from 1, does with the gradients: [`step`](Optimizer::step) in one piece.
    pub(crate) fn fused_rule(&self, lr: f32, t: u64) -> fused::Rule {
        let adam = |betas, epsilon, decay| {
            fused::Optimizer::Adam(AdamStep::new(lr, betas, epsilon, decay, t))
        };
        let (optimizer, decay) = match self.rule {
            Rule::Sgd => (fused::Optimizer::Sgd { lr }, self.weight_decay),
            Rule::Momentum { momentum: mu } => {
                (fused::Optimizer::Momentum { lr, mu }, self.weight_decay)
            }
            Rule::Nesterov { momentum: mu } => {
                (fused::Optimizer::Nesterov { lr, mu }, self.weight_decay)
            }
            Rule::Adam { betas, epsilon } => (adam(betas, epsilon, 0.0), self.weight_decay),
            Rule::AdamW { betas, epsilon } => (adam(betas, epsilon, self.weight_decay), 0.0),
        };
        fused::Rule { optimizer, decay }
    }

    /// Changes every parameter of the network by its gradient.
    pub fn step(&mut self, device: &Device, network: &mut Network, lr: f32) -> Result<()> {
        self.steps += 1;
        for (parameter, memory) in network.parameters_mut().zip(&mut self.memory) {
            let (w, g) = (&mut parameter.value, &mut parameter.gradient);
            let decays_apart = matches!(self.rule, Rule::AdamW { .. });
            if self.weight_decay != 0.0 && !decays_apart {
                device.add_scaled(g, self.weight_decay, w)?;
            }
            match (self.rule, &mut memory[..]) {
                (Rule::Sgd, []) => device.sgd(w, g, lr)?,
                (Rule::Momentum { momentum }, [v]) => device.momentum(w, v, g, lr, momentum)?,
                (Rule::Nesterov { momentum }, [v]) => device.nesterov(w, v, g, lr, momentum)?,
                (Rule::Adam { betas, epsilon }, [m, v]) => {
                    let step = AdamStep::new(lr, betas, epsilon, 0.0, self.steps);
                    device.adam(w, m, v, g, &step)?;
                }
                (Rule::AdamW { betas, epsilon }, [m, v]) => {
                    let step = AdamStep::new(lr, betas, epsilon, self.weight_decay, self.steps);
                    device.adam(w, m, v, g, &step)?;
                }
                (rule, _) => unreachable!("{rule} has another number of memories"),
            }
        }
        Ok(())
    }

    /// Shrinks all gradients together so that their norm is at most `limit`. Returns the norm that
    /// they had.
    pub fn clip(device: &Device, network: &mut Network, limit: f32) -> Result<f64> {
        let mut sum = 0.0;
        for parameter in network.parameters_mut() {
            sum += device.sum_of_squares(&parameter.gradient)?;
        }
        let norm = sum.sqrt();
        if !norm.is_finite() {
            let (what, hint) = ("the norm of the gradients is not finite", "try a smaller rate");
            return Err(Error::Refused { what, hint });
        }
        if norm > f64::from(limit) {
            let factor = (f64::from(limit) / norm) as f32;
            for parameter in network.parameters_mut() {
                device.scale(&mut parameter.gradient, factor)?;
            }
        }
        Ok(norm)
    }
}
