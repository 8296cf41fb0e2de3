//! From samples of 0 to 255 to what the weights of a network were trained on.

use serde::{Deserialize, Serialize};

/// Mean and standard deviation per channel (red, green, blue) of samples divided by 255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Subtracted.
    pub mean: [f32; 3],
    /// Divided by; above 0.
    pub deviation: [f32; 3],
}

impl Normalisation {
    /// That of EfficientNet-Lite: −1 to 1.
    pub const LITE: Normalisation = Normalisation { mean: [0.5; 3], deviation: [0.5; 3] };
    /// That of ImageNet's own statistics, which most other weights were trained with.
    pub const IMAGENET: Normalisation =
        Normalisation { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

    /// Writes samples `[height, width, 3]` as `[3, height, width]`, of the same length.
    pub(crate) fn apply(&self, samples: &[u8], planes: &mut [f32]) {
        let place = planes.len() / 3;
        for (channel, plane) in planes.chunks_exact_mut(place.max(1)).enumerate() {
            let factor = 1.0 / (255.0 * self.deviation[channel]);
            let offset = -self.mean[channel] / self.deviation[channel];
            for (value, pixel) in plane.iter_mut().zip(samples.as_chunks::<3>().0) {
                *value = f32::from(pixel[channel]) * factor + offset;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_normalised_by_channel() {
        let mut planes = [0.0; 6];
        Normalisation::LITE.apply(&[0, 255, 51, 255, 0, 51], &mut planes);
        for (value, expected) in planes.iter().zip([-1.0, 1.0, 1.0, -1.0, -0.6, -0.6]) {
            assert!((value - expected).abs() < 1e-6, "{planes:?}");
        }
        Normalisation::IMAGENET.apply(&[0; 6], &mut planes);
        assert!((planes[2] + 0.456 / 0.224).abs() < 1e-6);
    }
}
