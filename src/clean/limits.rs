//! How much may go: drops are granted in the order of their certainty while all limits hold,
//! so that the least certain are held back first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Limit;
use super::policy::Limits;
use crate::dataset::Dataset;

/// Something that would take labels away.
#[derive(Debug, Clone)]
pub(super) struct Drop {
    /// Index of the task that asks for it.
    pub(super) task: usize,
    /// What goes.
    pub(super) what: What,
    /// When it is considered.
    pub(super) order: Order,
    /// Score of the finding, 0 to 1.
    pub(super) score: f64,
}

/// What goes, by index.
#[derive(Debug, Clone)]
pub(super) enum What {
    Image(u32),
    Instance(u32),
    /// Labelled keypoints of an instance, by kind.
    Keypoints(u32, Vec<u16>),
}

/// When a drop is considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Before all others: what trains nothing is no example, so that only the share of frames
    /// limits it.
    First,
    /// By its score.
    Score,
}

/// Returns the tasks of drops that the limits forbid, and the limit. Earlier drops go first.
pub(super) fn deny(dataset: &Dataset, limits: &Limits, drops: &[Drop]) -> Vec<(usize, Limit)> {
    let mut stock = Stock::new(dataset, limits);
    (drops.iter()).filter_map(|drop| Some((drop.task, stock.take(drop)?))).collect()
}

/// What is left of a dataset.
struct Stock<'a> {
    dataset: &'a Dataset,
    limits: &'a Limits,
    instances: Vec<Range<usize>>,
    /// Labelled keypoints of each instance, and one more for a box.
    rest: Vec<u32>,
    /// Instances of each image that are left, and one more for a class.
    of_image: Vec<u32>,
    keypoints: BTreeMap<(u16, u16), u32>,
    videos: BTreeMap<u32, u32>,
    classes: BTreeMap<u16, u32>,
    /// Frames that drops touch.
    touched: BTreeSet<u32>,
    most_touched: usize,
}

/// What a drop takes.
#[derive(Default)]
struct Loss {
    keypoints: BTreeMap<(u16, u16), u32>,
    classes: BTreeMap<u16, u32>,
    video: Option<u32>,
    /// Instances, and what of their labels goes.
    instances: Vec<(usize, u32)>,
    image: u32,
    /// What goes of [`Stock::of_image`].
    of_image: u32,
}

