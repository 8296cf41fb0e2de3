//! Memory saved by computing again: what lies within a block of the network is not kept for the
//! backward pass, but computed anew from what enters the block, when that pass reaches it.
//!
//! A runtime would undo this, since it merges nodes of the same inputs and chooses the order in
//! which it computes. So what enters a block is taken through a choice between it and itself, by a
//! condition that depends on the gradient that comes to the block, and on the gradients of the
//! weights behind it: these would otherwise be left to the end, and all that they need kept.
//!
//! # Source
//! Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::encode::needed_nodes;
use super::graph::{Graph, GraphError, Node, Origin, Value};

/// Bytes of an element: what is computed is in single precision.
const BYTES: usize = size_of::<f32>();

/// What is kept from the forward pass for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checkpointing {
    /// All that it needs.
    #[default]
    Off,
    /// Between blocks all that it needs; within a block nothing. A block is what has a number in
    /// its name: the nodes whose scope begins with the same parts up to the first number, and the
    /// numbers behind it, such as `blocks.3.1` or `layer1.0`.
    Blocks,
}

/// The blocks that are computed again: for each, by its name, what its values are then.
#[derive(Debug)]
pub(super) struct Repeats {
    checkpointing: Checkpointing,
    /// Number of nodes of the forward pass.
    forward: usize,
    /// Parameters, which are there all the time.
    parameters: BTreeSet<Value>,
    /// Parameters whose gradients a block waits for.
    awaited: BTreeSet<Value>,
    blocks: BTreeMap<String, BTreeMap<Value, Value>>,
}

impl Repeats {
    /// Returns none yet, for a graph that is a forward pass with these parameters.
    pub(super) fn new(graph: &Graph, parameters: &[Value], checkpointing: Checkpointing) -> Self {
        Repeats {
            checkpointing,
            forward: graph.nodes().len(),
            parameters: parameters.iter().copied().collect(),
            awaited: BTreeSet::new(),
            blocks: BTreeMap::new(),
        }
    }

    /// Returns inputs and outputs of a node of the forward pass as its gradient is to see them,
    /// given one of the gradients that come to it, and of each value the gradient so far.
    pub(super) fn of(
        &mut self,
        graph: &mut Graph,
        node: &Node,
        gradient: Value,
        gradients: &[Option<Value>],
    ) -> Result<[Vec<Value>; 2], GraphError> {
        let kept = [node.inputs.clone(), node.outputs.clone()];
        let Some(block) = block(&node.scope).filter(|_| self.checkpointing != Checkpointing::Off)
        else {
            return Ok(kept);
        };
        if !self.blocks.contains_key(block) {
            let mut earlier = vec![gradient];
            for &parameter in &self.parameters {
                // What vectors need is small, or comes with what the gradient needs itself.
                let gradient = gradients[parameter.0].filter(|&g| graph.shape(g).len() > 1);
                let Some(gradient) = gradient else { continue };
                if self.awaited.insert(parameter) {
                    earlier.push(gradient);
                }
            }
            let repeat = self.repeat(graph, block, &earlier)?;
            self.blocks.insert(block.to_owned(), repeat);
        }
        let again = &self.blocks[block];
        Ok(kept.map(|values| {
            values.into_iter().map(|value| again.get(&value).copied().unwrap_or(value)).collect()
        }))
    }

    /// Adds the nodes of a block once more, to be computed after earlier values. Those whose
    /// outputs nobody needs are left out when the graph is written.
    fn repeat(
        &self,
        graph: &mut Graph,
        block: &str,
        earlier: &[Value],
    ) -> Result<BTreeMap<Value, Value>, GraphError> {
        graph.scoped(&format!("{block}.again"), |graph| {
            let never = never(graph, earlier)?;
            let mut again: BTreeMap<Value, Value> = BTreeMap::new();
            for index in 0..self.forward {
                let node = graph.nodes()[index].clone();
                if self::block(&node.scope) != Some(block) {
                    continue;
                }
                for &input in &node.inputs {
                    let lasting = matches!(graph.origin(input), Origin::Constant(_))
                        || self.parameters.contains(&input);
                    if !lasting && !again.contains_key(&input) {
                        again.insert(input, graph.select(never, input, input)?);
                    }
                }
                let inputs: Vec<Value> = (node.inputs.iter())
                    .map(|input| again.get(input).copied().unwrap_or(*input))
                    .collect();
                again.extend(node.outputs.iter().copied().zip(graph.repeat(&node, &inputs)));
            }
            Ok(again)
        })
    }
}

