//! The single test binary.

mod architecture;
mod base;
mod cli;
mod complete;
mod generated;
mod rules;
