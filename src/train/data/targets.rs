//! Targets of a pose: what score maps and location refinement should be.
//!
//! Takes keypoints in pixels of the input, writes the planes of one example. Cell `(i, j)` of a
//! map has its centre at `(8i + 4, 8j + 4)` pixels.

use serde::{Deserialize, Serialize};

use super::example::Label;
use crate::models::POSE_STRIDE;

/// Standard deviation of location refinement in pixels, which its targets are divided by.
///
/// # Source
/// DeepLabCut's `locref_stdev`.
pub const LOCREF_DEVIATION: f64 = 7.2801;

/// How keypoints become maps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// Radius of a keypoint in pixels of the input, above 0: cells whose centre is nearer learn
    /// the way to it. DeepLabCut's `pos_dist_thresh` is 17.
    pub radius_px: f64,
    /// What score maps look like around a keypoint.
    pub shape: Shape,
    /// What is taught about keypoints without a label.
    pub unlabelled: Unlabelled,
}

/// What score maps look like around a keypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// 1 within the radius, 0 beyond. DeepLabCut's on TensorFlow.
    Disc,
    /// `exp(−d²/2σ²)` with σ of two thirds of the radius. DeepLabCut's on PyTorch.
    Gaussian,
}

/// What is taught about keypoints without a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlabelled {
    /// That they are nowhere: scores of 0. DeepLabCut's way.
    Absent,
    /// Nothing.
    Ignored,
}

impl Default for TargetSettings {
    /// Returns DeepLabCut's on TensorFlow.
    fn default() -> Self {
        let (shape, unlabelled) = (Shape::Disc, Unlabelled::Absent);
        TargetSettings { radius_px: 17.0, shape, unlabelled }
    }
}

/// A keypoint in the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// It is not labelled.
    Unlabelled,
    /// It has left the input: nothing is taught.
    Outside,
    /// It is here, in pixels of the input.
    Inside(Label),
}

/// Targets of one example, to be written.
///
/// # Shapes
/// `scores, score_weights: [K, h, w]`; `offsets, offset_weights: [2K, h, w]`, channels 2k and
/// 2k + 1 those of keypoint k along x and y.
#[derive(Debug)]
pub(super) struct Maps<'a> {
    pub(super) scores: &'a mut [f32],
    pub(super) score_weights: &'a mut [f32],
    pub(super) offsets: &'a mut [f32],
    pub(super) offset_weights: &'a mut [f32],
}

/// Writes the targets of one example, all elements of them.
///
/// A score's weight is that of the example times that of the label, over the whole map; an
/// offset's is the same within the radius, 0 beyond.
pub(super) fn rasterise(
    places: &[Place],
    weight: f32,
    [width, height]: [usize; 2],
    settings: &TargetSettings,
    maps: &mut Maps<'_>,
) {
    let cells = width * height;
    maps.scores.fill(0.0);
    maps.offsets.fill(0.0);
    maps.offset_weights.fill(0.0);
    let planes = (maps.scores.chunks_exact_mut(cells))
        .zip(maps.score_weights.chunks_exact_mut(cells))
        .zip(maps.offsets.chunks_exact_mut(2 * cells))
        .zip(maps.offset_weights.chunks_exact_mut(2 * cells));
    for (place, (((scores, score_weights), offsets), offset_weights)) in places.iter().zip(planes) {
        let taught = match place {
            Place::Outside => 0.0,
            Place::Unlabelled => match settings.unlabelled {
                Unlabelled::Absent => weight,
                Unlabelled::Ignored => 0.0,
            },
            Place::Inside(label) => weight * label.weight,
        };
        score_weights.fill(taught);
        let Place::Inside(label) = place else { continue };
        if settings.shape == Shape::Gaussian {
            gaussian(scores, width, label, settings.radius_px);
        }
        let near = settings.radius_px.powi(2);
        for row in rows(label.y, settings.radius_px, height) {
            for column in rows(label.x, settings.radius_px, width) {
                let [dx, dy] = [label.x - centre(column), label.y - centre(row)];
                if dx * dx + dy * dy > near {
                    continue;
                }
                let at = row * width + column;
                if settings.shape == Shape::Disc {
                    scores[at] = 1.0;
                }
                for (plane, way) in [dx, dy].into_iter().enumerate() {
                    offsets[plane * cells + at] = (way / LOCREF_DEVIATION) as f32;
                    offset_weights[plane * cells + at] = taught;
                }
            }
        }
    }
}

