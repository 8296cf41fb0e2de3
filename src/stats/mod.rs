//! Statistics and random numbers that several modules share.

pub mod random;
pub mod robust;
pub mod spikes;
