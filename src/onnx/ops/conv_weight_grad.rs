//! Gradient of a convolution by its weights.

use super::conv::Conv;
use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Keep, Lowering, MICROSOFT, Operator, Provider,
    TensorType, Value,
};

/// `dw[m, c, u, v] = Σ_{n, i, j} d[n, m, i, j] · x[n, g·C/G + c, i·s − p + u·l, j·s − p + v·l]`,
/// letters as in [`Conv`].
///
/// # Shapes
/// `x: [N, C, H, W]`, `d: [N, M, Ho, Wo]`, `dw: [M, C/G, k, k']`.
///
/// No gradient: labelvet does not differentiate twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvWeightGrad {
    /// The convolution.
    pub conv: Conv,
    /// Extents of its kernel, `[k, k']`.
    pub kernel: [usize; 2],
}

impl Operator for ConvWeightGrad {
    const NAME: &'static str = "ConvWeightGrad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x, d] = inputs else { return Err("takes two inputs".to_owned()) };
        if x.rank() != 4 || d.rank() != 4 || x.shape[0] != d.shape[0] {
            return Err("input and gradient need four axes and one batch".to_owned());
        }
        let [k, k2] = self.kernel;
        let weights = d.with_shape(&[d.shape[1], x.shape[1] / self.conv.groups.max(1), k, k2]);
        self.conv.check(x.shape[1], &weights)?;
        let size = self.conv.output_size([x.shape[2], x.shape[3]], self.kernel);
        if size != Some([d.shape[2], d.shape[3]]) {
            return Err("the gradient does not have the extents of the result".to_owned());
        }
        Ok(vec![weights])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        fn pointwise(op: &ConvWeightGrad, _: &[&TensorType]) -> bool {
            op.conv.is_pointwise(op.kernel)
        }
        fn depthwise(op: &ConvWeightGrad, inputs: &[&TensorType]) -> bool {
            inputs[0].shape[1] == op.conv.groups
                && inputs[1].shape[1] == op.conv.groups
                && op.conv.groups > 1
        }
        fn small_kernel(op: &ConvWeightGrad, inputs: &[&TensorType]) -> bool {
            depthwise(op, inputs) && op.conv.strides == [1, 1] && op.kernel == [3, 3]
        }
        fn plain(op: &ConvWeightGrad, _: &[&TensorType]) -> bool {
            op.conv.groups == 1 && op.conv.dilations == [1, 1]
        }
        &[
            Lowering {
                name: "labelvet",
                providers: &[Provider::Cpu],
                applies: depthwise,
                emit: |op, emit, args| {
                    let output = op.output(emit, args);
                    let mut attributes = op.conv.custom_attributes();
                    let kernel = op.kernel.iter().map(|&extent| extent as i64).collect();
                    attributes.push(("kernel_shape", Attribute::Ints(kernel)));
                    emit.custom("DepthwiseConvWeightGrad", args, vec![output], attributes)
                },
            },
            Lowering {
                name: "product",
                providers: Provider::ALL,
                applies: pointwise,
                emit: |op, emit, args| vec![product(op, emit, args)],
            },
            Lowering {
                name: "slices",
                providers: &[Provider::Cpu],
                applies: small_kernel,
                emit: |op, emit, args| vec![slices(op, emit, args)],
            },
            Lowering {
                name: "rows",
                providers: &[Provider::Cuda],
                applies: |op, inputs| depthwise(op, inputs) && op.conv.dilations == [1, 1],
                emit: |op, emit, args| vec![rows(op, emit, args)],
            },
            Lowering {
                name: "unfold",
                providers: &[Provider::Cuda],
                applies: plain,
                emit: |op, emit, args| vec![unfold(op, emit, args)],
            },
            Lowering {
                name: "conv",
                providers: Provider::ALL,
                applies: crate::onnx::always,
                emit: |op, emit, args| vec![correlation(op, emit, args)],
            },
        ]
    }
}

impl ConvWeightGrad {
    fn output(&self, emit: &Emit, args: &[Arg]) -> TensorType {
        let types = [emit.tensor(args[0]), emit.tensor(args[1])];
        self.output_types(&types).expect("a checked node")[0].clone()
    }
}

/// 1×1, stride 1: `dw = Σ_n d[n]: [M, HW] · x[n]ᵀ: [HW, C]`.
fn product(op: &ConvWeightGrad, emit: &mut Emit, args: &[Arg]) -> Arg {
    let shape = op.output(emit, args).shape;
    let (x, d) = (emit.shape(args[0]).to_vec(), emit.shape(args[1]).to_vec());
    let places = x[2] * x[3];
    let images = emit.reshape(args[0], &[x[0], x[1], places]);
    let images = emit.transpose(images, &[0, 2, 1]);
    let gradient = emit.reshape(args[1], &[d[0], d[1], places]);
    let products = emit.matmul(gradient, images);
    let sum = emit.reduce_sum(products, &[0], Keep::No);
    emit.reshape(sum, &shape)
}

