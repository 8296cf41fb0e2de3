//! One file per command: its arguments with their help, and one `run`.

pub(super) mod audit;
pub(super) mod eval;
pub(super) mod explain;
pub(super) mod predict;
pub(super) mod rules;
pub(super) mod runtime;
pub(super) mod train;
pub(super) mod weights;
