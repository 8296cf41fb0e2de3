//! Over-exposed images: much of the picture is clipped to white, and most is bright.

use crate::audit::models::baseline;
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let min_clipped_frac = settings.get("min_clipped_frac");
    let min_median = settings.get("min_median");
    (facts.images.iter().enumerate())
        .filter_map(|(image, known)| {
            let pixels = known.pixels.as_ref()?;
            let clipped = f64::from(pixels.clipped_frac);
            let median = f64::from(pixels.brightness[2]);
            (clipped >= min_clipped_frac && median >= min_median).then(|| {
                let message = format!(
                    "{:.0} % of the pixels are clipped to white, the median brightness is {median:.2} of 1",
                    100.0 * clipped
                );
                let score = baseline::confidence(clipped, min_clipped_frac);
                Hit::new(Subject::Image(image as u32), score, message)
                    .measured(clipped, min_clipped_frac)
                    .proposal(Proposal::new(Action::DropImage))
            })
        })
        .collect()
}
