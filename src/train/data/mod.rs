//! From a dataset to batches.
//!
//! [`pose_examples`] and [`class_examples`] list what is learnt from; [`Framing`] says how it gets
//! into a network's input, in training as in prediction; [`Batches`] makes the batch of any step:
//! decodes, augments, normalises, writes targets. A [`Loader`] does so ahead, on threads.
//!
//! The batch of a step is a function of examples, settings, seed and the step's number: threads,
//! caches and where a training was resumed change nothing.

mod batch;
mod batches;
mod example;
mod framing;
mod loader;
mod normalisation;
mod sampler;
mod settings;
mod source;
mod targets;
#[cfg(test)]
mod tests;

pub use batch::{Batch, Targets, Unreadable};
pub use batches::{Batches, Workspace};
pub use example::{
    Example, ExampleError, Label, LabelWeights, PoseExamples, Subject, class_examples,
    pose_examples,
};
pub use framing::{Framing, FramingError, LARGEST, MULTIPLE, input_size};
pub use loader::{Loader, LoaderError, LoaderSettings};
pub use normalisation::Normalisation;
pub use sampler::{Sampler, SamplerError, Sampling};
pub use settings::{DataError, DataSettings, Task};
pub use source::{CACHE_BYTES, Decoding, Shown, Source, SourceSettings};
pub use targets::{LOCREF_DEVIATION, Shape, TargetSettings, Unlabelled};
