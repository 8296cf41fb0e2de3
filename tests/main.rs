//! The single test binary.

mod architecture;
mod base;
mod browser;
mod cli;
mod complete;
mod cuda;
mod eval;
mod facts;
mod formats;
mod generated;
mod imagenet;
mod media;
mod models;
mod ops;
mod pixels;
mod planted_pose;
mod report;
mod rules;
mod runtime;
mod sql;
mod steps;
mod train;
mod weights;
