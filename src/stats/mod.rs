//! Statistics that several modules share.

pub mod robust;
