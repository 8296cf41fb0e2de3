//! Training steps as ONNX graphs: semantic operators, differentiation, serialisation.
//!
//! A model and its loss are written with the operators of [`ops`] into a [`Graph`], which
//! checks shapes at once. [`gradients`] adds the backward pass in the same language. An
//! [`Encoding`] then chooses for each operator a lowering to ONNX's operators, by provider, and
//! [`encode`] gives the bytes of a model that the ordinary ONNX Runtime runs.
//!
//! ```
//! use labelvet::onnx::{Encoding, Graph, Provider, TensorType, encode, gradients};
//!
//! let mut graph = Graph::new();
//! let x = graph.input("x", TensorType::f32(&[2, 3]));
//! let w = graph.input("w", TensorType::f32(&[3, 1]));
//! let y = graph.matmul(x, w)?;
//! let loss = graph.reduce_sum(y, &[0, 1])?;
//! let by_w = gradients(&mut graph, loss, &[w])?[0].expect("the loss depends on w");
//! graph.output("loss", loss);
//! graph.output("w.gradient", by_w);
//! let model = encode(&graph, &Encoding::plain(Provider::Cpu))?;
//! assert!(!model.is_empty());
//! # Ok::<(), labelvet::onnx::GraphError>(())
//! ```

mod autodiff;
mod checkpointing;
pub mod cuda;
mod dropout;
mod elementwise;
mod emit;
mod encode;
mod graph;
mod in_place;
mod lowered;
mod operator;
pub mod ops;
mod proto;
mod shape;

pub use autodiff::{checkpointed_gradients, gradients};
pub use checkpointing::{Checkpointing, kept_bytes};
pub use dropout::{Dropped, Mask};
pub use emit::{Emit, Keep};
pub use encode::{CustomOperators, Encoding, Precision, encode, lower};
pub use graph::{Constant, Graph, GraphError, Node, Origin, Value};
pub use in_place::{OverwriteError, check_in_place};
pub use lowered::{
    Arg, Attribute, Batch, Initializer, LABELVET, Lowered, LoweredNode, MICROSOFT, OPSET,
};
pub use operator::{AnyOperator, Lowering, Operator, Provider, Step, always};
pub use shape::{DType, Shape, TensorType, broadcast, repeated_axes, volume};
