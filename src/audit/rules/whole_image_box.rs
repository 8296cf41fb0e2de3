//! Boxes that cover the whole image, where boxes of their class do not.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::BBox;
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let min_cover = settings.get("min_cover");
    let dataset = &facts.dataset;
    let mut boxes = vec![0_usize; dataset.classes.len() + 1];
    let mut whole = vec![Vec::new(); dataset.classes.len() + 1];
    for (at, instance) in dataset.instances.iter().enumerate() {
        let Some(bbox) = instance.bbox else { continue };
        let Some([width, height]) = facts.size_px(instance.image as usize) else { continue };
        let class = instance.class.map_or(dataset.classes.len(), usize::from);
        boxes[class] += 1;
        let image = BBox { x: 0.0, y: 0.0, width: f64::from(width), height: f64::from(height) };
        let cover = bbox.iou(&image);
        if cover >= min_cover {
            whole[class].push((at, cover));
        }
    }
    let mut hits = Vec::new();
    for (total, whole) in boxes.into_iter().zip(whole) {
        let share = whole.len() as f64 / total.max(1) as f64;
        // Close-ups and labels made of image classes fill the image by intent.
        if total < settings.get("min_boxes") as usize || share > settings.get("max_share") {
            continue;
        }
        hits.extend(whole.iter().map(|&(at, cover)| {
            let message = format!(
                "covers {:.1} % of the image, as {} of {total} boxes of its class do",
                100.0 * cover,
                whole.len()
            );
            Hit::new(Subject::Instance(at as u32), settings.get("base_score"), message)
                .measured(cover, min_cover)
                .proposal(Proposal::new(Action::Relabel))
        }));
    }
    hits
}
