//! One file per rule. Generated: `UPDATE=1 cargo test --release`.

pub(super) mod keypoint_outlier;
pub(super) mod left_right_swap;
pub(super) mod missing_keypoint;
pub(super) mod zero_area_box;
