//! A part of a dataset, as a dataset of its own.

use super::{Dataset, Instance};

/// Where the rows of a part stand in the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Indices into [`Dataset::images`], ascending.
    pub images: Vec<u32>,
    /// Indices into [`Dataset::instances`], ascending.
    pub instances: Vec<u32>,
    /// Indices into [`Dataset::keypoints`], ascending within each instance.
    pub keypoints: Vec<u32>,
}

impl Dataset {
    /// Returns the dataset of some of its images with their labels, and where its rows stand in
    /// this one. What readers could not read stays behind. Needs [`Dataset::sort`].
    pub fn only(&self, keep: impl Fn(u32) -> bool) -> (Dataset, Rows) {
        let mut rows = Rows::default();
        let mut place = vec![None; self.images.len()];
        for image in (0..self.images.len() as u32).filter(|&image| keep(image)) {
            place[image as usize] = Some(rows.images.len() as u32);
            rows.images.push(image);
        }
        let mut part = Dataset {
            root: self.root.clone(),
            format: self.format,
            label_files: self.label_files.clone(),
            videos: self.videos.clone(),
            splits: self.splits.clone(),
            divisions: self.divisions.clone(),
            classes: self.classes.clone(),
            skeletons: self.skeletons.clone(),
            individuals: self.individuals.clone(),
            pixel_offset: self.pixel_offset,
            images: rows.images.iter().map(|&at| self.images[at as usize].clone()).collect(),
            ..Dataset::default()
        };
        for (at, instance) in self.instances.iter().enumerate() {
            let Some(image) = place[instance.image as usize] else { continue };
            let first = part.keypoints.len() as u32;
            part.keypoints.extend(self.keypoints_of(instance));
            part.instances.push(Instance { image, first, ..instance.clone() });
            rows.instances.push(at as u32);
            rows.keypoints.extend(instance.first..instance.first + u32::from(instance.len));
        }
        (part, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Image, InstanceName, Keypoint, Visibility};

    #[test]
    fn a_part_has_its_own_indices_and_knows_the_whole() {
        let point = |x| Keypoint { kind: 0, column: 0, visibility: Visibility::Visible, x, y: 0.0 };
        let instance = |image| Instance {
            image,
            name: InstanceName::Ordinal(0),
            class: None,
            skeleton: Some(0),
            bbox: None,
            area: None,
            first: image,
            len: 1,
            location: None,
            crowd: false,
        };
        let whole = Dataset {
            images: ["a", "b", "c"]
                .map(|path| Image { path: path.into(), ..Image::default() })
                .into(),
            instances: (0..3).map(instance).collect(),
            keypoints: [5.0, 6.0, 7.0].map(point).into(),
            ..Dataset::default()
        };
        let (part, rows) = whole.only(|image| image != 1);
        assert_eq!(part.images.iter().map(|image| &*image.path).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(part.keypoints_of(&part.instances[1])[0].x, 7.0);
        assert_eq!(part.instances[1].image, 1);
        let expected = vec![0, 2];
        assert_eq!(
            (&rows.images, &rows.instances, &rows.keypoints),
            (&expected, &expected, &expected)
        );
    }
}
