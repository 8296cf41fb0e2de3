//! Transposed convolution, which is also the gradient of a convolution by its input.

use super::conv::{Conv, is_depthwise};
use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value,
    always,
};

/// The transpose of the linear map that [`Conv`] with weights `w` is: each input is spread with
/// the kernel over the place that it would have been computed from.
///
/// # Shapes
/// `d: [N, M, Ho, Wo]`, `w: [M, C/G, k, k']`, result `[N, C, H, W]`, where a convolution of
/// `[H, W]` gives `[Ho, Wo]`. Several `H` do: it is stated.
///
/// # Gradient
/// By `d` the convolution; by `w` the weight gradient with the roles of input and gradient
/// exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvTranspose {
    /// The convolution that is transposed.
    pub conv: Conv,
    /// Extents `[H, W]` of the result.
    pub size: [usize; 2],
}

impl Operator for ConvTranspose {
    const NAME: &'static str = "ConvTranspose";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [d, w] = inputs else { return Err("takes two inputs".to_owned()) };
        if d.rank() != 4 || w.rank() != 4 {
            return Err("input and weights need four axes".to_owned());
        }
        let channels = w.shape[1] * self.conv.groups;
        self.conv.check(channels, w)?;
        let size = self.conv.output_size(self.size, [w.shape[2], w.shape[3]]);
        if d.shape[1] != w.shape[0] || size != Some([d.shape[2], d.shape[3]]) {
            return Err(format!("{:?} does not become {:?}", d.shape, self.size));
        }
        Ok(vec![d.with_shape(&[d.shape[0], channels, self.size[0], self.size[1]])])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let (x, w) = (step.inputs[0], step.inputs[1]);
        let mut gradients = vec![None, None];
        if step.wanted[1] {
            let kernel = [graph.shape(w)[2], graph.shape(w)[3]];
            gradients[1] = Some(graph.conv_weight_grad(step.d(), x, &self.conv, kernel)?);
        }
        if step.wanted[0] {
            gradients[0] = Some(graph.conv(step.d(), w, &self.conv)?);
        }
        Ok(gradients)
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: |op, inputs| is_depthwise(op.conv.groups, inputs[1]),
                emit: |op, emit, args| {
                    let types = [emit.tensor(args[0]), emit.tensor(args[1])];
                    let output = op.output_types(&types).expect("a checked node");
                    let mut attributes = op.conv.custom_attributes();
                    let size = op.size.iter().map(|&extent| extent as i64).collect();
                    attributes.push(("size", Attribute::Ints(size)));
                    emit.custom("DepthwiseConvTranspose", args, output, attributes)
                },
            },
            // A product of channels is one either way; the runtime multiplies fastest in Conv.
            Lowering {
                name: "pointwise",
                providers: &[Provider::Cpu],
                applies: |op, inputs| {
                    op.conv.is_pointwise([inputs[1].shape[2], inputs[1].shape[3]])
                },
                emit: |_, emit, args| {
                    let turned = emit.transpose(args[1], &[1, 0, 2, 3]);
                    vec![Conv::default().emit(emit, args[0], turned)]
                },
            },
            Lowering {
                name: "flipped",
                providers: &[Provider::Cpu],
                applies: |op, inputs| {
                    op.conv.strides == [1, 1] && is_depthwise(op.conv.groups, inputs[1])
                },
                emit: |op, emit, args| vec![flipped(op, emit, args[0], args[1])],
            },
            Lowering {
                name: "conv_transpose",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| vec![general(op, emit, args[0], args[1])],
            },
        ]
    }
}

