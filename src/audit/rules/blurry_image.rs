//! Images whose sharpest edges are soft, by themselves or against their video.

use crate::audit::models::baseline::{self, Measured};
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;
use crate::pixels::{MEASURED_SIDE_PX, PixelFacts};

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let directional = settings.get("directional");
    (baseline::measured(facts, |known| known.pixels.as_ref()?.blur_px.map(f64::from)).iter())
        .filter_map(|blur| {
            let pixels = facts.images[blur.image].pixels.as_ref()?;
            let threshold = threshold(blur, scale(facts, blur.image), settings)?;
            let hit = Hit::new(
                Subject::Image(blur.image as u32),
                baseline::confidence(blur.value, threshold),
                message(blur.value, pixels, directional),
            );
            Some(hit.measured(blur.value, threshold).proposal(Proposal::new(Action::DropImage)))
        })
        .collect()
}

/// Returns how many pixels of the image one pixel of the measure is.
fn scale(facts: &Facts, image: usize) -> f64 {
    let longer = facts.images[image].size_px.map_or(0, |[width, height]| width.max(height));
    (f64::from(longer) / MEASURED_SIDE_PX as f64).max(1.0)
}

/// Returns the least threshold that a softness is beyond, if it is beyond any.
fn threshold(blur: &Measured, scale: f64, settings: &Settings) -> Option<f64> {
    let least = settings.get("min_blur_px");
    // Soft for any camera, whatever the other images are like.
    let alone = least.max(settings.get("blur_alone_px") / scale);
    let beside = blur.usual.map(|usual| {
        (usual.median + settings.get("min_z") * usual.sd)
            .max(usual.median * settings.get("min_ratio"))
            .max(least)
    });
    let threshold = beside.map_or(alone, |beside| beside.min(alone));
    (blur.value >= threshold).then_some(threshold)
}

fn message(blur: f64, pixels: &PixelFacts, directional: f64) -> String {
    if f64::from(pixels.motion_blur) >= directional {
        let angle = pixels.motion_angle_deg;
        format!("the sharpest edges are {blur:.1} px soft along {angle:.0}°, less across: motion")
    } else {
        format!("the sharpest edges are {blur:.1} px soft")
    }
}
