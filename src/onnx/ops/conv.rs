//! Convolution: dense, strided, dilated, grouped, depthwise, 1×1.

use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value,
    always,
};

/// Convolution (correlation) of images.
///
/// `y[n, m, i, j] = Σ_{c, u, v} w[m, c, u, v] · x[n, g·C/G + c, i·s − p + u·l, j·s − p + v·l]`
/// with `g` the group of `m`, stride `s`, padding `p` before and dilation `l`.
///
/// # Shapes
/// `x: [N, C, H, W]`, `w: [M, C/G, k, k']`, `y: [N, M, Ho, Wo]`,
/// `Ho = ⌊(H + p + p' − l(k−1) − 1)/s⌋ + 1`.
///
/// # Gradient
/// By `x` the transposed convolution of `d` ([`super::ConvTranspose`]); by `w` the correlation
/// of `x` with `d` ([`super::ConvWeightGrad`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// Distance of neighbouring outputs in the input, down and across.
    pub strides: [usize; 2],
    /// Zeros around the input: top, left, bottom, right.
    pub pads: [usize; 4],
    /// Distance of neighbouring kernel taps in the input, down and across.
    pub dilations: [usize; 2],
    /// Number of groups; `C` groups of one channel are a depthwise convolution.
    pub groups: usize,
}

impl Default for Conv {
    fn default() -> Self {
        Conv { strides: [1, 1], pads: [0; 4], dilations: [1, 1], groups: 1 }
    }
}

impl Conv {
    /// Returns the extents of the result for an input of `[H, W]` and a kernel of `[k, k']`;
    /// `None` where the kernel does not fit into the padded input.
    pub fn output_size(&self, input: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let padded = input[axis] + self.pads[axis] + self.pads[axis + 2];
            Some(padded.checked_sub(self.reach(kernel)[axis])? / self.strides[axis] + 1)
        };
        Some([along(0)?, along(1)?])
    }

    /// Returns the extents that a kernel covers in the input, `l(k−1) + 1`.
    pub(super) fn reach(&self, kernel: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| self.dilations[axis] * (kernel[axis] - 1) + 1)
    }

    /// Says whether this is a product of channels at each place: 1×1, stride 1, no padding.
    pub(super) fn is_pointwise(&self, kernel: [usize; 2]) -> bool {
        kernel == [1, 1] && self.strides == [1, 1] && self.pads == [0; 4] && self.groups == 1
    }

    /// Checks the attributes, and the weights against `channels` of the input.
    pub(super) fn check(&self, channels: usize, weights: &TensorType) -> Result<(), String> {
        let positive = self.strides.iter().chain(&self.dilations).all(|&number| number > 0);
        if !positive || self.groups == 0 {
            return Err("strides, dilations and groups start at 1".to_owned());
        }
        if weights.rank() != 4 || weights.shape.contains(&0) {
            return Err("weights need four axes".to_owned());
        }
        if !weights.shape[0].is_multiple_of(self.groups)
            || weights.shape[1] * self.groups != channels
        {
            return Err(format!("{} groups do not fit the channels", self.groups));
        }
        Ok(())
    }

    /// Returns the attributes that ONNX's `Conv` and `ConvTranspose` share.
    pub(super) fn attributes(&self, kernel: [usize; 2]) -> Vec<(&'static str, Attribute)> {
        let ints = |numbers: &[usize]| Attribute::Ints(numbers.iter().map(|&n| n as i64).collect());
        vec![
            ("dilations", ints(&self.dilations)),
            ("group", Attribute::Int(self.groups as i64)),
            ("kernel_shape", ints(&kernel)),
            ("pads", ints(&self.pads)),
            ("strides", ints(&self.strides)),
        ]
    }

    /// Writes ONNX's `Conv`.
    pub(super) fn emit(&self, emit: &mut Emit, x: Arg, w: Arg) -> Arg {
        let (images, weights) = (emit.shape(x), emit.shape(w));
        let kernel = [weights[2], weights[3]];
        let size = self.output_size([images[2], images[3]], kernel).expect("a checked node");
        let shape = [images[0], weights[0], size[0], size[1]];
        emit.heavy("Conv", &[x, w], &shape, self.attributes(kernel))
    }
}

