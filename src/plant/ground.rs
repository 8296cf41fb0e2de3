//! What planting knows of a dataset: which frames are labelled, their order in time, how far
//! their images reach.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{PlantError, Scope};
use crate::dataset::{Dataset, Instance, InstanceName};

/// A dataset to plant into.
pub(super) struct Ground<'a> {
    pub(super) dataset: &'a Dataset,
    /// Body length, pixels.
    pub(super) body_px: f64,
    /// Labelled images that errors may be planted in, in ascending order.
    pub(super) frames: Vec<u32>,
    /// Per image, how far it reaches to the right and down, pixels.
    reach_px: Vec<[f64; 2]>,
    instances: Vec<Range<usize>>,
    /// The labelled images of each video, in the order of time.
    videos: BTreeMap<u32, Vec<u32>>,
    /// Per image, the labelled one before it in its video.
    before: Vec<Option<u32>>,
    in_scope: BTreeSet<u32>,
    /// Per image, places on strong edges; empty where they are not known.
    edges: &'a [Vec<[f32; 2]>],
}

impl<'a> Ground<'a> {
    pub(super) fn new(dataset: &'a Dataset, scope: &Scope<'a>) -> Result<Ground<'a>, PlantError> {
        let instances = dataset.instances_by_image();
        let labelled: Vec<u32> = (0..dataset.images.len() as u32)
            .filter(|&image| {
                dataset.instances[instances[image as usize].clone()].iter().any(is_pose)
            })
            .collect();
        let allowed = |image: &u32| scope.images.is_none_or(|images| images.contains(image));
        let frames: Vec<u32> = labelled.iter().copied().filter(allowed).collect();
        if frames.is_empty() {
            return Err(PlantError::NoFrames);
        }
        let body_px = dataset.body_length().filter(|length| *length > 0.0 && length.is_finite());
        let mut videos: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &image in &labelled {
            if let Some(video) = dataset.images[image as usize].video {
                videos.entry(video).or_default().push(image);
            }
        }
        for images in videos.values_mut() {
            images.sort_by_key(|&image| (dataset.images[image as usize].frame, image));
        }
        let mut before = vec![None; dataset.images.len()];
        for pair in videos.values().flat_map(|images| images.windows(2)) {
            before[pair[1] as usize] = Some(pair[0]);
        }
        Ok(Ground {
            dataset,
            body_px: body_px.ok_or(PlantError::NoBodyLength)?,
            reach_px: reach(dataset, scope.sizes_px),
            instances,
            videos,
            before,
            in_scope: frames.iter().copied().collect(),
            frames,
            edges: scope.edges,
        })
    }

    /// Returns the runs of so many consecutive labelled frames of a video in which errors may
    /// be planted; they overlap. Images without a video stand alone.
    pub(super) fn windows(&self, length: usize) -> Vec<Vec<u32>> {
        if length == 1 {
            return self.frames.iter().map(|&frame| vec![frame]).collect();
        }
        let inside = |window: &&[u32]| window.iter().all(|frame| self.in_scope.contains(frame));
        let windows = self.videos.values().flat_map(|images| images.windows(length));
        windows.filter(inside).map(<[u32]>::to_vec).collect()
    }

    /// Returns the labelled frames of each video in which errors may be planted, in the order
    /// of time; none where there is one video alone, which nothing can be compared with.
    pub(super) fn whole_videos(&self) -> Vec<Vec<u32>> {
        if self.videos.len() < 2 {
            return Vec::new();
        }
        let inside = |images: &Vec<u32>| -> Vec<u32> {
            images.iter().copied().filter(|image| self.in_scope.contains(image)).collect()
        };
        self.videos.values().map(inside).filter(|images| !images.is_empty()).collect()
    }

    /// Returns the labelled frames of the video of a frame, itself among them, in the order of
    /// time; none of an image without a video.
    pub(super) fn siblings(&self, image: u32) -> &[u32] {
        let video = self.dataset.images[image as usize].video;
        video.and_then(|video| self.videos.get(&video)).map_or(&[], Vec::as_slice)
    }

    /// Returns places on strong edges of an image.
    pub(super) fn edges(&self, image: u32) -> &[[f32; 2]] {
        self.edges.get(image as usize).map_or(&[], Vec::as_slice)
    }

    /// Returns how far an image reaches to the right and down, pixels.
    pub(super) fn reach_px(&self, image: u32) -> [f64; 2] {
        self.reach_px[image as usize]
    }

    /// Returns the labelled frame before a frame of the same video.
    pub(super) fn before(&self, image: u32) -> Option<u32> {
        self.before[image as usize]
    }

    /// Returns the instances of an image that have keypoints.
    pub(super) fn poses(&self, image: u32) -> impl Iterator<Item = u32> {
        let range = self.instances[image as usize].clone();
        range.filter(|&at| is_pose(&self.dataset.instances[at])).map(|at| at as u32)
    }

    /// Returns an instance.
    pub(super) fn instance(&self, at: u32) -> &Instance {
        &self.dataset.instances[at as usize]
    }

    /// Returns the same individual in another image: of the same name, or, where names do not
    /// reach over images, the only one where each image has one.
    pub(super) fn counterpart(&self, instance: u32, image: u32) -> Option<u32> {
        let own = self.instance(instance);
        let alike = |&other: &u32| self.instance(other).skeleton == own.skeleton;
        if own.image == image {
            return Some(instance);
        }
        if let InstanceName::Individual(_) = own.name {
            let same = |other: &u32| self.instance(*other).name == own.name;
            return self.poses(image).filter(alike).find(same);
        }
        let mut others = self.poses(image);
        let only = others.next().filter(alike)?;
        (others.next().is_none() && self.poses(own.image).nth(1).is_none()).then_some(only)
    }

    /// Returns where a keypoint is labelled.
    pub(super) fn place(&self, instance: u32, kind: u16) -> Option<[f64; 2]> {
        let point = self.dataset.keypoint(self.instance(instance), kind)?;
        Some([point.x, point.y])
    }

    /// Returns the kinds of keypoints that are labelled, in ascending order.
    pub(super) fn kinds(&self, instance: u32) -> impl Iterator<Item = u16> {
        self.dataset.keypoints_of(self.instance(instance)).iter().map(|point| point.kind)
    }

    /// Returns a place moved by pixels and rounded to hundredths of a pixel in the label
    /// file's own numbers, finer than people label; `None` where it does not lie inside.
    pub(super) fn moved(&self, image: u32, from: [f64; 2], by: [f64; 2]) -> Option<[f64; 2]> {
        /// Pixels from the border, where trainers drop points and rules look.
        const MARGIN_PX: f64 = 1.0;
        let offset = self.dataset.pixel_offset;
        let to: [f64; 2] = std::array::from_fn(|axis| {
            ((from[axis] + by[axis] - offset) * 100.0).round() / 100.0 + offset
        });
        let reach = self.reach_px[image as usize];
        let fits = |axis: usize| (MARGIN_PX..=reach[axis] - MARGIN_PX).contains(&to[axis]);
        (fits(0) && fits(1)).then_some(to)
    }
}

fn is_pose(instance: &Instance) -> bool {
    instance.len > 0 && instance.skeleton.is_some() && !instance.crowd
}

/// Returns how far each image reaches: its size where that is known, else the furthest label
/// of its video, which no image of it can be smaller than.
fn reach(dataset: &Dataset, sizes_px: &[Option<[u32; 2]>]) -> Vec<[f64; 2]> {
    let mut labelled: BTreeMap<Option<u32>, [f64; 2]> = BTreeMap::new();
    for instance in &dataset.instances {
        let video = dataset.images[instance.image as usize].video;
        let furthest = labelled.entry(video).or_default();
        for point in dataset.keypoints_of(instance) {
            *furthest = [furthest[0].max(point.x), furthest[1].max(point.y)];
        }
    }
    let known = |at: usize| sizes_px.get(at).copied().flatten();
    (dataset.images.iter().enumerate())
        .map(|(at, image)| match known(at).or(image.declared_px) {
            Some(size) => size.map(f64::from),
            None => labelled.get(&image.video).copied().unwrap_or_default(),
        })
        .collect()
}
