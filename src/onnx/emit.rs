//! The writer that lowerings add ONNX operators with.
//!
//! Takes single ONNX nodes with the types of their outputs; gives a [`Lowered`] graph of them.

use std::collections::HashMap;

use super::lowered::{Arg, Attribute, Initializer, LABELVET, Lowered, LoweredNode};
use super::operator::Provider;
use super::shape::{DType, Shape, TensorType, broadcast, volume};

/// Writes ONNX nodes.
#[derive(Debug)]
pub struct Emit {
    graph: Lowered,
    provider: Provider,
    scope: String,
    constants: HashMap<(TensorType, Vec<u8>), Arg>,
    half: bool,
}

impl Emit {
    /// Returns a writer of an empty graph. With `half`, convolutions and matrix products are
    /// computed in half precision between casts.
    pub(super) fn new(provider: Provider, half: bool) -> Self {
        Emit {
            graph: Lowered::default(),
            provider,
            scope: String::new(),
            constants: HashMap::new(),
            half,
        }
    }

    /// Returns the provider that is written for.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Returns the type of a tensor.
    pub fn tensor(&self, arg: Arg) -> &TensorType {
        self.graph.tensor(arg)
    }

    /// Returns the extents of a tensor.
    pub fn shape(&self, arg: Arg) -> &[usize] {
        &self.tensor(arg).shape
    }

