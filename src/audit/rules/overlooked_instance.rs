//! Objects and animals that a model is sure of and nobody labelled.

use crate::audit::models::lapse::{Lapse, Trial};
use crate::audit::models::matching::{Found, matching};
use crate::audit::{Action, Hit, Proposal, Settings, Subject};
use crate::dataset::{BBox, Dataset, PredictedPose};
use crate::facts::{Facts, Predicted};

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let Some(predicted) = &facts.predictions else { return Vec::new() };
    let mut hits = boxes(&facts.dataset, predicted, settings);
    hits.extend(poses(&facts.dataset, predicted, settings));
    hits
}

/// Returns the predicted boxes on whose place nothing is labelled.
fn boxes(dataset: &Dataset, predicted: &Predicted, settings: &Settings) -> Vec<Hit> {
    let all = &predicted.predictions().boxes;
    let found = matching(dataset, all).found;
    let seen: Vec<Seen> = (all.iter().zip(&found))
        .filter(|(_, found)| **found != Found::Nothing)
        .map(|(row, found)| Seen {
            image: row.image,
            bbox: row.bbox,
            name: dataset.classes[usize::from(row.class)].name.clone(),
            trial: Trial { score: row.score, confirmed: *found == Found::Label },
        })
        .collect();
    judge(dataset, &seen, settings)
}

/// Returns the predicted poses where no animal is labelled.
fn poses(dataset: &Dataset, predicted: &Predicted, settings: &Settings) -> Vec<Hit> {
    let reach = settings.get("reach");
    let all = &predicted.predictions().poses;
    let ranges = dataset.instances_by_image();
    let chosen: Vec<&PredictedPose> =
        (0..dataset.instances.len()).filter_map(|at| predicted.pose(at)).collect();
    let mut seen = Vec::new();
    for pose in all {
        let range = ranges[pose.image as usize].clone();
        let Some(bbox) = around(pose) else { continue };
        // Of an image without labels nobody knows whether an animal is there.
        if !dataset.instances[range.clone()].iter().any(|instance| instance.len > 0) {
            continue;
        }
        let far = reach * bbox.width.hypot(bbox.height);
        let near = range.clone().any(|at| distance(dataset, at, pose).is_some_and(|d| d <= far));
        let own = chosen.iter().any(|other| std::ptr::eq(*other, pose));
        // A second pose on a labelled animal is no other animal.
        if near && !own {
            continue;
        }
        seen.push(Seen {
            image: pose.image,
            bbox,
            name: match dataset.classes.iter().find(|class| class.skeleton == Some(pose.skeleton)) {
                Some(class) => class.name.clone(),
                None => dataset.skeletons[usize::from(pose.skeleton)].name.clone(),
            },
            trial: Trial { score: pose.score, confirmed: near },
        });
    }
    judge(dataset, &seen, settings)
}

/// Something that a model saw.
struct Seen {
    image: u32,
    bbox: BBox,
    /// Its class, empty where it has none.
    name: String,
    trial: Trial,
}

/// Returns what is probably there and not labelled.
fn judge(dataset: &Dataset, seen: &[Seen], settings: &Settings) -> Vec<Hit> {
    let trials: Vec<Trial> = seen.iter().map(|seen| seen.trial).collect();
    if (trials.iter().filter(|trial| trial.confirmed).count() as f64) < settings.get("min_labels") {
        return Vec::new();
    }
    let lapse = Lapse::fit(&trials, settings.get("expected_share"));
    let min_score = settings.get("min_score");
    (seen.iter().filter(|seen| !seen.trial.confirmed))
        .filter_map(|seen| {
            let score = lapse.at_fault(seen.trial.score);
            let BBox { x, y, width, height } = seen.bbox;
            let what = if seen.name.is_empty() { "an animal" } else { &seen.name };
            let message = format!(
                "{what} is predicted at {:.0}, {:.0} ({width:.0} × {height:.0} px) with a score of {:.2}, and no label is there",
                dataset.to_label(x),
                dataset.to_label(y),
                seen.trial.score
            );
            (score >= min_score).then(|| {
                Hit::new(Subject::Image(seen.image), score, message)
                    .measured(seen.trial.score, min_score)
                    .proposal(Proposal {
                        x: Some(x + width / 2.0),
                        y: Some(y + height / 2.0),
                        with: (!seen.name.is_empty()).then(|| seen.name.clone()),
                        ..Proposal::new(Action::Relabel)
                    })
            })
        })
        .collect()
}

/// Returns the box around the points of a pose that have a place.
fn around(pose: &PredictedPose) -> Option<BBox> {
    let places: Vec<[f64; 2]> = pose.points.iter().filter_map(|point| point.place()).collect();
    let least = |axis: usize| places.iter().map(|place| place[axis]).fold(f64::MAX, f64::min);
    let most = |axis: usize| places.iter().map(|place| place[axis]).fold(f64::MIN, f64::max);
    let (x, y) = (least(0), least(1));
    (!places.is_empty()).then(|| BBox { x, y, width: most(0) - x, height: most(1) - y })
}

/// Returns the mean distance in pixels of a pose from the labelled keypoints of an instance;
/// where they share none, that of its box's centre from the middle of the pose.
fn distance(dataset: &Dataset, at: usize, pose: &PredictedPose) -> Option<f64> {
    let instance = &dataset.instances[at];
    let shared: Vec<f64> = (dataset.keypoints_of(instance).iter())
        .filter(|_| instance.skeleton == Some(pose.skeleton))
        .filter_map(|label| {
            let [x, y] = pose.point(label.kind)?.place()?;
            Some((x - label.x).hypot(y - label.y))
        })
        .collect();
    if !shared.is_empty() {
        return Some(shared.iter().sum::<f64>() / shared.len() as f64);
    }
    let (label, seen) = (instance.bbox?, around(pose)?);
    let centre = |b: BBox| [b.x + b.width / 2.0, b.y + b.height / 2.0];
    let ([ax, ay], [bx, by]) = (centre(label), centre(seen));
    Some((ax - bx).hypot(ay - by))
}
