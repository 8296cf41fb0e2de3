//! Readers against small fixtures, and against real datasets where they are present.

mod coco;
mod deeplabcut;
mod folder;
mod garbage;
mod lightning_pose;
mod rewrite;
mod voc;
mod yolo;

use std::path::{Path, PathBuf};

use labelvet::dataset::{Dataset, Location, Visibility};
use labelvet::formats::{FormatError, ReadOptions, read};

/// Returns a path in `fixtures/formats`.
pub(crate) fn fixture(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats").join(relative)
}

/// Returns a path among the real datasets beside the repository, or says that the test
/// is skipped without them.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn shared(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// Reads a dataset that can be read.
pub(crate) fn load(path: &Path) -> Dataset {
    read(path, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns why a path cannot be read.
pub(crate) fn refusal(path: &Path) -> FormatError {
    match read(path, &ReadOptions::default()) {
        Ok(dataset) => panic!("{} was read as {}", path.display(), dataset.format),
        Err(error) => error,
    }
}

/// Returns the numbers of images, of those that exist, of those that a label file
/// names, of instances and of keypoints.
pub(crate) fn counts(dataset: &Dataset) -> [usize; 5] {
    [
        dataset.images.len(),
        dataset.images.iter().filter(|image| image.file.is_some()).count(),
        dataset.images.iter().filter(|image| image.location.is_some()).count(),
        dataset.instances.len(),
        dataset.instances.iter().map(|instance| usize::from(instance.len)).sum(),
    ]
}

/// Returns kind, file, row, column and message of every problem.
pub(crate) fn problems(dataset: &Dataset) -> Vec<String> {
    let number = |n: Option<u32>| n.map_or("-".into(), |n| n.to_string());
    (dataset.problems.iter())
        .map(|p| {
            let (row, column) = (number(p.row), number(p.column));
            format!("{:?} {}:{row}:{column}: {}", p.kind, p.file, p.message)
        })
        .collect()
}

/// Returns everything that was read, in the label file's own numbers, one line each.
fn describe(dataset: &Dataset) -> String {
    let mut lines = vec![format!("format {}", dataset.format)];
    for skeleton in &dataset.skeletons {
        lines.push(format!(
            "skeleton {:?} {} edges {:?} pairs {:?} from {}",
            skeleton.name,
            skeleton.keypoints.join(" "),
            skeleton.edges,
            skeleton.pairs,
            skeleton.pair_source.label()
        ));
    }
    for class in &dataset.classes {
        let defined = if class.defined { "" } else { " undefined" };
        lines.push(format!("class {}{defined}", class.name));
    }
    let ranges = dataset.instances_by_image();
    for (image, range) in dataset.images.iter().zip(ranges) {
        let mut line = format!("image {}", image.path);
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                line.push_str(&format!(" {name} {value}"));
            }
        };
        add("file", image.file.is_none().then(|| "missing".into()));
        add("video", dataset.video_of(image).map(String::from));
        add("frame", image.frame.map(|frame| frame.to_string()));
        add("split", dataset.split_of(image).map(String::from));
        for &(division, part) in &image.parts {
            add(&dataset.divisions[usize::from(division)], Some(part.name().into()));
        }
        add("class", image.class.map(|at| dataset.classes[usize::from(at)].name.clone()));
        add("size", image.declared_px.map(|[w, h]| format!("{w}x{h}")));
        let place = |l: Location| format!("{}:{}", dataset.label_files[l.file as usize], l.row);
        add("at", image.location.map(place));
        lines.push(line);
        for instance in &dataset.instances[range] {
            let mut line = format!("  instance {}", dataset.instance_name(instance));
            if let Some(class) = instance.class {
                line.push_str(&format!(" class {}", dataset.classes[usize::from(class)].name));
            }
            if let Some(b) = instance.bbox {
                line.push_str(&format!(" box {} {} {} {}", b.x, b.y, b.width, b.height));
            }
            for point in dataset.keypoints_of(instance) {
                let skeleton = dataset.skeleton_of(instance).expect("its points have names");
                let name = &skeleton.keypoints[usize::from(point.kind)];
                let [x, y] = [point.x, point.y].map(|v| dataset.to_label(v));
                let hidden = if point.visibility == Visibility::Occluded { " hidden" } else { "" };
                line.push_str(&format!(" {name} ({x} {y}{hidden} column {})", point.column));
            }
            lines.push(line);
        }
    }
    lines.extend(problems(dataset));
    lines.push(String::new());
    lines.join("\n")
}

/// Holds `fixtures/formats/<format>/<case>/` to `<case>.txt` beside it; `UPDATE=1`
/// writes it, to be read before it is committed.
#[test]
fn every_format_fixture_reads_as_expected() {
    let mut wrong = Vec::new();
    for entry in walkdir::WalkDir::new(fixture("")).min_depth(2).max_depth(2).sort_by_file_name() {
        let case = entry.expect("an entry").into_path();
        if !case.is_dir() {
            continue;
        }
        let found = describe(&load(&case));
        let file = case.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &found).expect("the expectation is written");
        } else if std::fs::read_to_string(&file).ok().as_ref() != Some(&found) {
            wrong.push(format!("{}:\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "run `UPDATE=1 cargo test --release`:\n{}", wrong.join("\n"));
}

/// Returns the pairs of a skeleton as names.
pub(crate) fn pair_names(dataset: &Dataset, skeleton: usize) -> Vec<[&str; 2]> {
    let skeleton = &dataset.skeletons[skeleton];
    let name = |at: u16| skeleton.keypoints[usize::from(at)].as_str();
    skeleton.pairs.iter().map(|pair| pair.map(name)).collect()
}

#[test]
fn several_datasets_are_listed() {
    let Some(data) = shared("sleap-io-js/tests/data/dlc_multiple_datasets") else { return };
    match refusal(&data) {
        FormatError::Several { found, .. } => assert_eq!(found, ["video1", "video2"]),
        error => panic!("{error}"),
    }
}
