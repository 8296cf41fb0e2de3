//! Batch normalisation with known statistics, multiplied into the convolution before it.

/// A batch normalisation's parameters and running statistics, each `[C]`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// `γ`.
    pub scale: &'a [f32],
    /// `β`.
    pub offset: &'a [f32],
    /// Running mean `μ`.
    pub mean: &'a [f32],
    /// Running variance `v`.
    pub variance: &'a [f32],
    /// `ε`, added to the variance.
    pub epsilon: f32,
}

/// A convolution that gives what the convolution and its batch normalisation gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// Weights, in the order of the convolution's own.
    pub weights: Vec<f32>,
    /// What is added to each channel, `[C]`.
    pub bias: Vec<f32>,
}

/// Multiplies a batch normalisation into the weights of the convolution before it:
/// `w′ = w·γ/√(v + ε)`, `b′ = β − μ·γ/√(v + ε)`, computed in 64 bits.
///
/// # Shapes
/// `weights`: `[…, C, …]`, with `inner` elements below the axis of `C`: `C/G·k·k` of a
/// convolution `[C, C/G, k, k]`, `k·k` of a transposed one `[M, C, k, k]`.
pub fn fold(weights: &[f32], inner: usize, norm: &BatchNorm) -> Folded {
    let channels = norm.scale.len();
    let gains: Vec<f64> = norm
        .scale
        .iter()
        .zip(norm.variance)
        .map(|(&scale, &v)| f64::from(scale) / (f64::from(v) + f64::from(norm.epsilon)).sqrt())
        .collect();
    let weights = weights
        .iter()
        .enumerate()
        .map(|(index, &w)| (f64::from(w) * gains[index / inner % channels]) as f32)
        .collect();
    let bias = (0..channels)
        .map(|c| (f64::from(norm.offset[c]) - f64::from(norm.mean[c]) * gains[c]) as f32)
        .collect();
    Folded { weights, bias }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_convolution_gives_the_normalised_values() {
        let norm = BatchNorm {
            scale: &[2.0, -1.0],
            offset: &[0.5, 0.25],
            mean: &[3.0, -2.0],
            variance: &[3.75, 0.0],
            epsilon: 0.25,
        };
        // γ/√(v + ε) is 1 and −2.
        let folded = fold(&[1.0, 2.0, 3.0, 4.0], 2, &norm);
        assert_eq!(folded.weights, [1.0, 2.0, -6.0, -8.0]);
        assert_eq!(folded.bias, [-2.5, -3.75]);
        assert_eq!(fold(&[1.0, 2.0, 3.0, 4.0], 1, &norm).weights, [1.0, -4.0, 3.0, -8.0]);
    }
}
