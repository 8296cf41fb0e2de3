//! Boxes whose size or aspect ratio is far from that of their class.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::facts::Facts;
use crate::stats::robust::{Robust, robust};

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    // Sides relative to the image, so that images of several sizes compare.
    let relative = (dataset.instances.iter())
        .filter(|instance| instance.bbox.is_some())
        .all(|instance| facts.size_px(instance.image as usize).is_some());
    let mut by_class = vec![Vec::new(); dataset.classes.len() + 1];
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some(bbox) = instance.bbox.filter(|bbox| bbox.area() > 0.0) else { continue };
        if instance.crowd {
            continue;
        }
        let image = match facts.size_px(instance.image as usize) {
            Some([width, height]) if relative => f64::from(width) * f64::from(height),
            _ => 1.0,
        };
        let class = instance.class.map_or(dataset.classes.len(), usize::from);
        by_class[class].push(Shape {
            at,
            log_size: 0.5 * (bbox.area() / image).ln(),
            log_aspect: (bbox.width / bbox.height).ln(),
        });
    }
    let min_boxes = settings.get("min_boxes") as usize;
    let mut hits: Vec<Hit> = (by_class.into_iter())
        .filter(|shapes| shapes.len() >= min_boxes)
        .flat_map(|shapes| outliers(facts, &shapes, settings))
        .collect();
    hits.sort_by(|a, b| a.subject.cmp(&b.subject));
    hits
}

/// Logarithms of a box's size (geometric mean of its sides) and aspect ratio: sizes
/// of objects spread by factors, not by sums.
#[derive(Debug, Clone, Copy)]
struct Shape {
    at: usize,
    log_size: f64,
    log_aspect: f64,
}

/// Returns hits for the boxes of one class.
fn outliers(facts: &Facts, shapes: &[Shape], settings: &Settings) -> Vec<Hit> {
    let max_deviations = settings.get("max_deviations");
    let least = settings.get("least_spread");
    let (Some(size), Some(aspect)) = (
        spread(shapes.iter().map(|shape| shape.log_size), least),
        spread(shapes.iter().map(|shape| shape.log_aspect), least),
    ) else {
        return Vec::new();
    };
    let mut hits = Vec::new();
    for shape in shapes {
        let (by_size, by_aspect) =
            (deviations(shape.log_size, size), deviations(shape.log_aspect, aspect));
        let worst = if by_size.abs() >= by_aspect.abs() { by_size } else { by_aspect };
        if worst.abs() <= max_deviations {
            continue;
        }
        let Some(bbox) = facts.dataset.instances[shape.at].bbox else { continue };
        let what = if worst == by_size {
            let times = (shape.log_size - size.median).abs().exp();
            let word = if by_size > 0.0 { "larger" } else { "smaller" };
            format!("{times:.1} times {word} than the median of its class")
        } else {
            let times = (shape.log_aspect - aspect.median).abs().exp();
            let word = if by_aspect > 0.0 { "wider" } else { "narrower" };
            format!("{times:.1} times {word} for its height than the median of its class")
        };
        let message = format!(
            "box of {:.1} × {:.1} px is {what} ({:.1} robust standard deviations)",
            bbox.width,
            bbox.height,
            worst.abs()
        );
        let excess = worst.abs() / max_deviations;
        // Half at the threshold, towards one far beyond it.
        let score = excess / (1.0 + excess);
        hits.push(
            Hit::new(Subject::Instance(shape.at as u32), score, message)
                .measured(worst.abs(), max_deviations)
                .proposal(Proposal::new(Action::Relabel)),
        );
    }
    hits
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
