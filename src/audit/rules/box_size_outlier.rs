//! Boxes whose size is far from that of their class.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::BBox;
use crate::facts::Facts;
use crate::stats::robust::{Robust, robust};

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    // Sides relative to the image, so that images of several sizes compare.
    let relative = (dataset.instances.iter())
        .filter(|instance| instance.bbox.is_some())
        .all(|instance| facts.size_px(instance.image as usize).is_some());
    let edge_px = settings.get("edge_px");
    let mut by_class = vec![Vec::new(); dataset.classes.len() + 1];
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some(bbox) = instance.bbox.filter(|bbox| bbox.area() > 0.0) else { continue };
        if instance.crowd {
            continue;
        }
        let image = facts.size_px(instance.image as usize).map(|side| side.map(f64::from));
        let area = image.filter(|_| relative).map_or(1.0, |[width, height]| width * height);
        let class = instance.class.map_or(dataset.classes.len(), usize::from);
        by_class[class].push(Size {
            at,
            log_size: 0.5 * (bbox.area() / area).ln(),
            cut: image.is_some_and(|image| touches_edge(&bbox, image, edge_px)),
        });
    }
    let min_boxes = settings.get("min_boxes") as usize;
    let mut hits: Vec<Hit> = (by_class.into_iter())
        .filter(|sizes| sizes.len() >= min_boxes)
        .flat_map(|sizes| outliers(facts, &sizes, settings))
        .collect();
    hits.sort_by(|a, b| a.subject.cmp(&b.subject));
    hits
}

/// Logarithm of a box's size, the geometric mean of its sides: sizes of objects spread
/// by factors, not by sums.
#[derive(Debug, Clone, Copy)]
struct Size {
    at: usize,
    log_size: f64,
    /// Whether the image's edge may cut the object, so that it looks smaller than it is.
    cut: bool,
}

/// Returns hits for the boxes of one class.
fn outliers(facts: &Facts, sizes: &[Size], settings: &Settings) -> Vec<Hit> {
    let max_deviations = settings.get("max_deviations");
    let logs = sizes.iter().map(|size| size.log_size);
    let Some(usual) = spread(logs, settings.get("least_spread")) else { return Vec::new() };
    let mut hits = Vec::new();
    for size in sizes {
        let deviations = deviations(size.log_size, usual);
        if deviations.abs() <= max_deviations || (size.cut && deviations < 0.0) {
            continue;
        }
        let Some(bbox) = facts.dataset.instances[size.at].bbox else { continue };
        let message = format!(
            "box of {:.1} × {:.1} px is {:.1} times {} than the median of its class \
             ({:.1} robust standard deviations)",
            bbox.width,
            bbox.height,
            (size.log_size - usual.median).abs().exp(),
            if deviations > 0.0 { "larger" } else { "smaller" },
            deviations.abs()
        );
        let excess = deviations.abs() / max_deviations;
        // Half at the threshold, towards one far beyond it.
        hits.push(
            Hit::new(Subject::Instance(size.at as u32), excess / (1.0 + excess), message)
                .measured(deviations.abs(), max_deviations)
                .proposal(Proposal::new(Action::Relabel)),
        );
    }
    hits
}

/// Returns whether a box reaches an edge of the image of the given sides.
fn touches_edge(bbox: &BBox, [width, height]: [f64; 2], edge_px: f64) -> bool {
    bbox.x <= edge_px
        || bbox.y <= edge_px
        || bbox.x + bbox.width >= width - edge_px
        || bbox.y + bbox.height >= height - edge_px
}

/// Returns median and scatter; `least` keeps equal values from making every other
/// one infinitely far.
fn spread(values: impl Iterator<Item = f64>, least: f64) -> Option<Robust> {
    let known = robust(&mut values.collect::<Vec<f64>>())?;
    Some(Robust { sd: known.sd.max(least), ..known })
}

fn deviations(value: f64, spread: Robust) -> f64 {
    (value - spread.median) / spread.sd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_the_least_spread() {
        let known = spread([2.0; 9].into_iter(), 0.05).expect("values");
        assert!((deviations(2.1, known) - 2.0).abs() < 1e-9);
    }
}
