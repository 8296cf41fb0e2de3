//! Dropout and stochastic depth: masks that are drawn on the host and fed.
//!
//! A graph multiplies by a mask, which is one of its inputs; [`Mask::draw`] gives what is fed.
//! So the same seed drops the same elements on every provider, and evaluation leaves the
//! product out. Takes a seed and the number of the step; keeps no state.

use super::graph::{Graph, GraphError, Value};
use super::shape::{Shape, TensorType, volume};
use crate::stats::random::SplitMix64;

/// An input of a graph that drops elements or whole samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// Name of the input.
    pub name: String,
    /// Its extents.
    pub shape: Shape,
    /// Probability that an element is kept: above 0, up to 1.
    pub keep: f32,
}

/// What is dropped as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// Each element on its own: dropout.
    Elements,
    /// Samples, the extents of axis 0, as a whole: stochastic depth.
    ///
    /// # Source
    /// Huang et al. (2016), "Deep Networks with Stochastic Depth", arXiv:1603.09382.
    Samples,
}

impl Mask {
    /// Returns what is fed in a step: each element is `1/keep` with probability `keep`, else 0,
    /// independently, so that the mean of what it multiplies stays the same.
    ///
    /// Depends on the seed, the number of the step and the name only ([`SplitMix64::named`] of
    /// name and step): an element is kept where a number in [0, 1) is below `keep`.
    pub fn draw(&self, seed: u64, step: u64) -> Vec<f32> {
        let mut random = SplitMix64::named(&format!("{}@{step}", self.name), seed);
        let (keep, kept) = (f64::from(self.keep), 1.0 / self.keep);
        (0..volume(&self.shape)).map(|_| if random.unit() < keep { kept } else { 0.0 }).collect()
    }
}

impl Graph {
    /// Adds a product with a mask, which becomes an input under `name`; nothing, and no mask,
    /// where all is kept.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when `x` has no axes although samples are dropped.
    ///
    /// # Panics
    /// When `keep` is not above 0 and up to 1.
    pub fn dropout(
        &mut self,
        x: Value,
        name: &str,
        keep: f32,
        dropped: Dropped,
    ) -> Result<(Value, Option<Mask>), GraphError> {
        assert!(keep > 0.0 && keep <= 1.0, "probability {keep} to keep in {name}");
        if keep == 1.0 {
            return Ok((x, None));
        }
        let mut shape = self.shape(x).to_vec();
        if dropped == Dropped::Samples {
            shape.iter_mut().skip(1).for_each(|extent| *extent = 1);
        }
        let mask = self.input(name, TensorType::f32(&shape));
        let y = self.mul(x, mask)?;
        Ok((y, Some(Mask { name: name.to_owned(), shape, keep })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_depends_on_seed_step_and_name_only() {
        let mask = Mask { name: "blocks.1.1.drop_path".to_owned(), shape: vec![64], keep: 0.8 };
        let other = Mask { name: "blocks.1.2.drop_path".to_owned(), ..mask.clone() };
        assert_eq!(mask.draw(1, 2), mask.draw(1, 2));
        assert_ne!(mask.draw(1, 2), mask.draw(2, 1));
        assert_ne!(mask.draw(1, 2), mask.draw(1, 3));
        assert_ne!(mask.draw(1, 2), other.draw(1, 2));
    }

    #[test]
    fn a_mask_keeps_the_mean() {
        let mask = Mask { name: "drop".to_owned(), shape: vec![100, 1000], keep: 0.7 };
        let elements = mask.draw(5, 0);
        assert!(elements.iter().all(|&element| element == 0.0 || element == 1.0 / 0.7));
        let mean = elements.iter().sum::<f32>() / elements.len() as f32;
        // Standard error: √(0.3/0.7/100000) = 0.0021.
        assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    }

    #[test]
    fn stochastic_depth_drops_samples() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[4, 3, 2, 2]));
        let (y, mask) = graph.dropout(x, "drop", 0.9, Dropped::Samples).expect("fits");
        assert_eq!(graph.shape(y), [4, 3, 2, 2]);
        assert_eq!(mask.expect("a mask").shape, [4, 1, 1, 1]);
        let (same, mask) = graph.dropout(x, "none", 1.0, Dropped::Elements).expect("fits");
        assert_eq!((same, mask), (x, None));
    }
}
