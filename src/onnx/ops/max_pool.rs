//! Greatest element of each window.

use crate::onnx::{
    Arg, Attribute, DType, Emit, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType,
    Value, always,
};

/// Windows that move over images.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Extents, down and across.
    pub kernel: [usize; 2],
    /// Distance of neighbouring windows, down and across.
    pub strides: [usize; 2],
    /// Rows and columns around the images: top, left, bottom, right; each fewer than the
    /// window has.
    pub pads: [usize; 4],
}

impl Window {
    /// Returns the type of pooled images, or what does not fit.
    pub(super) fn pooled(&self, x: &TensorType) -> Result<TensorType, String> {
        if x.rank() != 4 {
            return Err("images need four axes".to_owned());
        }
        if self.strides.contains(&0) || (0..4).any(|i| self.pads[i] >= self.kernel[i % 2]) {
            return Err("strides start at 1, and pads are smaller than the window".to_owned());
        }
        let mut pooled = x.clone();
        for axis in 0..2 {
            let padded = x.shape[axis + 2] + self.pads[axis] + self.pads[axis + 2];
            let free = padded
                .checked_sub(self.kernel[axis])
                .ok_or("the window is larger than the padded image")?;
            pooled.shape[axis + 2] = free / self.strides[axis] + 1;
        }
        Ok(pooled)
    }

    /// Says whether as much lies before the images as after them.
    pub(super) fn is_symmetric(&self) -> bool {
        self.pads[..2] == self.pads[2..]
    }

    /// Returns the attributes of ONNX's pooling operators.
    pub(super) fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let ints = |numbers: &[usize]| Attribute::Ints(numbers.iter().map(|&n| n as i64).collect());
        vec![
            ("kernel_shape", ints(&self.kernel)),
            ("pads", ints(&self.pads)),
            ("strides", ints(&self.strides)),
        ]
    }
}

/// `y[n, c, i, j] = max x[n, c, i·s − p + u, j·s − p + v]` over the places of a window that lie
/// in the image.
///
/// # Shapes
/// `x: [N, C, H, W]`, `y: [N, C, Ho, Wo]` with `Ho = ⌊(H + p + p' − k)/s⌋ + 1`. The second
/// output has `y`'s shape: the place of each maximum in the flat order of `x`.
///
/// # Gradient
/// [`MaxPoolGrad`]: each `d` goes to the place of its maximum.
#[derive(Clone, Debug)]
pub struct MaxPool {
    /// The windows.
    pub window: Window,
}

impl Operator for MaxPool {
    const NAME: &'static str = "MaxPool";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        let y = self.window.pooled(x)?;
        let places = TensorType { dtype: DType::I64, shape: y.shape.clone() };
        Ok(vec![y, places])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let size = [2, 3].map(|axis| graph.shape(step.inputs[0])[axis]);
        let operator = MaxPoolGrad { window: self.window.clone(), size };
        Ok(vec![Some(graph.apply(operator, &[step.d(), step.outputs[1]])?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "max_pool",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| {
                let types = op.output_types(&[emit.tensor(args[0])]).expect("a checked node");
                emit.node("", "MaxPool", &[Some(args[0])], types, op.window.attributes())
            },
        }]
    }
}

/// Gradient of [`MaxPool`]: inputs `d` and the places of the maxima, output `dx`.
///
/// No gradient: labelvet does not differentiate twice.
#[derive(Clone, Debug)]
pub struct MaxPoolGrad {
    /// The windows.
    pub window: Window,
    /// Extents `[H, W]` of the images.
    pub size: [usize; 2],
}

impl Operator for MaxPoolGrad {
    const NAME: &'static str = "MaxPoolGrad";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [d, places] = inputs else { return Err("takes two inputs".to_owned()) };
        if d.rank() != 4 || d.shape != places.shape || places.dtype != DType::I64 {
            return Err("takes a gradient of four axes and as many places".to_owned());
        }
        let x = d.with_shape(&[d.shape[0], d.shape[1], self.size[0], self.size[1]]);
        if self.window.pooled(&x)? != **d {
            return Err(format!("the gradient is not of images of {:?}", self.size));
        }
        Ok(vec![x])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[Lowering {
            name: "scatter",
            providers: Provider::ALL,
            applies: always,
            emit: |op, emit, args| vec![scatter(op, emit, args[0], args[1])],
        }]
    }
}