/// Depthwise, few taps: for each tap the images shifted by it, times the gradient, summed.
fn slices(op: &ConvWeightGrad, emit: &mut Emit, args: &[Arg]) -> Arg {
    let shape = op.output(emit, args).shape;
    let size = [emit.shape(args[1])[2], emit.shape(args[1])[3]];
    let padded = padded(op, emit, args[0], size);
    let mut sums = Vec::new();
    for u in 0..op.kernel[0] {
        let down = tap(op, emit, padded, 0, u, size[0]);
        for v in 0..op.kernel[1] {
            let shifted = tap(op, emit, down, 1, v, size[1]);
            let product = emit.mul(shifted, args[1]);
            let sum = emit.sum_to_channels(product);
            sums.push(emit.reshape(sum, &[shape[0], 1]));
        }
    }
    let sums = emit.concat(&sums, 1);
    emit.reshape(sums, &shape)
}

/// Any: images and gradient exchange batch and channels, so that a convolution of the images
/// with the gradient as kernel, dilated by the stride, sums over the batch.
fn correlation(op: &ConvWeightGrad, emit: &mut Emit, args: &[Arg]) -> Arg {
    let output = op.output(emit, args).shape;
    let conv = &op.conv;
    let groups = conv.groups;
    let (x, d) = (emit.shape(args[0]).to_vec(), emit.shape(args[1]).to_vec());
    let per_group = x[1] / groups;

    let mut images = emit.reshape(args[0], &[x[0], groups, per_group, x[2], x[3]]);
    images = emit.transpose(images, &[2, 1, 0, 3, 4]);
    images = emit.reshape(images, &[per_group, groups * x[0], x[2], x[3]]);
    let gradient = emit.transpose(args[1], &[1, 0, 2, 3]);

    // The kernel of this convolution reaches s(Ho − 1) + 1, its taps lie l apart.
    let mut pads = [0; 4];
    for axis in 0..2 {
        let reach = (d[axis + 2] - 1) * conv.strides[axis] + 1;
        let needed = (op.kernel[axis] - 1) * conv.dilations[axis] + reach;
        pads[axis] = conv.pads[axis];
        // What a stride does not reach at the end of the images is cut off, for else there
        // would be further taps.
        let keep = needed.saturating_sub(pads[axis]).min(x[axis + 2]);
        images = emit.slice(images, axis + 2, 0, keep, 1);
        pads[axis + 2] = needed - pads[axis] - keep;
    }
    let turned = Conv { strides: conv.dilations, pads, dilations: conv.strides, groups };
    let taps = turned.emit(emit, images, gradient);
    let taps = emit.transpose(taps, &[1, 0, 2, 3]);
    emit.reshape(taps, &output)
}

/// Dense: patches of the images, unfolded along both axes, as a matrix. The long sum over
/// places is split by rows of the result, so that a GPU has them to do in parallel.
fn unfold(op: &ConvWeightGrad, emit: &mut Emit, args: &[Arg]) -> Arg {
    /// Up to this height of the result, the batch alone gives enough parallel work.
    const SMALL: usize = 16;
    let output = op.output(emit, args).shape;
    let d = emit.shape(args[1]).to_vec();
    let channels = emit.shape(args[0])[1];
    let padded = padded(op, emit, args[0], [d[2], d[3]]);
    let down = unfolded(emit, padded, 2, op.kernel[0], op.conv.strides[0]);
    let both = unfolded(emit, down, 3, op.kernel[1], op.conv.strides[1]);
    // [N, C, Ho, Wo, k, k'] → [N, Ho, Wo, C, k, k']
    let columns = emit.transpose(both, &[0, 2, 3, 1, 4, 5]);
    let taps = channels * op.kernel[0] * op.kernel[1];
    let products = if d[2] <= SMALL {
        let columns = emit.reshape(columns, &[d[0], d[2] * d[3], taps]);
        let gradient = emit.reshape(args[1], &[d[0], d[1], d[2] * d[3]]);
        emit.matmul(gradient, columns)
    } else {
        let columns = emit.reshape(columns, &[d[0] * d[2], d[3], taps]);
        let gradient = emit.transpose(args[1], &[0, 2, 1, 3]);
        let gradient = emit.reshape(gradient, &[d[0] * d[2], d[1], d[3]]);
        emit.matmul(gradient, columns)
    };
    let sum = emit.reduce_sum(products, &[0], Keep::No);
    emit.reshape(sum, &output)
}