impl<'a> Stock<'a> {
    fn new(dataset: &'a Dataset, limits: &'a Limits) -> Stock<'a> {
        let instances = dataset.instances_by_image();
        let mut stock = Stock {
            dataset,
            limits,
            rest: (dataset.instances.iter())
                .map(|instance| u32::from(instance.len) + u32::from(instance.bbox.is_some()))
                .collect(),
            of_image: (dataset.images.iter().zip(&instances))
                .map(|(image, range)| range.len() as u32 + u32::from(image.class.is_some()))
                .collect(),
            instances,
            keypoints: BTreeMap::new(),
            videos: BTreeMap::new(),
            classes: BTreeMap::new(),
            touched: BTreeSet::new(),
            most_touched: 0,
        };
        for instance in &dataset.instances {
            for point in dataset.keypoints_of(instance) {
                if let Some(skeleton) = instance.skeleton {
                    *stock.keypoints.entry((skeleton, point.kind)).or_default() += 1;
                }
            }
            if let Some(class) = instance.class {
                *stock.classes.entry(class).or_default() += 1;
            }
        }
        let mut frames = 0_usize;
        for (image, &labels) in dataset.images.iter().zip(&stock.of_image) {
            frames += usize::from(labels > 0 || image.location.is_some());
            if let Some(class) = image.class {
                *stock.classes.entry(class).or_default() += 1;
            }
            if let Some(video) = image.video
                && labels > 0
            {
                *stock.videos.entry(video).or_default() += 1;
            }
        }
        // Shares such as 0.2 of 10 frames are 2 of them, whatever the last digit says.
        stock.most_touched = (limits.max_frame_share * frames as f64 + 1e-9) as usize;
        stock
    }

    /// Takes a drop away, unless a limit forbids it, which is then returned.
    fn take(&mut self, drop: &Drop) -> Option<Limit> {
        let loss = self.loss(&drop.what);
        if let Some(limit) = self.forbids(&loss, drop.order) {
            return Some(limit);
        }
        self.touched.insert(loss.image);
        for (key, lost) in loss.keypoints {
            self.keypoints.entry(key).and_modify(|left| *left = left.saturating_sub(lost));
        }
        for (key, lost) in loss.classes {
            self.classes.entry(key).and_modify(|left| *left = left.saturating_sub(lost));
        }
        if let Some(video) = loss.video {
            self.videos.entry(video).and_modify(|left| *left = left.saturating_sub(1));
        }
        for (at, lost) in loss.instances {
            self.rest[at] = self.rest[at].saturating_sub(lost);
        }
        let left = &mut self.of_image[loss.image as usize];
        *left = left.saturating_sub(loss.of_image);
        None
    }

    fn forbids(&self, loss: &Loss, order: Order) -> Option<Limit> {
        let touched = self.touched.len() + usize::from(!self.touched.contains(&loss.image));
        if touched > self.most_touched {
            return Some(Limit::MaxFrameShare);
        }
        if order == Order::First {
            return None;
        }
        let too_few = |left: Option<&u32>, lost: u32, least: u32| {
            lost > 0 && left.copied().unwrap_or(0).saturating_sub(lost) < least
        };
        let limits = self.limits;
        let mut keypoints = loss.keypoints.iter();
        if keypoints.any(|(k, &n)| too_few(self.keypoints.get(k), n, limits.min_per_keypoint)) {
            return Some(Limit::MinPerKeypoint);
        }
        if loss.video.is_some_and(|v| too_few(self.videos.get(&v), 1, limits.min_per_video)) {
            return Some(Limit::MinPerVideo);
        }
        let mut classes = loss.classes.iter();
        (classes.any(|(class, &n)| too_few(self.classes.get(class), n, limits.min_per_class)))
            .then_some(Limit::MinPerClass)
    }

    /// Returns what a drop takes of what is left.
    fn loss(&self, what: &What) -> Loss {
        let mut loss = Loss::default();
        match what {
            What::Image(image) => {
                loss.image = *image;
                for at in self.instances[*image as usize].clone() {
                    self.lose_instance(at, &mut loss);
                }
                if let Some(class) = self.dataset.images[*image as usize].class {
                    *loss.classes.entry(class).or_default() += 1;
                    loss.of_image += 1;
                }
            }
            What::Instance(at) => {
                loss.image = self.dataset.instances[*at as usize].image;
                self.lose_instance(*at as usize, &mut loss);
            }
            What::Keypoints(at, kinds) => {
                let at = *at as usize;
                let instance = &self.dataset.instances[at];
                loss.image = instance.image;
                if self.rest[at] <= kinds.len() as u32 {
                    // Nothing is left of it then.
                    self.lose_instance(at, &mut loss);
                    loss.keypoints.clear();
                } else {
                    loss.instances.push((at, kinds.len() as u32));
                }
                for &kind in kinds {
                    if let Some(skeleton) = instance.skeleton {
                        *loss.keypoints.entry((skeleton, kind)).or_default() += 1;
                    }
                }
            }
        }
        let image = &self.dataset.images[loss.image as usize];
        let left = self.of_image[loss.image as usize];
        loss.video = image.video.filter(|_| left > 0 && left <= loss.of_image);
        loss
    }

    fn lose_instance(&self, at: usize, loss: &mut Loss) {
        if self.rest[at] == 0 {
            return;
        }
        let instance = &self.dataset.instances[at];
        loss.instances.push((at, self.rest[at]));
        loss.of_image += 1;
        if let Some(class) = instance.class {
            *loss.classes.entry(class).or_default() += 1;
        }
        for point in self.dataset.keypoints_of(instance) {
            if let Some(skeleton) = instance.skeleton {
                *loss.keypoints.entry((skeleton, point.kind)).or_default() += 1;
            }
        }
    }
}
