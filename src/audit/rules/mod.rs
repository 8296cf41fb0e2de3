//! One file per rule. Generated: `UPDATE=1 cargo test --release`.

pub(super) mod box_outside_image;
pub(super) mod box_size_outlier;
pub(super) mod coincident_keypoints;
pub(super) mod duplicate_instance;
pub(super) mod duplicate_row;
pub(super) mod keypoint_mismatch;
pub(super) mod keypoint_on_border;
pub(super) mod keypoint_outlier;
pub(super) mod keypoint_outside_box;
pub(super) mod keypoint_outside_image;
pub(super) mod label_without_image;
pub(super) mod left_right_swap;
pub(super) mod litter_file;
pub(super) mod missing_keypoint;
pub(super) mod other_scorer;
pub(super) mod rare_keypoint;
pub(super) mod uncompared_labels;
pub(super) mod undefined_class;
pub(super) mod unlabelled_keypoint;
pub(super) mod unreadable_label;
pub(super) mod unused_class;
pub(super) mod whole_image_box;
pub(super) mod zero_area_box;