/// Depthwise, by products of rows: `G[c] = d[c]ᵀ: [Wo, N·Ho] · rows of x: [N·Ho, Wp·k]` holds
/// for each column j of the gradient its product with each column q of the images; the tap v
/// is the sum over j of the places q = j·s + v. Adding j·s zeros in front of row j moves these
/// under each other, which padding and another shape do without a copy for each row.
fn rows(op: &ConvWeightGrad, emit: &mut Emit, args: &[Arg]) -> Arg {
    let output = op.output(emit, args).shape;
    let d = emit.shape(args[1]).to_vec();
    let ([n, c, rows, columns], [k, k2]) = ([d[0], d[1], d[2], d[3]], op.kernel);
    let stride = op.conv.strides[1];
    let padded = padded(op, emit, args[0], [rows, columns]);
    let width = emit.shape(padded)[3];
    let images = emit.transpose(padded, &[1, 0, 2, 3]);
    // [C, N, Ho, Wp, k]
    let images = unfolded(emit, images, 2, k, op.conv.strides[0]);
    let images = emit.reshape(images, &[c, n * rows, width * k]);
    let gradient = emit.transpose(args[1], &[1, 3, 0, 2]);
    let gradient = emit.reshape(gradient, &[c, columns, n * rows]);
    let products = emit.matmul(gradient, images);

    let row = width * k;
    let shift = stride * k;
    let flat = emit.reshape(products, &[c, columns * row]);
    // Rows that are longer by `shift` start each one later by that much in the flat order.
    let longer = emit.pad(flat, &[0, 0], &[0, columns * shift]);
    let longer = emit.reshape(longer, &[c, columns, row + shift]);
    let sums = emit.reduce_sum(longer, &[1], Keep::No);
    let taps = emit.slice(sums, 1, 0, k2 * k, 1);
    let taps = emit.reshape(taps, &[c, k2, k]);
    let taps = emit.transpose(taps, &[0, 2, 1]);
    emit.reshape(taps, &output)
}

/// Pads the images, and cuts off what no tap reaches.
fn padded(op: &ConvWeightGrad, emit: &mut Emit, x: Arg, size: [usize; 2]) -> Arg {
    let pads = op.conv.pads;
    let padded = emit.pad(x, &[0, 0, pads[0], pads[1]], &[0, 0, pads[2], pads[3]]);
    let reach = op.conv.reach(op.kernel);
    let needed = [0, 1].map(|axis| (size[axis] - 1) * op.conv.strides[axis] + reach[axis]);
    let cut = emit.slice(padded, 2, 0, needed[0], 1);
    emit.slice(cut, 3, 0, needed[1], 1)
}

/// Takes the places of the padded images that one tap sees along one axis.
fn tap(op: &ConvWeightGrad, emit: &mut Emit, x: Arg, axis: usize, tap: usize, n: usize) -> Arg {
    let start = tap * op.conv.dilations[axis];
    let stride = op.conv.strides[axis];
    emit.slice(x, axis + 2, start, start + (n - 1) * stride + 1, stride)
}

/// Adds ONNX Runtime's `UnfoldTensor`: windows along `axis`, whose places become a last axis.
fn unfolded(emit: &mut Emit, x: Arg, axis: usize, size: usize, step: usize) -> Arg {
    let mut tensor = emit.tensor(x).clone();
    tensor.shape[axis] = (tensor.shape[axis] - size) / step + 1;
    tensor.shape.push(size);
    let attributes = vec![
        ("dim", Attribute::Int(axis as i64)),
        ("size", Attribute::Int(size as i64)),
        ("step", Attribute::Int(step as i64)),
    ];
    emit.node(MICROSOFT, "UnfoldTensor", &[Some(x)], vec![tensor], attributes)[0]
}

impl Graph {
    /// Adds the gradient of a convolution of `x` by its weights, given the gradient `d` by its
    /// result.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the shapes do not fit.
    pub fn conv_weight_grad(
        &mut self,
        x: Value,
        d: Value,
        conv: &Conv,
        kernel: [usize; 2],
    ) -> Result<Value, GraphError> {
        self.apply(ConvWeightGrad { conv: conv.clone(), kernel }, &[x, d])
    }
}

#[cfg(test)]
mod tests {
    use crate::onnx::ops::conv::tests::{cases, from_case};
    use crate::train::check;

    #[test]
    fn every_lowering_gives_the_same() {
        for (x, w, conv) in cases() {
            let size = conv.output_size([x[2], x[3]], [w[2], w[3]]).expect("a case that fits");
            check::lowerings(&[&x, &[x[0], w[0], size[0], size[1]]], |graph, args| {
                graph.conv_weight_grad(args[0], args[1], &conv, [w[2], w[3]])
            });
        }
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/conv_weight_grad.json");
        check::reference(cases, |graph, case, x| {
            Ok(vec![graph.conv_weight_grad(x[0], x[1], &from_case(case), case.list("kernel"))?])
        });
    }
}
