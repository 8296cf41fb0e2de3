//! What a custom operator is here, and how it is handed to ONNX Runtime.
//!
//! A kernel sees shapes and slices only. Errors and panics in it become errors of the run: none
//! crosses the C boundary.

use std::any::Any;
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorInput, OperatorOutput,
    ShapeInferenceContext,
};
use ort::value::{DynValue, Shape as OrtShape, TensorElementType, ValueType};

use crate::onnx::{Shape, volume};

/// A custom operator of 32-bit floating-point tensors.
pub(super) trait CustomOperator: Sized + Send + Sync + 'static {
    /// Its name in the domain.
    const NAME: &'static str;
    /// Number of inputs.
    const INPUTS: usize;
    /// Number of outputs.
    const OUTPUTS: usize;

    /// Pairs of an input and the output that is its new state: of one shape, and perhaps one
    /// memory. The output holds the state's elements when [`compute`] begins; as an input they
    /// may be missing there.
    ///
    /// [`compute`]: Self::compute
    const STATES: &'static [(usize, usize)] = &[];

    /// Pairs of an input and an output of one shape that the runtime may lay in one memory. The
    /// output then holds the input's elements when [`compute`] begins, and the input has none.
    ///
    /// [`compute`]: Self::compute
    const REUSED: &'static [(u32, u32)] = &[];

    /// Reads its attributes.
    ///
    /// # Errors
    /// A fragment that names the attribute.
    fn read(attributes: &dyn Attributes) -> Result<Self, String>;

    /// Returns the shapes of the outputs, or what does not fit: what [`compute`] relies on.
    ///
    /// # Errors
    /// A fragment that says what does not fit.
    ///
    /// [`compute`]: Self::compute
    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Shape>, String>;

    /// Fills the outputs, all of whose elements are unset before but for [`STATES`].
    ///
    /// [`STATES`]: Self::STATES
    ///
    /// # Errors
    /// A fragment that says what went wrong.
    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String>;
}

/// An input of a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    /// Extents.
    pub(super) shape: &'a [usize],
    /// Row-major elements.
    pub(super) elements: &'a [f32],
}

/// Attributes of a node.
pub(super) trait Attributes {
    /// Returns integers.
    fn ints(&self, name: &str) -> Option<Vec<i64>>;
    /// Returns a number.
    fn float(&self, name: &str) -> Option<f32>;
    /// Returns an integer.
    fn int(&self, name: &str) -> Option<i64>;
    /// Returns text.
    fn text(&self, name: &str) -> Option<String>;
}

/// Returns an attribute of `N` numbers that are not negative.
///
/// # Errors
/// A fragment that names the attribute.
pub(super) fn sizes<const N: usize>(
    attributes: &dyn Attributes,
    name: &str,
) -> Result<[usize; N], String> {
    let numbers = attributes.ints(name).ok_or_else(|| format!("lacks {name}"))?;
    let numbers: Result<Vec<usize>, _> = numbers.into_iter().map(usize::try_from).collect();
    let numbers = numbers.map_err(|_| format!("{name} has a negative number"))?;
    numbers.try_into().map_err(|_| format!("{name} needs {N} numbers"))
}

/// Threads that tasks are spread over.
pub(super) trait Pool {
    /// Runs `task` for each number below `count`, in any order, and returns when all are done.
    ///
    /// # Errors
    /// What the runtime says.
    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) -> Result<(), String>;
}

impl Pool for ComputeContext {
    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) -> Result<(), String> {
        /// Parts that threads fetch one after the other: enough to even out their speeds.
        const PARTS: usize = 32;
        self.par_for(count, count.min(PARTS), task).map_err(|error| error.to_string())
    }
}

/// Runs `task` on each item, spread over the pool. The items carry what a task writes to.
///
/// # Errors
/// The pool's; that a task panicked.
pub(super) fn for_each<T: Send>(
    pool: &dyn Pool,
    items: impl IntoIterator<Item = T>,
    task: impl Fn(T) + Sync,
) -> Result<(), String> {
    // Each item is taken by the one task that has its number, so no lock is ever waited for.
    let items: Vec<Mutex<Option<T>>> =
        items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let panicked = Mutex::new(None);
    pool.run(items.len(), &|index| {
        let item = items[index].lock().ok().and_then(|mut item| item.take());
        if let Some(item) = item
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(item)))
            && let Ok(mut first) = panicked.lock()
        {
            first.get_or_insert(message(&*panic));
        }
    })?;
    match panicked.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(message)) => Err(message),
        Err(_) => Err("a task panicked".to_owned()),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a task panicked").to_owned()
}

