//! From the names in a finding back to the rows of the dataset that they mean.

use std::collections::HashMap;
use std::ops::Range;

use crate::audit::Finding;
use crate::dataset::{Dataset, Instance};

use super::bones::Bones;

/// Finds images, instances and keypoints by the names that findings use.
#[derive(Debug)]
pub(super) struct Index<'a> {
    dataset: &'a Dataset,
    by_path: HashMap<&'a str, usize>,
    by_image: Vec<Range<usize>>,
    bones: Vec<Bones>,
}

/// What a finding is about, as indices into the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) image: usize,
    pub(super) instance: Option<usize>,
    pub(super) keypoint: Option<u16>,
}

impl<'a> Index<'a> {
    pub(super) fn new(dataset: &'a Dataset) -> Index<'a> {
        let paths = dataset.images.iter().map(|image| image.path.as_str());
        Index {
            dataset,
            by_path: paths.enumerate().map(|(at, path)| (path, at)).collect(),
            by_image: dataset.instances_by_image(),
            bones: (0..dataset.skeletons.len()).map(|kind| Bones::new(dataset, kind)).collect(),
        }
    }

    pub(super) fn dataset(&self) -> &'a Dataset {
        self.dataset
    }

    /// Returns the lines that pictures draw between the keypoints of a skeleton.
    pub(super) fn bones(&self, kind: usize) -> &Bones {
        &self.bones[kind]
    }

    /// Returns the image of a path.
    pub(super) fn image(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// Returns the instances of an image, as indices.
    pub(super) fn instances(&self, image: usize) -> Range<usize> {
        self.by_image[image].clone()
    }

    /// Returns the instance of an image by its name.
    pub(super) fn instance(&self, image: usize, name: &str) -> Option<usize> {
        self.instances(image)
            .find(|&at| self.dataset.instance_name(&self.dataset.instances[at]) == name)
    }

    /// Returns what a finding is about; `None` for one about no single image.
    pub(super) fn subject(&self, finding: &Finding) -> Option<Subject> {
        let image = self.image(finding.image.as_deref()?)?;
        let instance = finding.instance.as_deref().and_then(|name| {
            // Two rows for one individual bear one name; the place tells them apart.
            let row = finding.location.as_ref().and_then(|place| place.row);
            let same = |at: &usize| {
                let instance: &Instance = &self.dataset.instances[*at];
                self.dataset.instance_name(instance) == name
                    && instance.location.map(|location| location.row) == row
            };
            self.instances(image).find(same).or_else(|| self.instance(image, name))
        });
        let keypoint = instance.and_then(|at| {
            let skeleton = self.dataset.skeleton_of(&self.dataset.instances[at])?;
            skeleton.index(finding.keypoint.as_deref()?)
        });
        Some(Subject { image, instance, keypoint })
    }
}
