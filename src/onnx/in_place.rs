//! Whether a graph may write its new state over the old.
//!
//! Takes a lowered graph and pairs of an input and the output that is bound to the same memory;
//! says where a reader of the old state might see the new.

use std::collections::{HashMap, HashSet};

use super::lowered::{Arg, Lowered};

/// A node that may read a state after it has been overwritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{reader}` reads `{state}` and need not run before it is overwritten")]
pub struct OverwriteError {
    /// Name of the input that holds the state.
    pub state: String,
    /// Name of the node.
    pub reader: String,
}

/// Checks that every node that reads a state is the one that writes the new state, or is
/// computed before it because the writer needs its result.
///
/// The writer itself must read and write element by element; the lowerings that write states
/// end in `Where` or in a custom operator that does so.
///
/// # Errors
/// [`OverwriteError`] for the first reader that does not.
pub fn check_in_place(graph: &Lowered, states: &[(Arg, Arg)]) -> Result<(), OverwriteError> {
    let mut writer_of: HashMap<Arg, usize> = HashMap::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        for &output in &node.outputs {
            writer_of.insert(output, index);
        }
    }
    for &(state, new) in states {
        let Some(&writer) = writer_of.get(&new) else { continue };
        let mut before = HashSet::from([writer]);
        let mut pending = vec![writer];
        while let Some(index) = pending.pop() {
            for input in graph.nodes[index].inputs.iter().flatten() {
                if let Some(&earlier) = writer_of.get(input)
                    && before.insert(earlier)
                {
                    pending.push(earlier);
                }
            }
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            if node.inputs.contains(&Some(state)) && !before.contains(&index) {
                return Err(OverwriteError {
                    state: graph.name(state).to_owned(),
                    reader: node.name.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Encoding, Graph, Provider, TensorType, lower};

    #[test]
    fn a_reader_beside_the_writer_is_told() {
        let mut graph = Graph::new();
        let state = graph.input("state", TensorType::f32(&[4]));
        let new = graph.scale(state, 0.5).expect("a product");
        graph.output("new", new);
        let lowered = lower(&graph, &Encoding::plain(Provider::Cpu)).expect("a graph");
        assert_eq!(check_in_place(&lowered, &[(lowered.inputs[0], lowered.outputs[0])]), Ok(()));

        let other = graph.add(state, state).expect("a sum");
        graph.output("other", other);
        let lowered = lower(&graph, &Encoding::plain(Provider::Cpu)).expect("a graph");
        let states = [(lowered.inputs[0], lowered.outputs[0])];
        let error = check_in_place(&lowered, &states).expect_err("a reader beside the writer");
        assert_eq!(error.state, "state");
    }
}
