//! Compares tensors with those that a model expects, so that a wrong file is told by
//! the first tensor that differs.

use std::collections::BTreeSet;

use super::tensors::{Data, Tensor, Tensors};

/// Last part of the names of batch norm's counters of batches.
///
/// PyTorch counts for averages over all batches since the start. timm's networks and
/// labelvet's take an exponential average, so nothing depends on the counters: they
/// are kept when a file is read and written, and may be absent.
const COUNTER: &str = ".num_batches_tracked";

/// Compares tensors with the names and shapes that a model expects, in the model's
/// order, then looks for tensors that it does not have, in the order of names.
///
/// # Errors
/// Fails with the first tensor that is missing, of another shape or type, or unexpected.
pub fn check(expected: &[(String, Vec<usize>)], tensors: &Tensors) -> Result<(), Mismatch> {
    for (name, shape) in expected {
        let (name, expected) = (name.clone(), shape.clone());
        let Some(tensor) = tensors.get(&name) else {
            return Err(Mismatch::Missing { name, expected });
        };
        if tensor.shape() != expected {
            return Err(Mismatch::Shape { name, expected, found: tensor.shape().to_vec() });
        }
        if matches!(tensor.data(), Data::I64(_)) && !name.ends_with(COUNTER) {
            return Err(Mismatch::Integers { name });
        }
    }
    let known: BTreeSet<&String> = expected.iter().map(|(name, _)| name).collect();
    let unexpected =
        |(name, _): &(&String, &Tensor)| !known.contains(name) && !name.ends_with(COUNTER);
    match tensors.iter().find(unexpected) {
        Some((name, tensor)) => {
            Err(Mismatch::Unexpected { name: name.clone(), found: tensor.shape().to_vec() })
        }
        None => Ok(()),
    }
}

/// The first tensor in which a file differs from a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The file lacks a tensor of the model.
    #[error("the weights lack {name}, of shape {expected:?} in the model")]
    Missing {
        /// Name of the tensor.
        name: String,
        /// Shape in the model.
        expected: Vec<usize>,
    },
    /// A tensor has another shape.
    #[error("{name} has the shape {found:?} in the weights, {expected:?} in the model")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the model.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A parameter is made of integers.
    #[error("{name} holds integers in the weights, floating-point numbers in the model")]
    Integers {
        /// Name of the tensor.
        name: String,
    },
    /// The file has a tensor that the model does not have.
    #[error("the weights hold {name}, of shape {found:?}, which the model does not have")]
    Unexpected {
        /// Name of the tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(rows: &[(&str, &[usize])]) -> Tensors {
        let zeros = |shape: &[usize]| {
            let count = shape.iter().product();
            Tensor::new(shape.to_vec(), Data::F32(vec![0.0; count])).unwrap()
        };
        rows.iter().map(|&(name, shape)| (name.to_string(), zeros(shape))).collect()
    }

    fn model() -> Vec<(String, Vec<usize>)> {
        vec![
            ("stem.weight".into(), vec![4, 3]),
            ("bn.weight".into(), vec![4]),
            ("a.weight".into(), vec![2]),
        ]
    }

    #[test]
    fn first_difference_in_the_models_order_is_told() {
        // Both lack a.weight, which comes first by name but last in the model.
        let found = check(&model(), &tensors(&[("stem.weight", &[4, 3])]));
        let missing = Mismatch::Missing { name: "bn.weight".into(), expected: vec![4] };
        assert_eq!(found, Err(missing));
        let found = check(&model(), &tensors(&[("stem.weight", &[4, 1]), ("bn.weight", &[5])]));
        let shape =
            Mismatch::Shape { name: "stem.weight".into(), expected: vec![4, 3], found: vec![4, 1] };
        assert_eq!(found, Err(shape));
    }

    #[test]
    fn unexpected_tensors_are_told_but_not_counters() {
        let all: &[(&str, &[usize])] =
            &[("stem.weight", &[4, 3]), ("bn.weight", &[4]), ("a.weight", &[2])];
        let mut given = tensors(all);
        let counter = Tensor::new(vec![], Data::I64(vec![9])).unwrap();
        given.insert("bn.num_batches_tracked".into(), counter);
        assert_eq!(check(&model(), &given), Ok(()));
        given.insert("head.bias".into(), Tensor::new(vec![1], Data::F32(vec![0.0])).unwrap());
        let unexpected = Mismatch::Unexpected { name: "head.bias".into(), found: vec![1] };
        assert_eq!(check(&model(), &given), Err(unexpected));
    }

    #[test]
    fn integers_are_no_parameters() {
        let expected = [("w".to_string(), vec![1])];
        let given: Tensors = [("w".to_string(), Tensor::new(vec![1], Data::I64(vec![0])).unwrap())]
            .into_iter()
            .collect();
        assert_eq!(check(&expected, &given), Err(Mismatch::Integers { name: "w".into() }));
    }
}
