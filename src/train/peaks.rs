//! From score maps to keypoints.
//!
//! Takes what a pose network gives for one image; gives the place of each keypoint in the
//! pixels of the network's input, and its likelihood. Knows nothing of the image's frame.

use super::data::LOCREF_DEVIATION;
use crate::models::POSE_STRIDE;

/// Where a network sees a keypoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Peak {
    /// Pixels from the left edge of the network's input.
    pub(super) x: f64,
    /// Pixels from its top edge.
    pub(super) y: f64,
    /// Score of the best cell, 0 to 1.
    pub(super) likelihood: f64,
}

/// Returns the best cell of each score map, moved by its offset: with the best cell `(i, j)`,
/// `x = 8j + 4 + s·locref[2k, i, j]`, `y = 8i + 4 + s·locref[2k + 1, i, j]`, `s` being
/// [`LOCREF_DEVIATION`]. Of equal scores the first counts; a score that is no number is none.
///
/// # Shapes
/// `score_maps: [K, h, w]` as probabilities, `locref: [2K, h, w]`.
///
/// # Source
/// DeepLabCut 3.0.1, `pose_estimation_tensorflow/core/predict.py`, `argmax_pose_predict`.
pub(super) fn peaks(
    score_maps: &[f32],
    locref: &[f32],
    [keypoints, height, width]: [usize; 3],
) -> Vec<Peak> {
    let cells = height * width;
    (0..keypoints)
        .map(|k| {
            let scores = &score_maps[k * cells..][..cells];
            let mut best = 0;
            for (cell, score) in scores.iter().enumerate() {
                if *score > scores[best] || scores[best].is_nan() {
                    best = cell;
                }
            }
            let centre = |at: usize| (at * POSE_STRIDE) as f64 + POSE_STRIDE as f64 / 2.0;
            let offset =
                |channel: usize| f64::from(locref[channel * cells + best]) * LOCREF_DEVIATION;
            Peak {
                x: centre(best % width) + offset(2 * k),
                y: centre(best / width) + offset(2 * k + 1),
                likelihood: f64::from(scores[best]),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_cell_is_moved_by_its_offset() {
        let mut scores = vec![0.1; 2 * 6];
        scores[4] = 0.9; // keypoint 0, row 1, column 1 of 2 x 3
        scores[6] = f32::NAN;
        scores[6 + 2] = 0.5; // keypoint 1, row 0, column 2
        let mut locref = vec![0.0; 4 * 6];
        locref[4] = 0.5;
        locref[6 + 4] = -1.0;
        let found = peaks(&scores, &locref, [2, 2, 3]);
        let stdev = LOCREF_DEVIATION;
        let first = Peak { x: 12.0 + 0.5 * stdev, y: 12.0 - stdev, likelihood: f64::from(0.9_f32) };
        assert_eq!(found[0], first);
        assert_eq!(found[1], Peak { x: 20.0, y: 4.0, likelihood: 0.5 });
    }
}
