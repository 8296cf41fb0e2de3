//! What a model learns: names, shapes, kinds and first values of its parameters.
//!
//! Definitions of models declare parameters as they use them, so that this list and the graph
//! cannot differ. Nothing here knows of files: weights are read and written elsewhere.

use crate::onnx::{Shape, volume};
use crate::stats::random::SplitMix64;

/// A tensor that training changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// timm's name, such as `blocks.1.0.conv_pw.weight`.
    pub name: String,
    /// Extents, in PyTorch's order.
    pub shape: Shape,
    /// What it does in its layer.
    pub kind: Kind,
    /// What it holds before training.
    pub initialiser: Initialiser,
}

/// What a parameter does in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Weights of a convolution `[out, in/groups, k, k]`, or of a transposed one
    /// `[in, out, k, k]`.
    ConvWeight,
    /// Weights of a dense layer `[out, in]`.
    LinearWeight,
    /// What a convolution or dense layer adds, `[out]`.
    Bias,
    /// `γ` of a batch normalisation, `[C]`.
    NormScale,
    /// `β` of a batch normalisation, `[C]`.
    NormOffset,
}

impl Kind {
    /// Says whether weight decay applies by convention: to weights, not to what shifts or
    /// normalises.
    pub fn decays(self) -> bool {
        matches!(self, Kind::ConvWeight | Kind::LinearWeight)
    }
}

/// How the elements of a parameter are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialiser {
    /// From the normal distribution around 0 with this standard deviation.
    Normal(f32),
    /// Evenly between −bound and bound.
    Uniform(f32),
    /// All the same.
    Constant(f32),
}

impl Initialiser {
    /// Returns the normal distribution of variance `2/fan_out`, that keeps the size of
    /// gradients through layers with rectified units.
    ///
    /// # Source
    /// He et al. (2015), "Delving Deep into Rectifiers", arXiv:1502.01852, equation 14.
    pub fn kaiming_fan_out(fan_out: usize) -> Self {
        Initialiser::Normal((2.0 / fan_out as f64).sqrt() as f32)
    }

    /// Returns the uniform distribution of variance `2/(fan_in + fan_out)`.
    ///
    /// # Source
    /// Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward
    /// neural networks", equation 16.
    pub fn xavier(fan_in: usize, fan_out: usize) -> Self {
        Initialiser::Uniform((6.0 / (fan_in + fan_out) as f64).sqrt() as f32)
    }
}

impl Parameter {
    /// Returns the elements before training, row-major. They depend on the seed, the name and
    /// the initialiser only: adding a layer leaves the others as they are.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let count = volume(&self.shape);
        let mut random = SplitMix64::named(&self.name, seed);
        match self.initialiser {
            Initialiser::Constant(number) => vec![number; count],
            Initialiser::Uniform(bound) => (0..count)
                .map(|_| (f64::from(bound) * (2.0 * random.unit() - 1.0)) as f32)
                .collect(),
            Initialiser::Normal(deviation) => {
                (0..count).map(|_| (f64::from(deviation) * random.normal()) as f32).collect()
            }
        }
    }
}

/// A batch normalisation's running statistics: not learned, but part of the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStatistics {
    /// timm's name of the layer, such as `blocks.1.0.bn1`.
    pub layer: String,
    /// Number of channels `C`: mean and variance are `[C]`, 0 and 1 before training.
    pub channels: usize,
    /// `ε`, added to the variance.
    pub epsilon: f32,
}

impl RunningStatistics {
    /// Returns the name of the running mean.
    pub fn mean(&self) -> String {
        format!("{}.running_mean", self.layer)
    }

    /// Returns the name of the running variance.
    pub fn variance(&self) -> String {
        format!("{}.running_var", self.layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, initialiser: Initialiser) -> Parameter {
        let kind = Kind::ConvWeight;
        Parameter { name: name.to_owned(), shape: vec![100, 100], kind, initialiser }
    }

    #[test]
    fn first_values_have_the_stated_distribution() {
        let spread = |initialiser| {
            let drawn = parameter("a", initialiser).initial(3);
            let count = drawn.len() as f32;
            let mean = drawn.iter().sum::<f32>() / count;
            let square = drawn.iter().map(|x| x * x).sum::<f32>() / count;
            let fourth = drawn.iter().map(|x| x.powi(4)).sum::<f32>() / count;
            (mean, square.sqrt(), fourth / (square * square))
        };
        let near = |x: f32, y: f32| (x - y).abs() < 0.02 * y.abs().max(1.0);
        let (mean, deviation, kurtosis) = spread(Initialiser::Normal(0.5));
        assert!(near(mean, 0.0) && near(deviation, 0.5) && (kurtosis - 3.0).abs() < 0.2);
        let (mean, deviation, kurtosis) = spread(Initialiser::xavier(3, 3));
        assert!(near(mean, 0.0) && near(deviation, 3.0_f32.sqrt().recip()));
        assert!((kurtosis - 1.8).abs() < 0.1, "of a uniform distribution");
        assert_eq!(spread(Initialiser::Constant(1.0)).1, 1.0);
    }

    #[test]
    fn first_values_depend_on_name_and_seed_only() {
        let a = parameter("a", Initialiser::Normal(1.0));
        assert_eq!(a.initial(1), a.initial(1));
        assert_ne!(a.initial(1), a.initial(2));
        assert_ne!(a.initial(1), parameter("b", Initialiser::Normal(1.0)).initial(1));
    }
}
