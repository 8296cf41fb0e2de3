//! labelvet audits labelled image datasets before anyone trains on them.
//!
//! Data flows one way:
//!
//! ```text
//! dataset on disk ─formats→ Dataset ─facts→ Facts ─audit→ findings ─┬→ report
//!                                                            └→ clean → patch → a copy
//! ```
//!
//! | module | takes | gives |
//! |---|---|---|
//! | [`formats`] | a path | a [`dataset::Dataset`] |
//! | [`media`] | an image file | a decoded [`pixels::Picture`] |
//! | [`pixels`] | a picture | measures |
//! | [`augment`] | a picture, labels, a plan | both, transformed |
//! | [`facts`] | a dataset | [`facts::Facts`] |
//! | [`audit`] | facts, rules, settings | [`audit::Finding`]s |
//! | [`mod@bench`] | facts, rules, kinds of errors | how well findings match what was planted |
//! | [`clean`] | findings, a policy | a [`clean::Patch`], a cleaned copy, and back |
//! | [`report`] | facts and findings | files |
//! | [`relabel`] | findings, what people did | a queue, decisions |
//! | [`predictions`] | a file of predictions, a dataset | [`dataset::Predictions`] |
//! | [`eval`] | a dataset and predictions | numbers |
//! | [`plant`] | a dataset, a recipe of errors | edits that make them |
//! | [`onnx`] | operators, a loss | gradients, ONNX models |
//! | [`models`] | the name of a network | its graph, its weights |
//! | [`packages`] | a pinned wheel of PyPI | its files |
//! | [`train`] | a graph, a device | a training's state, step by step |
//! | [`study`] | a dataset, its audit, a design | runs, contrasts, a verdict |
//!
//! ```
//! use labelvet::{audit, facts, formats};
//!
//! let options = formats::ReadOptions::default();
//! let dataset = formats::read("fixtures/mirror-mouse".as_ref(), &options)?;
//! let facts = facts::measure(dataset, &facts::MeasureOptions::default());
//! let audit = audit::run(&facts, &audit::builtin()?, &audit::Config::default());
//! let unlabelled = audit.findings.iter().filter(|f| f.rule == "unlabelled_image");
//! assert_eq!(unlabelled.count(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
pub mod augment;
pub mod bench;
pub mod clean;
pub mod cli;
pub mod dataset;
pub mod eval;
pub mod facts;
pub mod formats;
pub mod media;
pub mod models;
pub mod onnx;
pub mod packages;
mod page;
pub mod pixels;
pub mod plant;
pub mod predictions;
pub mod relabel;
pub mod report;
pub mod stats;
pub mod study;
pub mod train;