impl Operator for Conv {
    const NAME: &'static str = "Conv";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, w] = inputs else { return Err("takes two inputs".to_owned()) };
        if x.rank() != 4 {
            return Err("images need four axes".to_owned());
        }
        self.check(x.shape[1], w)?;
        let size = self
            .output_size([x.shape[2], x.shape[3]], [w.shape[2], w.shape[3]])
            .ok_or("the kernel is larger than the padded image")?;
        Ok(vec![x.with_shape(&[x.shape[0], w.shape[0], size[0], size[1]])])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let (x, w) = (step.inputs[0], step.inputs[1]);
        let size = |shape: &[usize]| [shape[2], shape[3]];
        let mut gradients = vec![None, None];
        // The weights first: their gradient is the last use of x, whose memory is then free.
        if step.wanted[1] {
            let kernel = size(graph.shape(w));
            gradients[1] = Some(graph.conv_weight_grad(x, step.d(), self, kernel)?);
        }
        if step.wanted[0] {
            let input = size(graph.shape(x));
            gradients[0] = Some(graph.conv_transpose(step.d(), w, self, input)?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: |op, inputs| is_depthwise(op.groups, inputs[1]),
                emit: |op, emit, args| {
                    let (x, w) = (args[0], args[1]);
                    let types = [emit.tensor(x), emit.tensor(w)];
                    let output = op.output_types(&types).expect("a checked node");
                    let attributes = op.custom_attributes();
                    emit.custom("DepthwiseConv", &[x, w], output, attributes)
                },
            },
            Lowering {
                name: "conv",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| vec![op.emit(emit, args[0], args[1])],
            },
        ]
    }
}

/// Says whether weights of this type in that many groups are of a depthwise convolution with
/// one output for each channel.
pub(super) fn is_depthwise(groups: usize, weights: &TensorType) -> bool {
    groups > 1 && weights.shape[1] == 1 && weights.shape[0] == groups
}

impl Conv {
    /// Returns the attributes of labelvet's depthwise operators.
    pub(super) fn custom_attributes(&self) -> Vec<(&'static str, Attribute)> {
        let ints = |numbers: &[usize]| Attribute::Ints(numbers.iter().map(|&n| n as i64).collect());
        vec![
            ("dilations", ints(&self.dilations)),
            ("pads", ints(&self.pads)),
            ("strides", ints(&self.strides)),
        ]
    }
}

impl Graph {
    /// Adds a convolution of `x: [N, C, H, W]` with `w: [M, C/G, k, k']`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when shapes or attributes do not fit.
    pub fn conv(&mut self, x: Value, w: Value, conv: &Conv) -> Result<Value, GraphError> {
        self.apply(conv.clone(), &[x, w])
    }
}

#[cfg(test)]
pub(in crate::onnx::ops) mod tests {
    use super::*;
    use crate::train::check;

    /// Shapes of images and weights, and attributes, that differ in what lowerings look at.
    pub(in crate::onnx::ops) fn cases() -> Vec<([usize; 4], [usize; 4], Conv)> {
        let conv = |stride: usize, pads: [usize; 4], dilation: usize, groups: usize| Conv {
            strides: [stride; 2],
            pads,
            dilations: [dilation; 2],
            groups,
        };
        vec![
            ([2, 3, 5, 6], [4, 3, 1, 1], conv(1, [0; 4], 1, 1)),
            ([2, 3, 5, 6], [4, 3, 1, 1], conv(2, [0; 4], 1, 1)),
            ([2, 3, 6, 7], [4, 3, 3, 3], conv(1, [1; 4], 1, 1)),
            ([2, 3, 8, 8], [4, 3, 3, 3], conv(2, [0, 0, 1, 1], 1, 1)),
            ([2, 3, 9, 7], [4, 3, 5, 3], conv(2, [1, 2, 2, 1], 1, 1)),
            ([1, 2, 9, 9], [2, 2, 3, 3], conv(1, [2; 4], 2, 1)),
            ([2, 4, 6, 6], [6, 2, 3, 3], conv(1, [1; 4], 1, 2)),
            ([2, 3, 7, 7], [6, 1, 3, 3], conv(1, [1; 4], 1, 3)),
            ([2, 4, 7, 6], [4, 1, 3, 3], conv(1, [1; 4], 1, 4)),
            ([2, 4, 8, 8], [4, 1, 3, 3], conv(2, [0, 0, 1, 1], 1, 4)),
            ([2, 4, 8, 8], [4, 1, 5, 5], conv(2, [1, 1, 2, 2], 1, 4)),
            ([2, 4, 8, 7], [4, 1, 5, 5], conv(1, [2; 4], 1, 4)),
            ([2, 4, 9, 9], [4, 1, 3, 3], conv(1, [2; 4], 2, 4)),
            ([1, 4, 4, 4], [4, 1, 7, 7], conv(1, [3; 4], 1, 4)),
        ]
    }

    /// Reads the attributes of a case of references.
    pub(in crate::onnx::ops) fn from_case(case: &check::Case) -> Conv {
        Conv {
            strides: case.list("strides"),
            pads: case.list("pads"),
            dilations: case.list("dilations"),
            groups: case.whole("groups"),
        }
    }

    #[test]
    fn gradient() {
        for (x, w, conv) in cases() {
            check::gradient(&[&x, &w], |graph, args| graph.conv(args[0], args[1], &conv));
        }
    }

    #[test]
    fn a_kernel_larger_than_the_image_is_an_error() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[1, 1, 2, 2]));
        let w = graph.input("w", TensorType::f32(&[1, 1, 3, 3]));
        assert!(graph.conv(x, w, &Conv::default()).is_err());
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/conv.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.conv(x[0], x[1], &from_case(case))?])
        });
    }
}
