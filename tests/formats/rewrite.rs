//! The law of every writer: reading what it wrote gives what [`Dataset::edited`] gives, and
//! what no edit concerns stays byte for byte.

mod coco;
mod dlc;
mod voc;
mod yolo;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use labelvet::dataset::{Dataset, Edit, InstanceName, Visibility};
use labelvet::formats::{FormatError, Rewrite, rewrite};
use labelvet::stats::random::SplitMix64;

use super::load;

/// Whether labels of a dataset can say that a keypoint is hidden.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    Sayable,
    Not,
}

/// Holds a dataset to the law for random edits by several seeds. Returns of how many lists
/// of edits the format said that it cannot hold them.
fn hold(path: &Path, hidden: Hidden, seeds: u64) -> usize {
    let path = path.canonicalize().expect("a path");
    let dataset = load(&path);
    let none = rewrite(&dataset, &[]).expect("nothing to write");
    assert_eq!(none, Rewrite::default(), "{}", path.display());
    let mut refused = 0;
    for seed in 0..seeds {
        let edits = random_edits(&dataset, hidden, seed);
        let context = || format!("{} by seed {seed}: {edits:?}", path.display());
        let written = match rewrite(&dataset, &edits) {
            Ok(written) => written,
            Err(FormatError::CannotHold { .. }) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{error}; {}", context()),
        };
        assert_eq!(rewrite(&dataset, &edits).expect("the same again"), written, "{}", context());
        let folder = tempfile::tempdir().expect("a folder");
        let again = load(&put(&path, &dataset, &written, folder.path()));
        let mut dropped = dropped(&dataset, &edits);
        if dataset.format == "coco" {
            dropped.extend(beside_none(&dataset, &dropped));
        }
        assert_eq!(
            labels(&again, &BTreeSet::new()),
            labels(&dataset.edited(&edits), &dropped),
            "{}",
            context()
        );
    }
    refused
}

/// Returns the images that edits leave out.
fn dropped(dataset: &Dataset, edits: &[Edit]) -> BTreeSet<String> {
    let image = |edit: &Edit| match edit {
        Edit::DropImage { image } => dataset.images.get(*image as usize),
        _ => None,
    };
    edits.iter().filter_map(image).map(|image| image.path.clone()).collect()
}

/// Returns the images of a COCO dataset that no entry names, in folders where no image that
/// stays is named: nothing says any more that they belong to it.
fn beside_none(dataset: &Dataset, dropped: &BTreeSet<String>) -> Vec<String> {
    let folder = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_string();
    let images = || dataset.images.iter().filter(|image| !dropped.contains(&image.path));
    let named = images().filter(|image| image.location.is_some() && image.file.is_some());
    let named: BTreeSet<String> = named.map(|image| folder(&image.path)).collect();
    let rest = images().filter(|image| image.location.is_none());
    rest.map(|image| image.path.clone()).filter(|path| !named.contains(&folder(path))).collect()
}

