//! Statistics and random numbers that several modules share.

pub mod clustered;
pub mod distribution;
pub mod interval;
pub mod linear;
pub mod logistic;
pub mod nearest;
pub mod permutation;
pub mod power;
pub mod random;
pub mod robust;
pub mod spikes;
pub mod spread;
