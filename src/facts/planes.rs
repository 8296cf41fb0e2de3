//! Brightness planes of labelled images, kept open: what measures labels again after they
//! moved, and tells where edges are, without decoding an image each time.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{Facts, KEYPOINT_WINDOW_HALF_PX, Predicted};
use crate::dataset::{Dataset, Image};
use crate::media;
use crate::pixels::{self, Luma, Window};

/// Bytes of planes that are kept; images beyond are decoded when they are asked for.
const KEEP_BYTES: usize = 2 << 30;

/// Brightness planes of the labelled images of a dataset.
#[derive(Debug, Default)]
pub struct Planes {
    /// One per image; none of an image without labels, that could not be decoded, or for which
    /// there is no room.
    kept: Vec<Option<Luma<'static>>>,
}

impl Planes {
    /// Opens the labelled images of a dataset; none where its pixels were not measured. Uses the
    /// current rayon pool.
    pub fn open(facts: &Facts) -> Planes {
        Planes::open_within(facts, KEEP_BYTES)
    }

    fn open_within(facts: &Facts, most_bytes: usize) -> Planes {
        let dataset = &facts.dataset;
        let mut used = 0;
        let labelled = dataset.instances_by_image();
        let wanted: Vec<bool> = (labelled.iter().zip(&facts.images))
            .map(|(instances, known)| {
                let [width, height] = known.size_px.unwrap_or_default();
                let bytes = width as usize * height as usize;
                let fits = facts.measured
                    && known.pixels.is_some()
                    && !instances.is_empty()
                    && used + bytes <= most_bytes;
                used += if fits { bytes } else { 0 };
                fits
            })
            .collect();
        let kept = (dataset.images.par_iter().zip(wanted))
            .map(|(image, wanted)| if wanted { plane(image) } else { None })
            .collect();
        Planes { kept }
    }

    /// Returns facts of a dataset of the same images after changes of its labels, as
    /// [`measure`](super::measure) would: points that stayed keep their measures, others are
    /// measured again. `edited` is what [`Dataset::edited`] made of `facts.dataset`.
    #[must_use]
    pub fn relabelled(&self, facts: &Facts, edited: Dataset) -> Facts {
        let mut keypoints = Vec::new();
        let mut instances = Vec::new();
        if facts.measured {
            keypoints.reserve(edited.keypoints.len());
            instances.reserve(edited.instances.len());
            let before = &facts.dataset;
            // Instances keep their order; some may be gone.
            let mut old = before.instances.iter().enumerate().peekable();
            for instance in &edited.instances {
                let same = |other: &crate::dataset::Instance| {
                    (other.image, other.name, other.skeleton, other.class)
                        == (instance.image, instance.name, instance.skeleton, instance.class)
                };
                while old.next_if(|(_, other)| !same(other)).is_some() {}
                let Some((at, counterpart)) = old.next() else { break };
                instances.push(facts.instances.get(at).copied().flatten());
                let points = edited.keypoints_of(instance).iter();
                let mut opened: Option<Option<Cow<'_, Luma<'static>>>> = None;
                keypoints.extend(points.map(|point| {
                    let kept = before.keypoints_of(counterpart).iter().position(|other| {
                        (other.kind, other.x, other.y) == (point.kind, point.x, point.y)
                    });
                    if let Some(kept) = kept {
                        let at = counterpart.first as usize + kept;
                        return facts.keypoints.get(at).copied().flatten();
                    }
                    let noise = facts.images[instance.image as usize].pixels.as_ref()?.noise;
                    let luma = opened.get_or_insert_with(|| self.plane(&edited, instance.image));
                    let window = Window::around(point.x, point.y, KEYPOINT_WINDOW_HALF_PX);
                    pixels::local(luma.as_deref()?, noise, window)
                }));
            }
        }
        let carried = |all: &Predicted| all.carried(&facts.dataset, &edited, Some);
        Facts {
            predictions: facts.predictions.as_ref().map(carried),
            images: facts.images.clone(),
            keypoints,
            instances,
            measured: facts.measured,
            measured_now: 0,
            cache_trouble: None,
            dataset: edited,
        }
    }

