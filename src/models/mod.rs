//! Networks and their weights.

pub mod weights;