/// Writes the depthwise case of stride 1 as a convolution with the kernel turned by 180°, which
/// is padded by what the kernel reaches beyond its own padding.
fn flipped(op: &ConvTranspose, emit: &mut Emit, d: Arg, w: Arg) -> Arg {
    let shape = emit.shape(w).to_vec();
    let taps = shape[2] * shape[3];
    let flat = emit.reshape(w, &[shape[0], taps]);
    let [start, end, axis, step] =
        [-1, -(taps as i64) - 1, 1, -1].map(|number| emit.integers(&[number]));
    let turned = emit.op("Slice", &[flat, start, end, axis, step], &[shape[0], taps], vec![]);
    let turned = emit.reshape(turned, &shape);

    let reach = op.conv.reach([shape[2], shape[3]]);
    let pads = op.conv.pads;
    let wanted: Vec<isize> = (0..4).map(|i| reach[i % 2] as isize - 1 - pads[i] as isize).collect();
    let pads = [0, 1, 2, 3].map(|i| wanted[i].max(0) as usize);
    let conv = Conv { pads, ..op.conv.clone() };
    let mut y = conv.emit(emit, d, turned);
    // Padding beyond the kernel's reach made outputs of zeros only, which have no place in x.
    for (axis, wanted) in wanted.iter().take(2).enumerate() {
        let skip = (-wanted).max(0) as usize;
        y = emit.slice(y, axis + 2, skip, skip + op.size[axis], 1);
    }
    y
}

/// Writes ONNX's `ConvTranspose`. CUDA takes only the same padding before and after, so what
/// lies beyond is cut off there.
fn general(op: &ConvTranspose, emit: &mut Emit, d: Arg, w: Arg) -> Arg {
    let (shape, weights) = (emit.shape(d).to_vec(), emit.shape(w).to_vec());
    let kernel = [weights[2], weights[3]];
    let reach = op.conv.reach(kernel);
    let mut pads = [0; 4];
    let mut extra = [0; 2];
    let mut skip = [0; 2];
    let mut size = [0; 2];
    for axis in 0..2 {
        let whole = (shape[axis + 2] - 1) * op.conv.strides[axis] + reach[axis];
        let (before, extent) = (op.conv.pads[axis], op.size[axis]);
        // Places behind the last one that the kernel reached.
        extra[axis] = (before + extent).saturating_sub(whole);
        let after = whole + extra[axis] - before - extent;
        let (first, last) = match emit.provider() {
            Provider::Cpu => (before, after),
            Provider::Cuda => (before.min(after), before.min(after)),
        };
        (pads[axis], pads[axis + 2]) = (first, last);
        skip[axis] = before - first;
        size[axis] = whole + extra[axis] - first - last;
    }
    let mut attributes = Conv { pads, ..op.conv.clone() }.attributes(kernel);
    let extra = extra.iter().map(|&count| count as i64).collect();
    attributes.push(("output_padding", Attribute::Ints(extra)));
    let channels = weights[1] * op.conv.groups;
    let whole = [shape[0], channels, size[0], size[1]];
    let mut y = emit.heavy("ConvTranspose", &[d, w], &whole, attributes);
    for (axis, (skip, extent)) in skip.into_iter().zip(op.size).enumerate() {
        y = emit.slice(y, axis + 2, skip, skip + extent, 1);
    }
    y
}

impl Graph {
    /// Adds the transpose of a convolution: `d: [N, M, Ho, Wo]` with `w: [M, C/G, k, k']` gives
    /// `[N, C, size]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the convolution of `size` would not give `d`'s extents.
    pub fn conv_transpose(
        &mut self,
        d: Value,
        w: Value,
        conv: &Conv,
        size: [usize; 2],
    ) -> Result<Value, GraphError> {
        self.apply(ConvTranspose { conv: conv.clone(), size }, &[d, w])
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::ops::conv::tests::{cases, from_case};
    use crate::train::check;

    #[test]
    fn gradient() {
        for (x, w, conv) in cases() {
            let size = conv.output_size([x[2], x[3]], [w[2], w[3]]).expect("a case that fits");
            check::gradient(&[&[x[0], w[0], size[0], size[1]], &w], |graph, args| {
                graph.conv_transpose(args[0], args[1], &conv, [x[2], x[3]])
            });
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/conv_transpose.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.conv_transpose(x[0], x[1], &from_case(case), case.list("size"))?])
        });
    }
}
