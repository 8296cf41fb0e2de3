//! Two instances of one image that are nearly equal.

use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::{BBox, Dataset, Instance};
use crate::facts::Facts;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for mut range in dataset.instances_by_image() {
        let first = range.start;
        let mut known: Vec<Extent> =
            (range.by_ref()).filter_map(|at| Extent::new(dataset, at)).collect();
        known.sort_by(|a, b| a.area.x.total_cmp(&b.area.x).then(a.at.cmp(&b.at)));
        // The best match of each instance among those before it in the label file.
        let mut best: Vec<Option<(f64, usize)>> = vec![None; range.end - first];
        for (place, a) in known.iter().enumerate() {
            for b in &known[place + 1..] {
                // Nearly equal extents begin nearly at the same x.
                if b.area.x > a.area.x + a.area.width {
                    break;
                }
                let Some(likeness) = likeness(dataset, a, b, settings) else { continue };
                let (later, earlier) = (a.at.max(b.at), a.at.min(b.at));
                let entry = &mut best[later - first];
                let better = |&(known, at): &(f64, usize)| (known, at) < (likeness, earlier);
                if entry.as_ref().is_none_or(better) {
                    *entry = Some((likeness, earlier));
                }
            }
        }
        for (offset, entry) in best.into_iter().enumerate() {
            let Some((likeness, earlier)) = entry else { continue };
            let at = first + offset;
            hits.push(hit(dataset, at, earlier, likeness, settings));
        }
    }
    hits
}

/// An instance and the box around what is labelled of it.
struct Extent {
    at: usize,
    area: BBox,
}

impl Extent {
    /// Returns nothing for an instance without extent and for a crowd, which may
    /// lie over anything.
    fn new(dataset: &Dataset, at: usize) -> Option<Extent> {
        let instance = &dataset.instances[at];
        if instance.crowd {
            return None;
        }
        let area = match instance.bbox {
            Some(bbox) => bbox,
            None => around(dataset, instance)?,
        };
        (area.area() > 0.0).then_some(Extent { at, area })
    }
}

/// Returns the box around the keypoints of an instance.
fn around(dataset: &Dataset, instance: &Instance) -> Option<BBox> {
    let points = dataset.keypoints_of(instance);
    let first = points.first()?;
    let [mut left, mut top, mut right, mut bottom] = [first.x, first.y, first.x, first.y];
    for point in points {
        (left, right) = (left.min(point.x), right.max(point.x));
        (top, bottom) = (top.min(point.y), bottom.max(point.y));
    }
    Some(BBox { x: left, y: top, width: right - left, height: bottom - top })
}

/// Returns how alike two instances of one image are, from the threshold to 1, or
/// nothing below the threshold.
///
/// Where both have keypoints in common, those decide, else their boxes.
fn likeness(dataset: &Dataset, a: &Extent, b: &Extent, settings: &Settings) -> Option<f64> {
    let [first, second] = [a, b].map(|extent| &dataset.instances[extent.at]);
    if first.class != second.class || first.skeleton != second.skeleton {
        return None;
    }
    let mut shared = 0;
    let mut sum_px = 0.0;
    for point in dataset.keypoints_of(first) {
        if let Some(other) = dataset.keypoint(second, point.kind) {
            shared += 1;
            sum_px += (point.x - other.x).hypot(point.y - other.y);
        }
    }
    if f64::from(shared) >= settings.get("min_shared_keypoints") {
        let size_px = (a.area.width.hypot(a.area.height)).min(b.area.width.hypot(b.area.height));
        let distance = sum_px / f64::from(shared) / size_px;
        let max_distance = settings.get("max_distance");
        return (distance <= max_distance).then_some(1.0 - distance);
    }
    let boxes = first.bbox.zip(second.bbox)?;
    let iou = boxes.0.iou(&boxes.1);
    (iou >= settings.get("min_iou")).then_some(iou)
}

fn hit(dataset: &Dataset, at: usize, earlier: usize, likeness: f64, settings: &Settings) -> Hit {
    let [instance, other] = [at, earlier].map(|at| &dataset.instances[at]);
    let name = dataset.instance_name(other);
    let by_keypoints = other.len > 0 && instance.len > 0;
    let message = match (likeness >= 1.0, by_keypoints) {
        (true, _) => format!("equal to instance {name}"),
        (false, true) => format!(
            "keypoints lie on average {:.1} % of its size from those of instance {name}",
            100.0 * (1.0 - likeness)
        ),
        (false, false) => format!("overlaps instance {name} with an IoU of {likeness:.3}"),
    };
    let threshold = match by_keypoints {
        true => 1.0 - settings.get("max_distance"),
        false => settings.get("min_iou"),
    };
    Hit::new(Subject::Instance(at as u32), likeness, message)
        .measured(likeness, threshold)
        .related(vec![name])
        .proposal(Proposal::new(Action::DropInstance))
}
