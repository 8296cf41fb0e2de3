//! One file per command: its arguments with their help, and one `run`.

pub(super) mod audit;
pub(super) mod bench;
pub(super) mod clean;
pub(super) mod eval;
pub(super) mod explain;
pub(super) mod plant;
pub(super) mod predict;
pub(super) mod relabel;
pub(super) mod rules;
pub(super) mod runtime;
pub(super) mod split;
pub(super) mod study;
pub(super) mod train;
pub(super) mod weights;
