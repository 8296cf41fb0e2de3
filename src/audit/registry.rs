//! The rules that labelvet brings. Generated: `UPDATE=1 cargo test --release`.

use super::rule::{Find, Rule, RuleError};
use super::rules;

/// Returns the built-in rules, sorted by slug.
///
/// # Errors
/// Fails when a rule's TOML file makes no sense; a test holds that none does.
#[rustfmt::skip]
pub fn builtin() -> Result<Vec<Rule>, RuleError> {
    [
        ("badly_located_box", include_str!("../../rules/badly_located_box.toml"), Find::Rust(rules::badly_located_box::find)),
        ("blurred_keypoint", include_str!("../../rules/blurred_keypoint.toml"), Find::Rust(rules::blurred_keypoint::find)),
        ("blurry_image", include_str!("../../rules/blurry_image.toml"), Find::Rust(rules::blurry_image::find)),
        ("bone_length_outlier", include_str!("../../rules/bone_length_outlier.toml"), Find::Rust(rules::bone_length_outlier::find)),
        ("box_outside_image", include_str!("../../rules/box_outside_image.toml"), Find::Rust(rules::box_outside_image::find)),
        ("box_size_outlier", include_str!("../../rules/box_size_outlier.toml"), Find::Rust(rules::box_size_outlier::find)),
        ("carried_over_labels", include_str!("../../rules/carried_over_labels.toml"), Find::Rust(rules::carried_over_labels::find)),
        ("class_imbalance", include_str!("../../rules/class_imbalance.toml"), Find::Sql),
        ("class_missing_from_split", include_str!("../../rules/class_missing_from_split.toml"), Find::Sql),
        ("coincident_keypoints", include_str!("../../rules/coincident_keypoints.toml"), Find::Rust(rules::coincident_keypoints::find)),
        ("corrupt_image", include_str!("../../rules/corrupt_image.toml"), Find::Rust(rules::corrupt_image::find)),
        ("dark_image", include_str!("../../rules/dark_image.toml"), Find::Rust(rules::dark_image::find)),
        ("declared_size_mismatch", include_str!("../../rules/declared_size_mismatch.toml"), Find::Rust(rules::declared_size_mismatch::find)),
        ("duplicate_instance", include_str!("../../rules/duplicate_instance.toml"), Find::Rust(rules::duplicate_instance::find)),
        ("duplicate_row", include_str!("../../rules/duplicate_row.toml"), Find::Rust(rules::duplicate_row::find)),
        ("empty_frame", include_str!("../../rules/empty_frame.toml"), Find::Sql),
        ("exact_duplicate", include_str!("../../rules/exact_duplicate.toml"), Find::Rust(rules::exact_duplicate::find)),
        ("grey_image", include_str!("../../rules/grey_image.toml"), Find::Rust(rules::grey_image::find)),
        ("keypoint_mismatch", include_str!("../../rules/keypoint_mismatch.toml"), Find::Rust(rules::keypoint_mismatch::find)),
        ("keypoint_on_border", include_str!("../../rules/keypoint_on_border.toml"), Find::Rust(rules::keypoint_on_border::find)),
        ("keypoint_order", include_str!("../../rules/keypoint_order.toml"), Find::Rust(rules::keypoint_order::find)),
        ("keypoint_outlier", include_str!("../../rules/keypoint_outlier.toml"), Find::Poses(rules::keypoint_outlier::find)),
        ("keypoint_outside_box", include_str!("../../rules/keypoint_outside_box.toml"), Find::Rust(rules::keypoint_outside_box::find)),
        ("keypoint_outside_image", include_str!("../../rules/keypoint_outside_image.toml"), Find::Rust(rules::keypoint_outside_image::find)),
        ("label_without_image", include_str!("../../rules/label_without_image.toml"), Find::Rust(rules::label_without_image::find)),
        ("left_right_swap", include_str!("../../rules/left_right_swap.toml"), Find::Poses(rules::left_right_swap::find)),
        ("light_image", include_str!("../../rules/light_image.toml"), Find::Rust(rules::light_image::find)),
        ("litter_file", include_str!("../../rules/litter_file.toml"), Find::Rust(rules::litter_file::find)),
        ("low_information_image", include_str!("../../rules/low_information_image.toml"), Find::Rust(rules::low_information_image::find)),
        ("mislabelled_class", include_str!("../../rules/mislabelled_class.toml"), Find::Rust(rules::mislabelled_class::find)),
        ("missing_image", include_str!("../../rules/missing_image.toml"), Find::Rust(rules::missing_image::find)),
        ("missing_keypoint", include_str!("../../rules/missing_keypoint.toml"), Find::Rust(rules::missing_keypoint::find)),
        ("near_duplicate", include_str!("../../rules/near_duplicate.toml"), Find::Rust(rules::near_duplicate::find)),
        ("occluded_keypoint", include_str!("../../rules/occluded_keypoint.toml"), Find::Rust(rules::occluded_keypoint::find)),
        ("odd_aspect_image", include_str!("../../rules/odd_aspect_image.toml"), Find::Rust(rules::odd_aspect_image::find)),
        ("odd_size_image", include_str!("../../rules/odd_size_image.toml"), Find::Rust(rules::odd_size_image::find)),
        ("other_scorer", include_str!("../../rules/other_scorer.toml"), Find::Rust(rules::other_scorer::find)),
        ("overlooked_instance", include_str!("../../rules/overlooked_instance.toml"), Find::Rust(rules::overlooked_instance::find)),
        ("oversized_image", include_str!("../../rules/oversized_image.toml"), Find::Rust(rules::oversized_image::find)),
        ("pose_outlier", include_str!("../../rules/pose_outlier.toml"), Find::Poses(rules::pose_outlier::find)),
        ("rare_keypoint", include_str!("../../rules/rare_keypoint.toml"), Find::Rust(rules::rare_keypoint::find)),
        ("rotated_image", include_str!("../../rules/rotated_image.toml"), Find::Rust(rules::rotated_image::find)),
        ("split_leakage", include_str!("../../rules/split_leakage.toml"), Find::Rust(rules::split_leakage::find)),
        ("swapped_class", include_str!("../../rules/swapped_class.toml"), Find::Rust(rules::swapped_class::find)),
        ("temporal_jump", include_str!("../../rules/temporal_jump.toml"), Find::Rust(rules::temporal_jump::find)),
        ("tiny_box", include_str!("../../rules/tiny_box.toml"), Find::Sql),
        ("uncompared_labels", include_str!("../../rules/uncompared_labels.toml"), Find::Rust(rules::uncompared_labels::find)),
        ("undefined_class", include_str!("../../rules/undefined_class.toml"), Find::Rust(rules::undefined_class::find)),
        ("unfetched_image", include_str!("../../rules/unfetched_image.toml"), Find::Rust(rules::unfetched_image::find)),
        ("unlabelled_image", include_str!("../../rules/unlabelled_image.toml"), Find::Sql),
        ("unlabelled_keypoint", include_str!("../../rules/unlabelled_keypoint.toml"), Find::Rust(rules::unlabelled_keypoint::find)),
        ("unreadable_label", include_str!("../../rules/unreadable_label.toml"), Find::Rust(rules::unreadable_label::find)),
        ("unused_class", include_str!("../../rules/unused_class.toml"), Find::Rust(rules::unused_class::find)),
        ("whole_image_box", include_str!("../../rules/whole_image_box.toml"), Find::Rust(rules::whole_image_box::find)),
        ("wrong_flip_pairs", include_str!("../../rules/wrong_flip_pairs.toml"), Find::Rust(rules::wrong_flip_pairs::find)),
        ("wrong_suffix", include_str!("../../rules/wrong_suffix.toml"), Find::Rust(rules::wrong_suffix::find)),
        ("zero_area_box", include_str!("../../rules/zero_area_box.toml"), Find::Rust(rules::zero_area_box::find)),
    ]
    .into_iter()
    .map(|(slug, toml, find)| Rule::parse(slug, toml, find))
    .collect()
}
