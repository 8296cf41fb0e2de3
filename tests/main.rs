//! The single test binary.

mod architecture;
mod base;
mod browser;
mod cli;
mod complete;
mod facts;
mod formats;
mod generated;
mod media;
mod ops;
mod pixels;
mod planted_pose;
mod report;
mod rules;
mod runtime;
mod sql;
mod weights;
