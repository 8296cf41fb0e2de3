//! The single test binary.

mod architecture;
mod base;
mod browser;
mod complete;
mod facts;
mod formats;
mod generated;
mod media;
<<<<<<< HEAD
mod pixels;
=======
mod planted_pose;
>>>>>>> ad3909b (Plant errors into real poses and measure what the pose rules find)
mod report;
mod rules;
mod sql;