    /// Adds a node with the given output types.
    pub fn node(
        &mut self,
        domain: &'static str,
        operator: &'static str,
        inputs: &[Option<Arg>],
        outputs: Vec<TensorType>,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Vec<Arg> {
        let number = self.graph.nodes.len();
        let name = match self.scope.as_str() {
            "" => format!("{operator}_{number}"),
            scope => format!("{scope}.{operator}_{number}"),
        };
        let outputs: Vec<Arg> = outputs
            .into_iter()
            .enumerate()
            .map(|(index, tensor)| self.arg(format!("{name}:{index}"), tensor))
            .collect();
        self.graph.nodes.push(LoweredNode {
            domain,
            operator,
            name,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            attributes,
        });
        outputs
    }

    /// Adds a node of ONNX's own domain with one output.
    pub fn op(
        &mut self,
        operator: &'static str,
        inputs: &[Arg],
        shape: &[usize],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Arg {
        let tensor = self.tensor(inputs[0]).with_shape(shape);
        let inputs: Vec<Option<Arg>> = inputs.iter().copied().map(Some).collect();
        self.node("", operator, &inputs, vec![tensor], attributes)[0]
    }

    /// Adds one of labelvet's custom operators.
    pub fn custom(
        &mut self,
        operator: &'static str,
        inputs: &[Arg],
        outputs: Vec<TensorType>,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Vec<Arg> {
        let inputs: Vec<Option<Arg>> = inputs.iter().copied().map(Some).collect();
        self.node(LABELVET, operator, &inputs, outputs, attributes)
    }

    /// Adds an operator of two inputs that repeats extents of 1.
    ///
    /// # Panics
    /// When the shapes do not fit: the semantic operator has checked them.
    pub fn binary(&mut self, operator: &'static str, a: Arg, b: Arg) -> Arg {
        let shape = broadcast(self.shape(a), self.shape(b)).expect("shapes that fit");
        self.op(operator, &[a, b], &shape, vec![])
    }

    /// Adds an operator of one input and the same shape.
    pub fn unary(&mut self, operator: &'static str, x: Arg) -> Arg {
        let shape = self.shape(x).to_vec();
        self.op(operator, &[x], &shape, vec![])
    }

    /// Adds `a + b`.
    pub fn add(&mut self, a: Arg, b: Arg) -> Arg {
        self.binary("Add", a, b)
    }

    /// Adds `a − b`.
    pub fn sub(&mut self, a: Arg, b: Arg) -> Arg {
        self.binary("Sub", a, b)
    }

    /// Adds `a · b`, elementwise.
    pub fn mul(&mut self, a: Arg, b: Arg) -> Arg {
        self.binary("Mul", a, b)
    }

    /// Adds `a / b`, elementwise.
    pub fn div(&mut self, a: Arg, b: Arg) -> Arg {
        self.binary("Div", a, b)
    }

    /// Gives a tensor another shape of the same number of elements.
    pub fn reshape(&mut self, x: Arg, shape: &[usize]) -> Arg {
        if self.shape(x) == shape {
            return x;
        }
        debug_assert_eq!(volume(self.shape(x)), volume(shape), "a reshape keeps the elements");
        let extents: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let extents = self.integers(&extents);
        self.op("Reshape", &[x, extents], shape, vec![])
    }

    /// Gives a vector `[C]` the shape `[1, C, 1, …]` that lies along axis 1 of `rank` axes.
    pub fn along_channels(&mut self, vector: Arg, rank: usize) -> Arg {
        let mut shape = vec![1; rank];
        shape[1] = volume(self.shape(vector));
        self.reshape(vector, &shape)
    }

    /// Exchanges axes: axis `i` of the result is axis `order[i]` of `x`.
    pub fn transpose(&mut self, x: Arg, order: &[usize]) -> Arg {
        let shape: Shape = order.iter().map(|&axis| self.shape(x)[axis]).collect();
        let order = order.iter().map(|&axis| axis as i64).collect();
        self.op("Transpose", &[x], &shape, vec![("perm", Attribute::Ints(order))])
    }

    /// Limits elements to `low..=high`.
    pub fn clip(&mut self, x: Arg, low: f32, high: f32) -> Arg {
        let (low, high) = (self.scalar(low), self.scalar(high));
        let shape = self.shape(x).to_vec();
        self.op("Clip", &[x, low, high], &shape, vec![])
    }

    /// Adds the sum over `axes`, which are kept with extent 1 or dropped.
    pub fn reduce_sum(&mut self, x: Arg, axes: &[usize], keep: Keep) -> Arg {
        let shape = keep.shape(self.shape(x), axes);
        let list: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        let list = self.integers(&list);
        self.op("ReduceSum", &[x, list], &shape, vec![("keepdims", keep.attribute())])
    }

    /// Adds the sum over batch and places of `[N, C, H, W]`, giving `[C]`. On CUDA in two
    /// steps, since axes that lie apart go to a slow path there.
    pub fn sum_to_channels(&mut self, x: Arg) -> Arg {
        match self.provider {
            Provider::Cpu => self.reduce_sum(x, &[0, 2, 3], Keep::No),
            Provider::Cuda => {
                let sums = self.reduce_sum(x, &[2, 3], Keep::No);
                self.reduce_sum(sums, &[0], Keep::No)
            }
        }
    }

    /// Adds the sums over places of `a · b`, both `[N, C, H, W]`, giving `[N, C]`.
    pub fn dot_places(&mut self, a: Arg, b: Arg) -> Arg {
        /// From so many places on, the runtime's convolution is faster on the CPU than a
        /// product and its sum (at 64 × 64 pixels 0.64 ms instead of 1.04, at 16 × 16 slower).
        const MANY: usize = 2048;
        let shape = self.shape(a).to_vec();
        let (images, size) = (shape[0] * shape[1], [shape[2], shape[3]]);
        if self.provider == Provider::Cuda || volume(&size) < MANY {
            let product = self.mul(a, b);
            return self.reduce_sum(product, &[2, 3], Keep::No);
        }
        // Each image is convolved with a kernel of its own size, in full precision.
        let a = self.reshape(a, &[1, images, size[0], size[1]]);
        let b = self.reshape(b, &[images, 1, size[0], size[1]]);
        let groups = vec![("group", Attribute::Int(images as i64))];
        let sums = self.op("Conv", &[a, b], &[1, images, 1, 1], groups);
        self.reshape(sums, &shape[..2])
    }

    /// Adds another reduction (`ReduceMean`, `ReduceMax`, …), which has its axes as attribute.
    pub fn reduce(&mut self, operator: &'static str, x: Arg, axes: &[usize], keep: Keep) -> Arg {
        let shape = keep.shape(self.shape(x), axes);
        let axes = axes.iter().map(|&axis| axis as i64).collect();
        let attributes = vec![("axes", Attribute::Ints(axes)), ("keepdims", keep.attribute())];
        self.op(operator, &[x], &shape, attributes)
    }

    /// Surrounds `x` with zeros: `before[i]` and `after[i]` of them along axis `i`.
    pub fn pad(&mut self, x: Arg, before: &[usize], after: &[usize]) -> Arg {
        if before.iter().chain(after).all(|&count| count == 0) {
            return x;
        }
        let shape: Shape =
            self.shape(x).iter().zip(before).zip(after).map(|((x, b), a)| x + b + a).collect();
        let counts: Vec<i64> = before.iter().chain(after).map(|&count| count as i64).collect();
        let counts = self.integers(&counts);
        self.op("Pad", &[x, counts], &shape, vec![])
    }

    /// Takes `start..end` along one axis, every `step`-th.
    pub fn slice(&mut self, x: Arg, axis: usize, start: usize, end: usize, step: usize) -> Arg {
        let mut shape = self.shape(x).to_vec();
        if start == 0 && end == shape[axis] && step == 1 {
            return x;
        }
        shape[axis] = (end - start).div_ceil(step);
        let numbers = [start, end, axis, step].map(|number| self.integers(&[number as i64]));
        self.op("Slice", &[x, numbers[0], numbers[1], numbers[2], numbers[3]], &shape, vec![])
    }

    /// Takes `start..end` along each axis.
    pub fn cut(&mut self, x: Arg, start: &[usize], end: &[usize]) -> Arg {
        let whole = self.shape(x).to_vec();
        let axes: Vec<usize> =
            (0..whole.len()).filter(|&axis| start[axis] > 0 || end[axis] < whole[axis]).collect();
        if axes.is_empty() {
            return x;
        }
        let shape: Shape = start.iter().zip(end).map(|(start, end)| end - start).collect();
        let pick = |numbers: &[usize]| axes.iter().map(|&a| numbers[a] as i64).collect::<Vec<_>>();
        let (starts, ends) = (pick(start), pick(end));
        let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        let [starts, ends, axes] = [starts, ends, axes].map(|numbers| self.integers(&numbers));
        self.op("Slice", &[x, starts, ends, axes], &shape, vec![])
    }

    /// Joins tensors along one axis.
    pub fn concat(&mut self, parts: &[Arg], axis: usize) -> Arg {
        let mut shape = self.shape(parts[0]).to_vec();
        shape[axis] = parts.iter().map(|&part| self.shape(part)[axis]).sum();
        self.op("Concat", parts, &shape, vec![("axis", Attribute::Int(axis as i64))])
    }

    /// Adds the product of matrices in the last two axes; in half precision where asked.
    pub fn matmul(&mut self, a: Arg, b: Arg) -> Arg {
        let (left, right) = (self.shape(a), self.shape(b));
        let (rows, columns) = (left[left.len() - 2], right[right.len() - 1]);
        let lead = broadcast(&left[..left.len() - 2], &right[..right.len() - 2]);
        let mut shape = lead.expect("batches that fit");
        shape.extend([rows, columns]);
        self.heavy("MatMul", &[a, b], &shape, vec![])
    }

    /// Adds a convolution or matrix product; in half precision between casts where asked.
    pub fn heavy(
        &mut self,
        operator: &'static str,
        inputs: &[Arg],
        shape: &[usize],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Arg {
        if !self.half {
            return self.op(operator, inputs, shape, attributes);
        }
        let inputs: Vec<Arg> = inputs.iter().map(|&input| self.cast(input, DType::F16)).collect();
        let product = self.op(operator, &inputs, shape, attributes);
        self.cast(product, DType::F32)
    }

    /// Converts the elements of a tensor.
    pub fn cast(&mut self, x: Arg, to: DType) -> Arg {
        if self.tensor(x).dtype == to {
            return x;
        }
        let tensor = TensorType { dtype: to, shape: self.shape(x).to_vec() };
        let code = Attribute::Int(super::proto::element_type(to).into());
        self.node("", "Cast", &[Some(x)], vec![tensor], vec![("to", code)])[0]
    }

    /// Adds a comparison; its result is of truth values.
    pub fn compare(&mut self, operator: &'static str, a: Arg, b: Arg) -> Arg {
        let shape = broadcast(self.shape(a), self.shape(b)).expect("shapes that fit");
        let tensor = TensorType { dtype: DType::Bool, shape };
        self.node("", operator, &[Some(a), Some(b)], vec![tensor], vec![])[0]
    }

    /// Takes elements of `yes` where `condition` holds and of `no` elsewhere.
    pub fn choose(&mut self, condition: Arg, yes: Arg, no: Arg) -> Arg {
        let shape = broadcast(self.shape(yes), self.shape(no)).expect("shapes that fit");
        let shape = broadcast(self.shape(condition), &shape).expect("shapes that fit");
        let tensor = self.tensor(yes).with_shape(&shape);
        let inputs = [Some(condition), Some(yes), Some(no)];
        self.node("", "Where", &inputs, vec![tensor], vec![])[0]
    }

    /// Returns a constant scalar.
    pub fn scalar(&mut self, number: f32) -> Arg {
        self.constant(TensorType::f32(&[]), number.to_le_bytes().to_vec())
    }

    /// Returns a constant vector of integers.
    pub fn integers(&mut self, numbers: &[i64]) -> Arg {
        let tensor = TensorType { dtype: DType::I64, shape: vec![numbers.len()] };
        self.constant(tensor, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    /// Returns a constant of 32-bit floating-point numbers.
    pub fn floats(&mut self, shape: &[usize], numbers: &[f32]) -> Arg {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(TensorType::f32(shape), bytes)
    }

    /// Returns a constant; equal ones are one.
    pub fn constant(&mut self, tensor: TensorType, bytes: Vec<u8>) -> Arg {
        let key = (tensor, bytes);
        if let Some(&arg) = self.constants.get(&key) {
            return arg;
        }
        let arg = self.arg(format!("constant_{}", self.constants.len()), key.0.clone());
        self.graph.initializers.push(Initializer { arg, bytes: key.1.clone() });
        self.constants.insert(key, arg);
        arg
    }

    pub(super) fn input(&mut self, name: &str, tensor: TensorType) -> Arg {
        let arg = self.arg(name.to_owned(), tensor);
        self.graph.inputs.push(arg);
        arg
    }

    /// Gives `arg` to the outside under `name`, through a node of its own: the same tensor may
    /// be given under several names, and an input may be given.
    pub(super) fn output(&mut self, name: &str, arg: Arg) {
        let made_here = self.graph.nodes.iter_mut().rev().any(|node| node.outputs.contains(&arg));
        if made_here && !self.graph.outputs.contains(&arg) {
            self.graph.args[arg.0].0 = name.to_owned();
            self.graph.outputs.push(arg);
            return;
        }
        let tensor = self.tensor(arg).clone();
        let copy = self.node("", "Identity", &[Some(arg)], vec![tensor], vec![])[0];
        self.graph.args[copy.0].0 = name.to_owned();
        self.graph.outputs.push(copy);
    }

    pub(super) fn enter(&mut self, scope: &str) {
        self.scope.clear();
        self.scope.push_str(scope);
    }

    /// Returns the graph without nodes that nothing needs, and without outputs that a node may
    /// leave out: a lowering writes all, whatever is used of it.
    pub(super) fn finish(self) -> Lowered {
        let mut graph = self.graph;
        let mut needed = vec![false; graph.args.len()];
        for output in &graph.outputs {
            needed[output.0] = true;
        }
        let mut kept = Vec::new();
        for mut node in graph.nodes.into_iter().rev() {
            if !node.outputs.iter().any(|output| needed[output.0]) {
                continue;
            }
            let unused = node.outputs.get(1).is_some_and(|arg| !needed[arg.0]);
            if node.operator == "MaxPool" && unused && may_omit_places(&node, self.provider) {
                node.outputs.truncate(1);
            }
            for input in node.inputs.iter().flatten() {
                needed[input.0] = true;
            }
            kept.push(node);
        }
        kept.reverse();
        graph.nodes = kept;
        graph.initializers.retain(|initializer| needed[initializer.arg.0]);
        graph
    }

    fn arg(&mut self, name: String, tensor: TensorType) -> Arg {
        self.graph.args.push((name, tensor));
        Arg(self.graph.args.len() - 1)
    }
}

/// Says whether a `MaxPool` may leave out the places of its maxima, which makes it faster and
/// lets more runtimes take it. On CUDA it is then cuDNN's, which knows one padding for both
/// sides.
fn may_omit_places(node: &LoweredNode, provider: Provider) -> bool {
    let symmetric = node.attributes.iter().any(|(name, attribute)| match attribute {
        Attribute::Ints(pads) if *name == "pads" => {
            let (before, after) = pads.split_at(pads.len() / 2);
            before == after
        }
        _ => false,
    });
    provider == Provider::Cpu || symmetric
}

/// Whether axes that are summed over stay, with extent 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keep {
    /// They stay, with extent 1.
    Yes,
    /// They are dropped.
    No,
}

impl Keep {
    /// Returns the shape of a reduction over `axes`.
    pub fn shape(self, shape: &[usize], axes: &[usize]) -> Shape {
        let extent = |(axis, &extent): (usize, &usize)| match (axes.contains(&axis), self) {
            (false, _) => Some(extent),
            (true, Keep::Yes) => Some(1),
            (true, Keep::No) => None,
        };
        shape.iter().enumerate().filter_map(extent).collect()
    }

    fn attribute(self) -> Attribute {
        Attribute::Int(i64::from(self == Keep::Yes))
    }
}
