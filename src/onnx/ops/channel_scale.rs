//! Product of images with a factor for each channel: the last part of squeeze-and-excitation.

use crate::onnx::{
    Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value, always,
};

/// `y[n, c, i, j] = x[n, c, i, j] · g[n, c]`.
///
/// # Shapes
/// `x, y: [N, C, H, W]`, `g: [N, C, 1, 1]`.
///
/// # Gradient
/// [`ChannelScaleGrad`].
///
/// # Source
/// Hu et al. (2018), "Squeeze-and-Excitation Networks", arXiv:1709.01507, equation 4.
#[derive(Clone, Debug)]
pub struct ChannelScale;

impl Operator for ChannelScale {
    const NAME: &'static str = "ChannelScale";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [x, g] if x.rank() == 4 && **g == x.with_shape(&[x.shape[0], x.shape[1], 1, 1]) => {
                Ok(vec![(*x).clone()])
            }
            _ => Err("takes images and a factor for each channel of each image".to_owned()),
        }
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let inputs = [step.d(), step.inputs[0], step.inputs[1]];
        Ok(graph.add_node(ChannelScaleGrad, &inputs)?.into_iter().map(Some).collect())
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "mul",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| vec![emit.mul(args[0], args[1])],
        }]
    }
}

/// Gradient of [`ChannelScale`]: inputs `d, x, g`, outputs `dx = d·g`, `dg = Σ d·x` over places.
///
/// No gradient: labelvet does not differentiate twice.
#[derive(Clone, Debug)]
pub struct ChannelScaleGrad;

impl Operator for ChannelScaleGrad {
    const NAME: &'static str = "ChannelScaleGrad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        match inputs {
            [d, x, g] if d == x => Ok(vec![(*x).clone(), (*g).clone()]),
            _ => Err("takes gradient and images of one type, and factors".to_owned()),
        }
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "primitives",
            providers: Provider::ALL,
            applies: always,
            emit: |_, emit, args| {
                let by_images = emit.mul(args[0], args[2]);
                let sums = emit.dot_places(args[0], args[1]);
                let shape = emit.shape(args[2]).to_vec();
                vec![by_images, emit.reshape(sums, &shape)]
            },
        }]
    }
}

impl Graph {
    /// Adds the product of `x: [N, C, H, W]` with `g: [N, C, 1, 1]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn channel_scale(&mut self, x: Value, g: Value) -> Result<Value, GraphError> {
        self.apply(ChannelScale, &[x, g])
    }
}

#[cfg(test)]
mod tests {
    use crate::train::check;

    #[test]
    fn gradient() {
        check::gradient(&[&[2, 3, 4, 5], &[2, 3, 1, 1]], |graph, x| {
            graph.channel_scale(x[0], x[1])
        });
    }

    #[test]
    fn many_places() {
        check::gradient(&[&[2, 2, 48, 48], &[2, 2, 1, 1]], |graph, x| {
            graph.channel_scale(x[0], x[1])
        });
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/channel_scale.json");
        check::reference(cases, |graph, _, x| Ok(vec![graph.channel_scale(x[0], x[1])?]));
    }
}