    /// Returns places on strong edges of each image of the dataset, see [`pixels::edges`]; none of
    /// images without labels.
    pub fn edges(&self, dataset: &Dataset) -> Vec<Vec<[f32; 2]>> {
        let labelled = dataset.instances_by_image();
        (labelled.par_iter().enumerate())
            .map(|(image, instances)| match instances.is_empty() {
                true => Vec::new(),
                false => self
                    .plane(dataset, image as u32)
                    .map_or_else(Vec::new, |luma| pixels::edges(&luma)),
            })
            .collect()
    }

    fn plane(&self, dataset: &Dataset, image: u32) -> Option<Cow<'_, Luma<'static>>> {
        match self.kept.get(image as usize) {
            Some(Some(luma)) => Some(Cow::Borrowed(luma)),
            _ => plane(dataset.images.get(image as usize)?).map(Cow::Owned),
        }
    }
}

/// Opens an image; none where it cannot be decoded, which facts tell already.
fn plane(image: &Image) -> Option<Luma<'static>> {
    let picture = media::open(image.file.as_deref()?).ok()?;
    let Luma { width, height, samples, grey } = Luma::of(&picture);
    Some(Luma { width, height, samples: samples.into_owned().into(), grey })
}

#[cfg(test)]
mod tests {
    use super::super::{MeasureOptions, measure};
    use super::*;
    use crate::dataset::Edit;
    use crate::formats;

    /// A few images of a real dataset.
    fn example() -> Facts {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mirror-mouse");
        let dataset = formats::read(path.as_ref(), &formats::ReadOptions::default());
        let (few, _) = dataset.expect("a dataset").only(|image| image < 4);
        measure(few, &MeasureOptions::default())
    }

    #[test]
    fn moved_labels_are_measured_as_if_all_were_measured_anew() {
        let facts = example();
        let instance = facts.dataset.instances.iter().position(|i| i.len > 3).expect("a pose");
        let all = facts.dataset.keypoints_of(&facts.dataset.instances[instance]);
        let (instance, first, second) = (instance as u32, all[0], all[1]);
        let mut edits = vec![
            Edit::SetKeypoint { instance, kind: first.kind, x: 20.5, y: 31.25 },
            Edit::DropKeypoint { instance, kind: second.kind },
        ];
        // An instance that goes shifts all that follow.
        let gone = facts.dataset.instances[instance as usize + 1].clone();
        edits.extend(
            (facts.dataset.keypoints_of(&gone).iter())
                .map(|point| Edit::DropKeypoint { instance: instance + 1, kind: point.kind }),
        );
        let edited = facts.dataset.edited(&edits);
        let anew = measure(edited.clone(), &MeasureOptions::default());
        for planes in [Planes::open(&facts), Planes::open_within(&facts, 0)] {
            let again = planes.relabelled(&facts, edited.clone());
            assert_eq!(again.dataset.instances.len() + 1, facts.dataset.instances.len());
            assert_eq!(again.keypoints, anew.keypoints);
            assert_eq!(again.instances, anew.instances);
            // What was measured of a picture stays, whatever is labelled in it.
            assert!(again.images == facts.images);
        }
    }

    #[test]
    fn labelled_images_have_edges() {
        let facts = example();
        let edges = Planes::open(&facts).edges(&facts.dataset);
        let labelled = facts.dataset.instances_by_image();
        for ((places, instances), known) in edges.iter().zip(&labelled).zip(&facts.images) {
            let [width, height] = known.size_px.expect("decoded").map(|side| side as f32);
            assert_eq!(places.is_empty(), instances.is_empty());
            assert!(places.iter().all(|[x, y]| *x < width && *y < height));
        }
    }
}