/// Makes a copy of a dataset with what was written, and returns the path to read it by.
fn put(path: &Path, dataset: &Dataset, written: &Rewrite, to: &Path) -> PathBuf {
    let root = dataset.root.canonicalize().expect("a root");
    let top = if path.starts_with(&root) { &root } else { path };
    // A folder without a project gives its name to its video.
    let to = &to.join(top.file_name().expect("a name"));
    let inside = root.strip_prefix(top).expect("a root in the folder");
    for entry in walkdir::WalkDir::new(top) {
        let entry = entry.expect("an entry");
        let copy = to.join(entry.path().strip_prefix(top).expect("a path below"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(&copy).expect("a folder");
            continue;
        }
        let name = entry.path().strip_prefix(&root).ok().map(|name| name.to_str().expect("a name"));
        let goes = |list: &[String]| name.is_some_and(|name| list.iter().any(|gone| gone == name));
        let new = |file: &&(String, Vec<u8>)| name == Some(file.0.as_str());
        if let Some((_, bytes)) = written.files.iter().find(new) {
            fs::write(&copy, bytes).expect("a file");
        } else if !goes(&written.left_out) && !goes(&written.stale) {
            fs::hard_link(entry.path(), &copy)
                .or_else(|_| fs::copy(entry.path(), &copy).map(|_| ()))
                .expect("a copy");
        }
    }
    for name in written.left_out.iter().chain(&written.stale) {
        assert!(root.join(name).is_file(), "{name} is left out, but is no file");
    }
    for (name, _) in &written.files {
        assert!(to.join(inside).join(name).is_file(), "{name} is written, but is no file");
    }
    to.join(path.strip_prefix(top).expect("a path below"))
}

/// Returns edits of every kind, some of what does not exist.
fn random_edits(dataset: &Dataset, hidden: Hidden, seed: u64) -> Vec<Edit> {
    let mut random = SplitMix64::named("edits", seed);
    let instances = dataset.instances.len() as u64;
    let most = [2, 5, instances / 3 + 2][(seed % 3) as usize];
    let mut edits = Vec::new();
    for _ in 0..=random.below(most) {
        // One past the end now and then.
        let instance = random.below(instances + 1) as u32;
        let kinds = dataset.instances.get(instance as usize).map_or(3, |instance| {
            dataset.skeleton_of(instance).map_or(1, |skeleton| skeleton.keypoints.len())
        });
        let kind = random.below(kinds as u64) as u16;
        let mut place = || {
            let place = random.uniform(-3.0, 700.0);
            match random.below(3) {
                0 => place.round(),
                1 => (place * 1000.0).round() / 1000.0 + dataset.pixel_offset,
                _ => place,
            }
        };
        let (x, y) = (place(), place());
        let visibility = match random.chance(0.5) && hidden == Hidden::Sayable {
            true => Visibility::Occluded,
            false => Visibility::Visible,
        };
        match random.below(12) {
            0 => {
                let image = random.below(dataset.images.len() as u64 + 1) as u32;
                edits.push(Edit::DropImage { image });
            }
            1 => edits.push(Edit::DropInstance { instance }),
            2..=4 => edits.push(Edit::DropKeypoint { instance, kind }),
            5..=6 => edits.push(Edit::SetKeypoint { instance, kind, x, y }),
            7 => edits.push(Edit::SetVisibility { instance, kind, visibility }),
            _ => edits.extend(swap(dataset, instance, random.below(kinds as u64) as u16, kind)),
        }
    }
    edits
}

/// Returns the edits by which two keypoints of an instance change places.
fn swap(dataset: &Dataset, at: u32, a: u16, b: u16) -> Vec<Edit> {
    let Some(instance) = dataset.instances.get(at as usize) else { return Vec::new() };
    let (Some(p), Some(q)) = (dataset.keypoint(instance, a), dataset.keypoint(instance, b)) else {
        return Vec::new();
    };
    vec![
        Edit::SetKeypoint { instance: at, kind: a, x: q.x, y: q.y },
        Edit::SetKeypoint { instance: at, kind: b, x: p.x, y: p.y },
    ]
}

/// Returns what a dataset says of each image, one line each, without places in label files
/// and without numbers that only count.
fn labels(dataset: &Dataset, without: &BTreeSet<String>) -> Vec<String> {
    let class = |at: Option<u16>| at.map(|at| dataset.classes[usize::from(at)].name.as_str());
    let mut lines = Vec::new();
    for (image, range) in dataset.images.iter().zip(dataset.instances_by_image()) {
        if without.contains(&image.path) {
            assert!(range.is_empty(), "an image that is left out has labels");
            continue;
        }
        let mut instances: Vec<String> = (dataset.instances[range].iter())
            .map(|instance| {
                let name = match instance.name {
                    InstanceName::Individual(at) => dataset.individuals[at as usize].as_str(),
                    _ => "",
                };
                let skeleton = dataset.skeleton_of(instance);
                let points: Vec<String> = (dataset.keypoints_of(instance).iter())
                    .map(|point| {
                        let names = &skeleton.expect("a skeleton").keypoints;
                        let [x, y] = [point.x, point.y].map(|v| dataset.to_label(v) + 0.0);
                        let seen = point.visibility;
                        format!("{} {x} {y} {seen:?}", names[usize::from(point.kind)])
                    })
                    .collect();
                let class = class(instance.class);
                let (bbox, area, crowd) = (instance.bbox, instance.area, instance.crowd);
                format!("{name:?} {class:?} {bbox:?} {area:?} {crowd} {}", points.join(", "))
            })
            .collect();
        instances.sort();
        lines.push(format!(
            "{} file {} video {:?} {:?} split {:?} class {:?} size {:?} labelled {}: {}",
            image.path,
            image.file.is_some(),
            dataset.video_of(image),
            image.frame,
            dataset.split_of(image),
            class(image.class),
            image.declared_px,
            image.location.is_some(),
            instances.join("; ")
        ));
    }
    lines
}

/// Writes files into a new folder.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, bytes).expect("a file");
    }
    folder
}

/// Returns the new text of the one file that edits change.
fn one(dataset: &Dataset, edits: &[Edit]) -> String {
    let mut written = rewrite(dataset, edits).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(written.files.len(), 1, "{written:?}");
    String::from_utf8_lossy(&written.files.remove(0).1).into_owned()
}

/// Returns the index of an image.
fn image(dataset: &Dataset, path: &str) -> u32 {
    dataset.images.iter().position(|image| image.path == path).expect("an image") as u32
}

/// Returns the index of the first instance of an image.
fn instance(dataset: &Dataset, path: &str) -> u32 {
    let image = image(dataset, path);
    dataset.instances.iter().position(|i| i.image == image).expect("an instance") as u32
}
