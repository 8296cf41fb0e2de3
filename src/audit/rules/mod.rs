//! One file per rule. Generated: `UPDATE=1 cargo test --release`.

pub(super) mod zero_area_box;
