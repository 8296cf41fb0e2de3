//! A study: whether the labels, the optimiser or luck are to blame for how a training goes.
//!
//! ```text
//! dataset ─split→ shuffles ─audit, clean→ arms ─train→ RUN folders ─collect→ numbers
//!                                                              numbers ─contrast, verdict→ outcome
//! ```
//!
//! [`arms`] makes the labels of each arm from the training images of a shuffle alone,
//! [`control`] the removals that cleaning is compared with; [`design`] and [`jobs`] say what is run, [`cost`]
//! and [`speed`] how long it takes; [`queue`] runs it; [`collect`] reads back what came of it, and
//! [`outcome`] says what that means. Prints nothing. The same numbers and seed give the same
//! answer.
//!
//! Endpoints, tests and rules are defined in `docs/methods.md`, "Study", and are not changed to
//! suit a study.

pub mod advice;
pub mod arms;
pub mod collect;
pub mod contrast;
pub mod control;
pub mod cost;
pub mod design;
pub mod file;
pub mod jobs;
pub mod margin;
pub mod measures;
pub mod outcome;
pub mod queue;
pub mod speed;
pub mod verdict;