/// Returns the bytes of all that the first `forward` nodes of a graph give and later nodes, which
/// an output needs, take: what has to live from the forward to the backward pass.
pub fn kept_bytes(graph: &Graph, forward: usize) -> usize {
    let needed = needed_nodes(graph);
    let later = graph.nodes().iter().zip(needed).skip(forward).filter(|(_, needed)| *needed);
    let given = |value: &Value| match graph.origin(*value) {
        Origin::Node(index) => *index < forward,
        Origin::Input(_) | Origin::Constant(_) => false,
    };
    let kept: BTreeSet<Value> =
        later.flat_map(|(node, _)| node.inputs.iter().copied()).filter(given).collect();
    kept.into_iter().map(|value| BYTES * graph.tensor(value).volume()).sum()
}

/// Returns a truth value that never holds and depends on all of some values.
fn never(graph: &mut Graph, values: &[Value]) -> Result<Value, GraphError> {
    let mut sum = graph.scalar(0.0);
    for &value in values {
        let rank = graph.shape(value).len();
        let first = graph.cut(value, &vec![0; rank], &vec![1; rank])?;
        let first = graph.reshape(first, &[])?;
        sum = graph.add(sum, first)?;
    }
    // Not even of what is no number.
    graph.less(sum, sum)
}

/// Returns the name of the block that a scope belongs to.
fn block(scope: &str) -> Option<&str> {
    let is_number = |part: &str| part.parse::<u32>().is_ok();
    let mut end = 0;
    let mut found = false;
    for part in scope.split('.') {
        if found && !is_number(part) {
            break;
        }
        found |= is_number(part);
        // With the point before it, of which the first part has none.
        end += part.len() + usize::from(end > 0);
    }
    found.then(|| &scope[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::ops::{Activation, Conv};
    use crate::onnx::{TensorType, checkpointed_gradients};

    #[test]
    fn blocks_are_what_has_numbers() {
        for (scope, expected) in [
            ("blocks.3.1.conv_dw", Some("blocks.3.1")),
            ("blocks.3.1", Some("blocks.3.1")),
            ("layer1.0.downsample.0", Some("layer1.0")),
            ("conv_stem", None),
            ("", None),
        ] {
            assert_eq!(block(scope), expected, "{scope}");
        }
    }

    /// Returns a network of three blocks, each of two convolutions with activations, and the
    /// bytes that are kept of it.
    fn kept(checkpointing: Checkpointing) -> (Graph, usize) {
        let mut graph = Graph::new();
        let images = graph.input("images", TensorType::f32(&[2, 4, 8, 8]));
        let weights: Vec<Value> = (0..6)
            .map(|index| graph.input(&format!("w{index}"), TensorType::f32(&[4, 4, 3, 3])))
            .collect();
        let same = Conv { pads: [1; 4], ..Conv::default() };
        let mut x = images;
        for (index, weights) in weights.chunks(2).enumerate() {
            let built = graph.scoped(&format!("blocks.{index}"), |graph| {
                let y = graph.conv(x, weights[0], &same)?;
                let y = graph.activate(y, Activation::Silu)?;
                let y = graph.conv(y, weights[1], &same)?;
                graph.add(y, x)
            });
            x = built.expect("shapes that fit");
        }
        let loss = graph.reduce_sum(x, &[0, 1, 2, 3]).expect("four axes");
        let forward = graph.nodes().len();
        let found = checkpointed_gradients(&mut graph, loss, &weights, checkpointing);
        for (index, gradient) in found.expect("gradients").into_iter().enumerate() {
            graph.output(&format!("w{index}.gradient"), gradient.expect("a gradient"));
        }
        let bytes = kept_bytes(&graph, forward);
        (graph, bytes)
    }

    #[test]
    fn what_enters_a_block_is_all_that_is_kept() {
        let image = 4 * 2 * 4 * 8 * 8;
        // Of each block what enters it (the images are fed) and both sides of the activation.
        let (_, all) = kept(Checkpointing::Off);
        assert_eq!(all, (2 + 3 * 2) * image);
        let (_, between) = kept(Checkpointing::Blocks);
        assert_eq!(between, 2 * image);
    }

    #[test]
    fn only_what_the_backward_pass_needs_is_computed_again() {
        let (graph, _) = kept(Checkpointing::Blocks);
        let needed = needed_nodes(&graph);
        let again = graph.nodes().iter().zip(needed).filter(|(node, needed)| {
            *needed && node.scope.ends_with("again") && node.operator.name() == "Conv"
        });
        // The second convolution and the sum of each block matter to nobody.
        assert_eq!(again.count(), 3);
    }
}
