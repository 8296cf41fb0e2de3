//! The single test binary.

mod architecture;
mod base;
mod complete;
mod generated;
mod rules;