/// A custom operator as ONNX Runtime takes it.
pub(super) struct Registered<O>(PhantomData<fn() -> O>);

impl<O> Registered<O> {
    /// Returns the operator.
    pub(super) fn new() -> Self {
        Registered(PhantomData)
    }
}

impl<O: CustomOperator> Operator for Registered<O> {
    type Kernel<'attr> = Compute<O>;

    const INPLACES: &[(u32, u32)] = O::REUSED;

    fn name(&self) -> &str {
        O::NAME
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        (0..O::INPUTS).map(|_| OperatorInput::required(TensorElementType::Float32))
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        (0..O::OUTPUTS).map(|_| OperatorOutput::required(TensorElementType::Float32))
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Compute<O>> {
        guarded::<O, _>(|| Ok(Compute(O::read(&OfKernel(context))?)))
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        guarded::<O, _>(|| {
            let operator = O::read(&OfNode(context))?;
            let inputs = context.inputs();
            let shapes: Option<Vec<Shape>> = inputs.iter().map(known_shape).collect();
            // What is not known yet is known when the graph runs.
            let Some(shapes) = shapes else { return Ok(()) };
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            for (index, shape) in operator.output_shapes(&shapes)?.iter().enumerate() {
                let tensor = ValueType::Tensor {
                    ty: TensorElementType::Float32,
                    shape: OrtShape::new(extents(shape)),
                    dimension_symbols: ort::value::SymbolicDimensions::empty(shape.len()),
                };
                context.set_output(index, &tensor).map_err(|error| error.to_string())?;
            }
            Ok(())
        })
    }
}

fn extents(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&extent| extent as i64).collect()
}

fn known_shape(value: &ValueType) -> Option<Shape> {
    let shape = value.tensor_shape()?;
    shape.iter().map(|&extent| usize::try_from(extent).ok()).collect()
}

/// A node whose attributes have been read.
pub(super) struct Compute<O>(O);

impl<O: CustomOperator> Kernel for Compute<O> {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        guarded::<O, _>(|| run(&self.0, context))
    }
}

fn run<O: CustomOperator>(operator: &O, context: &ComputeContext) -> Result<(), String> {
    let mut inputs = Vec::with_capacity(O::INPUTS);
    for index in 0..O::INPUTS {
        let value = context.input(index).map_err(text)?;
        inputs.push(value.ok_or_else(|| format!("lacks input {index}"))?);
    }
    let shapes: Option<Vec<Shape>> =
        inputs.iter().map(|input| known_shape(input.dtype())).collect();
    let shapes = shapes.ok_or("an input has no shape")?;
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let output_shapes = operator.output_shapes(&shapes)?;
    let mut outputs = Vec::with_capacity(O::OUTPUTS);
    for (index, shape) in output_shapes.iter().enumerate() {
        let value = context.output(index, extents(shape)).map_err(text)?;
        outputs.push(value.ok_or_else(|| format!("lacks output {index}"))?);
    }

    // No input may be read through one slice while it is written through another: one that lies
    // in the memory of its output is read there.
    let before: Vec<Range<usize>> = inputs.iter().map(|v| span(v)).collect::<Result<_, _>>()?;
    let after: Vec<Range<usize>> = outputs.iter().map(|v| span(v)).collect::<Result<_, _>>()?;
    let in_place = |&(input, output): &(usize, usize)| before[input] == after[output];
    let reused = O::REUSED.iter().map(|&(input, output)| (input as usize, output as usize));
    let pairs = O::STATES.iter().copied().chain(reused);
    let written: Vec<usize> = pairs.filter(in_place).map(|pair| pair.0).collect();
    for (index, input) in before.iter().enumerate() {
        let shared = |output: &Range<usize>| input.start < output.end && output.start < input.end;
        if !written.contains(&index) && after.iter().any(shared) {
            return Err(format!("input {index} shares memory with an output"));
        }
    }
    let mut targets = Vec::with_capacity(O::OUTPUTS);
    for (value, shape) in outputs.iter_mut().zip(&output_shapes) {
        let (_, elements) = value.try_extract_tensor_mut::<f32>().map_err(text)?;
        if elements.len() != volume(shape) {
            return Err("an output has another size".to_owned());
        }
        targets.push(elements);
    }
    let mut sources = Vec::with_capacity(O::INPUTS);
    for (index, (value, shape)) in inputs.iter().zip(shapes).enumerate() {
        let elements = match written.contains(&index) {
            true => &[],
            false => value.try_extract_tensor::<f32>().map_err(text)?.1,
        };
        sources.push(Input { shape, elements });
    }
    for state in O::STATES.iter().filter(|state| !in_place(state)) {
        targets[state.1].copy_from_slice(sources[state.0].elements);
    }
    operator.compute(&sources, &mut targets, context)
}

