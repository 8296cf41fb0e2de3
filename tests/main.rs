//! The single test binary.

mod architecture;
mod base;
mod complete;
mod facts;
mod generated;
mod rules;
