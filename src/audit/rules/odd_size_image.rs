//! Images of another size than the rest.

use std::collections::BTreeMap;

use crate::audit::{Hit, Settings, Subject};
use crate::facts::Facts;
use crate::stats::robust::quantile;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let mut groups: BTreeMap<Option<u32>, Vec<(usize, [u32; 2])>> = BTreeMap::new();
    for (at, (image, known)) in facts.dataset.images.iter().zip(&facts.images).enumerate() {
        if let Some(size) = known.size_px {
            groups.entry(image.video).or_default().push((at, size));
        }
    }
    (groups.values())
        .filter(|images| images.len() as f64 >= settings.get("min_images"))
        .flat_map(|images| of_group(images, settings))
        .collect()
}

fn of_group(images: &[(usize, [u32; 2])], settings: &Settings) -> Vec<Hit> {
    let mut counts: BTreeMap<[u32; 2], usize> = BTreeMap::new();
    for (_, size) in images {
        *counts.entry(*size).or_default() += 1;
    }
    let Some((&usual, &count)) = counts.iter().max_by_key(|(_, count)| **count) else {
        return Vec::new();
    };
    let share = count as f64 / images.len() as f64;
    if share >= settings.get("min_share") {
        // Frames of one camera: any other size is odd.
        let others = images.iter().filter(|(_, size)| *size != usual);
        return others
            .map(|&(image, [width, height])| {
                let message = format!(
                    "{width} × {height} px, where {count} of {} images are {} × {} px",
                    images.len(),
                    usual[0],
                    usual[1]
                );
                Hit::new(Subject::Image(image as u32), share, message)
            })
            .collect();
    }
    // Images of all sizes: odd are those far from the rest on a scale of ratios.
    let log_side = |[width, height]: [u32; 2]| (f64::from(width) * f64::from(height)).ln() / 2.0;
    let mut sides: Vec<f64> = images.iter().map(|(_, size)| log_side(*size)).collect();
    let (Some(low), Some(median), Some(high)) =
        (quantile(&mut sides, 0.25), quantile(&mut sides, 0.5), quantile(&mut sides, 0.75))
    else {
        return Vec::new();
    };
    let limit = (settings.get("min_iqr") * (high - low)).max(settings.get("min_factor").ln());
    (images.iter())
        .filter_map(|&(image, [width, height])| {
            let factor = log_side([width, height]) - median;
            (factor.abs() >= limit).then(|| {
                let message =
                    format!("{width} × {height} px, a side {:.1} times the median's", factor.exp());
                Hit::new(Subject::Image(image as u32), 0.8, message)
                    .measured(factor.abs().exp(), limit.exp())
            })
        })
        .collect()
}
