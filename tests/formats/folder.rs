//! Plain folders of images, and classification by folders.

use labelvet::formats::{ReadOptions, read};

use super::{counts, load, shared};

#[test]
fn folders_of_photographs_are_plain() {
    for (data, images) in [("broken-images", 101), ("kwentar-blur", 9), ("exif-orientation", 18)] {
        let Some(path) = shared(data) else { return };
        let dataset = load(&path);
        assert_eq!(dataset.format, "folder", "{data}");
        assert_eq!(counts(&dataset), [images, images, 0, 0, 0], "{data}");
        assert!(dataset.images.iter().all(|image| image.video.is_none()), "{data}");
    }
}

/// Makes empty files below a new folder.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, "").expect("a file");
    }
    folder
}

#[test]
fn folders_of_classes_are_told_from_folders_of_frames() {
    for files in [
        &["cat/1.jpg", "dog/1.jpg"][..],
        &["0/1.png", "1/1.png", "9/1.png"],
        &["train/cat/1.jpg", "val/cat/2.jpg", "README.md"],
        &["train/cat/1.jpg", "train/dog/1.jpg", "valid/dog/1.jpg"],
    ] {
        let folder = tree(files);
        assert_eq!(load(folder.path()).format, "classification", "{files:?}");
    }
    for files in [
        &["cat/1.jpg"][..],
        &["cat/1.jpg", "dog/1.jpg", "cover.jpg"],
        &["cat/1.jpg", "dog/notes.txt"],
        &["cat/1.jpg", "dog/a/1.jpg"],
        &["cam1/1.jpg", "cam2/1.jpg"],
        &["m4s1/img0001.png", "m5s1/img0002.png"],
        &["a/frame_01.png", "b/frame_02.png"],
        &["images/1.jpg", "masks/1.jpg"],
        &["20240611_a/1.jpg", "20240612_a/1.jpg"],
        &["train/1.jpg", "val/1.jpg"],
    ] {
        let folder = tree(files);
        let dataset = load(folder.path());
        assert_eq!(dataset.format, "folder", "{files:?}");
        assert!(dataset.classes.is_empty());
    }
}

#[test]
fn classes_and_splits_are_the_folders() {
    let folder = tree(&["train/cat/a/1.jpg", "train/cat/2.jpg", "val/dog/3.jpg", "val/._x.jpg"]);
    let dataset = load(folder.path());
    let found: Vec<_> = (dataset.images.iter())
        .map(|image| {
            let class = image.class.map(|at| dataset.classes[usize::from(at)].name.as_str());
            (image.path.as_str(), dataset.split_of(image), class)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("train/cat/2.jpg", Some("train"), Some("cat")),
            ("train/cat/a/1.jpg", Some("train"), Some("cat")),
            ("val/dog/3.jpg", Some("val"), Some("dog")),
        ]
    );
    assert!(dataset.images.iter().all(|image| image.location.is_some()));
    assert_eq!(dataset.problems.len(), 1);
}

#[test]
fn a_format_that_is_asked_for_needs_no_sign() {
    let folder = tree(&["cam1/1.jpg", "cam2/1.jpg"]);
    let format = |slug: &str| ReadOptions { format: Some(slug.into()), ..ReadOptions::default() };
    let dataset = read(folder.path(), &format("classification")).expect("two classes");
    assert_eq!(dataset.classes.len(), 2);
    let classes = tree(&["cat/1.jpg", "dog/1.jpg"]);
    let dataset = read(classes.path(), &format("folder")).expect("a folder");
    assert_eq!((dataset.format, dataset.classes.len()), ("folder", 0));
}

#[test]
fn ten_thousand_images_are_listed_fast() {
    let names: Vec<String> = (0..10_000).map(|at| format!("{}/{at}.jpg", at % 7)).collect();
    let folder = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let start = std::time::Instant::now();
    let options = ReadOptions { format: Some("folder".into()), ..ReadOptions::default() };
    let dataset = read(folder.path(), &options).expect("a folder");
    assert_eq!(dataset.images.len(), 10_000);
    // It takes some 0.1 s; the limit only tells linear from quadratic.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
