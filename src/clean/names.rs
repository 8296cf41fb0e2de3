//! From the names that findings and patches use to a dataset's indices.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::dataset::Dataset;

/// Names of a sorted dataset.
pub(super) struct Names<'a> {
    dataset: &'a Dataset,
    images: FxHashMap<&'a str, u32>,
    instances: Vec<Range<usize>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(dataset: &'a Dataset) -> Names<'a> {
        let paths = dataset.images.iter().enumerate();
        Names {
            dataset,
            images: paths.map(|(at, image)| (image.path.as_str(), at as u32)).collect(),
            instances: dataset.instances_by_image(),
        }
    }

    /// Returns an image by its path.
    pub(super) fn image(&self, path: &str) -> Option<u32> {
        self.images.get(path).copied()
    }

    /// Returns where the instances of an image are.
    pub(super) fn instances_of(&self, image: u32) -> Range<usize> {
        self.instances.get(image as usize).cloned().unwrap_or_default()
    }

    /// Returns an instance of an image by its name; `None` where two have that name, as an
    /// annotation id and a place in the image may.
    pub(super) fn instance(&self, image: u32, name: &str) -> Option<u32> {
        let mut named = self
            .instances_of(image)
            .filter(|&at| self.dataset.instance_name(&self.dataset.instances[at]) == name);
        let found = named.next()?;
        named.next().is_none().then_some(found as u32)
    }
}