/// Returns the middle of a cell in pixels of the input.
fn centre(cell: usize) -> f64 {
    (cell * POSE_STRIDE) as f64 + POSE_STRIDE as f64 / 2.0
}

/// Returns the cells whose middle may lie within a radius.
fn rows(at: f64, radius: f64, count: usize) -> std::ops::Range<usize> {
    let stride = POSE_STRIDE as f64;
    let first = ((at - radius) / stride - 0.5).ceil().max(0.0) as usize;
    let last = ((at + radius) / stride - 0.5).floor();
    let end = if last < 0.0 { 0 } else { last as usize + 1 };
    first..end.min(count)
}

/// Writes a Gaussian: the product of one along x and one along y.
fn gaussian(scores: &mut [f32], width: usize, label: &Label, radius: f64) {
    let sigma = 2.0 * radius / 3.0;
    let fall = |way: f64| (-way * way / (2.0 * sigma * sigma)).exp();
    let along_x: Vec<f64> = (0..width).map(|column| fall(label.x - centre(column))).collect();
    for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
        let along_y = fall(label.y - centre(row));
        for (score, along_x) in scores.iter_mut().zip(&along_x) {
            *score = (along_x * along_y) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Written {
        scores: Vec<f32>,
        score_weights: Vec<f32>,
        offsets: Vec<f32>,
        offset_weights: Vec<f32>,
    }

    fn written(places: &[Place], settings: &TargetSettings) -> Written {
        let cells = 12 * places.len();
        let mut written = Written {
            scores: vec![9.0; cells],
            score_weights: vec![9.0; cells],
            offsets: vec![9.0; 2 * cells],
            offset_weights: vec![9.0; 2 * cells],
        };
        let Written { scores, score_weights, offsets, offset_weights } = &mut written;
        let mut maps = Maps { scores, score_weights, offsets, offset_weights };
        rasterise(places, 2.0, [4, 3], settings, &mut maps);
        written
    }

    #[test]
    fn a_disc_leads_to_its_keypoint() {
        let label = Label { x: 13.0, y: 12.0, weight: 0.5 };
        let settings = TargetSettings { radius_px: 8.5, ..TargetSettings::default() };
        let places = [Place::Inside(label), Place::Unlabelled, Place::Outside];
        let w = written(&places, &settings);
        // Centres at 4, 12, 20, 28: those of cells (1, 0), (1, 1), (1, 2) and (2, 1) are near.
        let near: Vec<usize> = (0..12).filter(|at| w.scores[*at] == 1.0).collect();
        assert_eq!(near, [1, 5, 6, 9]);
        assert_eq!(w.offset_weights[..12].iter().sum::<f32>(), 4.0);
        assert!((f64::from(w.offsets[6]) * LOCREF_DEVIATION + 7.0).abs() < 1e-6);
        assert!((f64::from(w.offsets[12 + 1]) * LOCREF_DEVIATION - 8.0).abs() < 1e-6);
        assert_eq!(w.score_weights[..12], [1.0; 12]);
        assert_eq!(w.score_weights[12..], [[2.0; 12], [0.0; 12]].concat());
        assert!(w.scores[12..].iter().chain(&w.offset_weights[24..]).all(|value| *value == 0.0));
    }

    #[test]
    fn a_gaussian_falls_to_a_third_at_its_radius() {
        let settings = TargetSettings {
            radius_px: 12.0,
            shape: Shape::Gaussian,
            unlabelled: Unlabelled::Ignored,
        };
        let label = Label { x: 12.0, y: 12.0, weight: 1.0 };
        let w = written(&[Place::Inside(label), Place::Unlabelled], &settings);
        assert_eq!(w.scores[5], 1.0);
        // σ = 8: the neighbour, one σ away.
        assert!((w.scores[6] - (-0.5_f32).exp()).abs() < 1e-6);
        assert_eq!(w.score_weights[12..], [0.0; 12]);
    }
}
