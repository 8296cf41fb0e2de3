//! Images that show nothing: no edge in (nearly) any part, at fair exposure.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let max_detail_frac = settings.get("max_detail_frac");
    (facts.images.iter().enumerate())
        .filter_map(|(image, known)| {
            let pixels = known.pixels.as_ref()?;
            let detail = f64::from(pixels.detail_frac);
            // Dark and over-exposed images show nothing either; their own rules say why.
            let exposed = f64::from(pixels.brightness[4]) > settings.get("min_brightness")
                && f64::from(pixels.clipped_frac) < settings.get("max_clipped_frac");
            (detail <= max_detail_frac && exposed).then(|| {
                let message = format!(
                    "{:.1} % of the image shows an edge; brightness varies by {:.3} of 1",
                    100.0 * detail,
                    pixels.contrast
                );
                Hit::new(Subject::Image(image as u32), 0.95, message)
                    .measured(detail, max_detail_frac)
                    .proposal(Proposal::new(Action::DropImage))
            })
        })
        .collect()
}
