//! Groups of parameters, by which norms of gradients are recorded.

use super::super::network::Network;
use super::super::step::Trainer;

/// Groups of parameters.
pub(super) struct Groups {
    pub(super) names: Vec<String>,
    /// Group of each trained tensor, in the order of the layout.
    of_tensor: Vec<usize>,
}

impl Groups {
    pub(super) fn new(network: &Network, trainer: &Trainer) -> Groups {
        let mut names: Vec<String> = Vec::new();
        let mut of_tensor = Vec::new();
        for place in trainer.layout().places() {
            let group = network.group(&place.name);
            let at = names.iter().position(|name| *name == group).unwrap_or_else(|| {
                names.push(group);
                names.len() - 1
            });
            of_tensor.push(at);
        }
        Groups { names, of_tensor }
    }

    /// Returns the norm of each group, given those of its tensors.
    pub(super) fn sum(&self, norms: &[f32]) -> Vec<f32> {
        let mut squares = vec![0.0_f32; self.names.len()];
        for (&group, norm) in self.of_tensor.iter().zip(norms) {
            squares[group] += norm * norm;
        }
        squares.into_iter().map(f32::sqrt).collect()
    }
}