/// Writes the elements of `d` to the places of their maxima.
///
/// Windows that overlap may share a place, and adding while scattering is of operator set 16.
/// But windows with the same remainder of their index by `⌈k/s⌉` along both axes do not
/// overlap. So these sets of windows are scattered one after the other, each added to what
/// lies at its places: in a fixed order, hence with the same sums on every run.
fn scatter(op: &MaxPoolGrad, emit: &mut Emit, d: Arg, places: Arg) -> Arg {
    let shape = emit.shape(d).to_vec();
    let whole = [shape[0], shape[1], op.size[0], op.size[1]];
    let count: usize = whole.iter().product();
    let extent = emit.integers(&[count as i64]);
    let zeros = emit.tensor(d).with_shape(&[count]);
    let mut sums = emit.node("", "ConstantOfShape", &[Some(extent)], vec![zeros], vec![])[0];

    let [down, across] =
        [0, 1].map(|axis| op.window.kernel[axis].div_ceil(op.window.strides[axis]));
    for row in 0..down.min(shape[2]) {
        for column in 0..across.min(shape[3]) {
            let [values, places] = [d, places].map(|whole| {
                let rows = emit.slice(whole, 2, row, shape[2], down);
                let set = emit.slice(rows, 3, column, shape[3], across);
                let count = emit.tensor(set).volume();
                emit.reshape(set, &[count])
            });
            let axis = vec![("axis", Attribute::Int(0))];
            let values = if (row, column) == (0, 0) {
                values
            } else {
                let length = emit.shape(places).to_vec();
                let present = emit.op("GatherElements", &[sums, places], &length, axis.clone());
                emit.add(present, values)
            };
            sums = emit.op("ScatterElements", &[sums, places, values], &[count], axis);
        }
    }
    emit.reshape(sums, &whole)
}

impl Graph {
    /// Adds the greatest element of each window of `x: [N, C, H, W]`.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when the windows do not fit.
    pub fn max_pool(&mut self, x: Value, window: &Window) -> Result<Value, GraphError> {
        self.apply(MaxPool { window: window.clone() }, &[x])
    }
}

#[cfg(test)]
pub(in crate::onnx::ops) mod tests {
    use super::*;
    use crate::train::check;

    /// Reads the attributes of a case of references.
    pub(in crate::onnx::ops) fn window(case: &check::Case) -> Window {
        Window {
            kernel: case.list("kernel"),
            strides: case.list("strides"),
            pads: case.list("pads"),
        }
    }

    /// Windows that overlap or not, with and without padding, for images of 8 × 7 pixels.
    pub(in crate::onnx::ops) fn windows() -> Vec<Window> {
        let window = |kernel, strides, pads| Window { kernel, strides, pads };
        vec![
            window([2, 2], [2, 2], [0; 4]),
            window([3, 3], [2, 2], [1; 4]),
            window([3, 3], [2, 2], [0, 0, 1, 1]),
            window([3, 2], [1, 3], [1, 1, 0, 0]),
            window([5, 3], [1, 2], [2, 1, 2, 1]),
            window([8, 7], [1, 1], [0; 4]),
        ]
    }

    #[test]
    fn gradient() {
        for window in windows() {
            check::gradient_at(check::distinct(&[&[2, 3, 8, 7]]), |graph, x| {
                graph.max_pool(x[0], &window)
            });
        }
    }

    #[test]
    fn windows_that_do_not_fit_are_errors() {
        let mut graph = Graph::new();
        let x = graph.input("x", TensorType::f32(&[1, 1, 4, 4]));
        let window =
            |kernel, pads| Window { kernel: [kernel; 2], strides: [1; 2], pads: [pads; 4] };
        assert!(graph.max_pool(x, &window(5, 0)).is_err());
        assert!(graph.max_pool(x, &window(2, 2)).is_err());
        assert!(graph.max_pool(x, &window(0, 0)).is_err());
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/max_pool.json");
        check::reference(cases, |graph, case, x| Ok(vec![graph.max_pool(x[0], &window(case))?]));
    }
}