/// Returns the addresses of a tensor's elements.
fn span(value: &DynValue) -> Result<Range<usize>, String> {
    let elements = value.try_extract_tensor::<f32>().map_err(text)?.1.as_ptr_range();
    Ok(elements.start.addr()..elements.end.addr())
}

fn text(error: ort::Error) -> String {
    error.to_string()
}

/// Turns a panic, and a fragment of text, into an error that names the operator.
fn guarded<O: CustomOperator, T>(body: impl FnOnce() -> Result<T, String>) -> ort::Result<T> {
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let outcome = outcome.unwrap_or_else(|panic| Err(message(&*panic)));
    outcome.map_err(|problem| ort::Error::new(format!("labelvet {}: {problem}", O::NAME)))
}

struct OfKernel<'a, 'attr>(&'a KernelContext<'attr>);

impl Attributes for OfKernel<'_, '_> {
    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.0.get(name)
    }

    fn float(&self, name: &str) -> Option<f32> {
        self.0.get(name)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)
    }
}

struct OfNode<'a>(&'a ShapeInferenceContext);

impl Attributes for OfNode<'_> {
    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.0.attr(name).ok()
    }

    fn float(&self, name: &str) -> Option<f32> {
        self.0.attr(name).ok()
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.0.attr(name).ok()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.attr(name).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs tasks one after the other, from the last to the first: any order is allowed.
    pub(in crate::train::kernels) struct Serial;

    impl Pool for Serial {
        fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) -> Result<(), String> {
            (0..count).rev().for_each(task);
            Ok(())
        }
    }

    /// Runs a kernel on its inputs and returns its outputs.
    pub(in crate::train::kernels) fn outputs<O: CustomOperator>(
        operator: &O,
        inputs: &[(&[usize], &[f32])],
    ) -> Vec<Vec<f32>> {
        let inputs: Vec<Input> =
            inputs.iter().map(|&(shape, elements)| Input { shape, elements }).collect();
        let shapes: Vec<&[usize]> = inputs.iter().map(|input| input.shape).collect();
        let shapes = operator.output_shapes(&shapes).expect("inputs that fit");
        let mut outputs: Vec<Vec<f32>> =
            shapes.iter().map(|shape| vec![f32::NAN; volume(shape)]).collect();
        for &(input, output) in O::STATES {
            outputs[output].copy_from_slice(inputs[input].elements);
        }
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        operator.compute(&inputs, &mut slices, &Serial).expect("a kernel that runs");
        outputs
    }

    /// Asserts that results agree with a reference, relative to the largest of it.
    pub(in crate::train::kernels) fn assert_close(found: &[f32], expected: &[f64], within: f64) {
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
        for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
            let error = (f64::from(found) - expected).abs() / largest;
            assert!(error <= within, "element {index}: {found} instead of {expected}: {error}");
        }
    }

    #[test]
    fn a_panic_in_a_task_is_an_error() {
        let outcome = for_each(&Serial, 0..3, |number| assert_ne!(number, 1, "no ones"));
        assert!(outcome.expect_err("a task panics").contains("no ones"));
    }
}
