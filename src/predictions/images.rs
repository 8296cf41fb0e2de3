//! Which image of a dataset a file of predictions means by a name.

use std::collections::HashMap;

use crate::dataset::Dataset;

/// Finds images by what other programs call them.
pub(super) struct Images<'a> {
    dataset: &'a Dataset,
    by_path: HashMap<&'a str, u32>,
    /// Images by their file name without its suffix.
    by_stem: HashMap<&'a str, Vec<u32>>,
}

impl<'a> Images<'a> {
    pub(super) fn new(dataset: &'a Dataset) -> Images<'a> {
        let images = || (0..).zip(&dataset.images);
        let mut by_stem: HashMap<&str, Vec<u32>> = HashMap::new();
        for (at, image) in images() {
            by_stem.entry(last(stem(&image.path))).or_default().push(at);
        }
        let by_path = images().map(|(at, image)| (image.path.as_str(), at)).collect();
        Images { dataset, by_path, by_stem }
    }

    /// Returns the image of a path.
    ///
    /// `\` counts as `/`. A path is that of an image, or one of both ends in the whole of the
    /// other, as projects move between machines and programs leave folders out; of several
    /// images that fit none is meant.
    pub(super) fn find(&self, path: &str) -> Option<u32> {
        let path = path.trim().replace('\\', "/");
        let path = path.trim_start_matches("./");
        if let Some(&image) = self.by_path.get(path) {
            return Some(image);
        }
        self.only(last(stem(path)), path, |own| own)
    }

    /// Returns the image of a path without suffix, otherwise like [`Images::find`].
    pub(super) fn find_stem(&self, path: &str) -> Option<u32> {
        self.only(last(path), path, stem)
    }

    /// Returns the one image of a name whose path, or part of it, agrees with a path.
    fn only(&self, name: &str, path: &str, part: fn(&str) -> &str) -> Option<u32> {
        let fits = |&&at: &&u32| {
            let own = part(&self.dataset.images[at as usize].path);
            ends_in(own, path) || ends_in(path, own)
        };
        let mut fitting = self.by_stem.get(name)?.iter().filter(fits);
        let first = fitting.next()?;
        fitting.next().is_none().then_some(*first)
    }
}

/// Returns whether a path ends in the whole components of another.
fn ends_in(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|start| start.is_empty() || start.ends_with('/'))
}

/// Returns the last component of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns a path without the suffix of its file name.
fn stem(path: &str) -> &str {
    match path.rfind('.') {
        Some(dot) if dot > path.rfind('/').map_or(0, |slash| slash + 1) => &path[..dot],
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Image;

    #[test]
    fn paths_of_other_machines_are_found_where_one_image_fits() {
        let image = |path: &str| Image { path: path.into(), ..Image::default() };
        let paths = ["a/img1.png", "b/img1.png", "b/img2.v1.png", "c/b/img3.png"];
        let dataset = Dataset { images: paths.map(image).into(), ..Dataset::default() };
        let images = Images::new(&dataset);
        for (name, expected) in [
            ("b/img1.png", Some(1)),
            ("b\\img1.png", Some(1)),
            ("./b/img1.png", Some(1)),
            ("/home/me/project/a/img1.png", Some(0)),
            ("img2.v1.png", Some(2)),
            ("b/img3.png", Some(3)),
            ("img1.png", None),
            ("ab/img2.v1.png", None),
            ("mg3.png", None),
            ("img2.png", None),
            ("", None),
        ] {
            assert_eq!(images.find(name), expected, "{name}");
        }
        for (name, expected) in
            [("img3", Some(3)), ("img2.v1", Some(2)), ("b/img1", Some(1)), ("img1", None)]
        {
            assert_eq!(images.find_stem(name), expected, "{name}");
        }
    }
}
