//! The single test binary.

mod architecture;
mod base;
mod complete;
mod facts;
mod formats;
mod generated;
mod media;
mod report;
mod rules;
