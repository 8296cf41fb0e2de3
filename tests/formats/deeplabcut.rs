//! DeepLabCut.

use labelvet::dataset::PairSource;

use super::*;

#[test]
fn openfield_reads_wholly() {
    let Some(path) = shared("dlc-openfield") else { return };
    let dataset = load(&path);
    assert_eq!(dataset.format, "deeplabcut");
    assert_eq!(counts(&dataset), [116, 116, 116, 116, 464]);
    assert_eq!(dataset.videos, ["m4s1"]);
    assert_eq!(dataset.skeletons[0].keypoints, ["snout", "leftear", "rightear", "tailbase"]);
    assert_eq!(pair_names(&dataset, 0), [["leftear", "rightear"]]);
    assert_eq!(dataset.skeletons[0].pair_source, PairSource::Names);
    let first = &dataset.instances[0];
    let image = &dataset.images[first.image as usize];
    assert_eq!(image.path, "labeled-data/m4s1/img0000.png");
    assert_eq!(image.frame, Some(0));
    let snout = dataset.keypoint(first, 0).expect("it is labelled");
    assert_eq!([dataset.to_label(snout.x), dataset.to_label(snout.y)], [21.521, 265.428]);
    assert_eq!((snout.column, first.location.map(|l| l.row)), (2, Some(4)));
    assert_eq!(
        problems(&dataset),
        [
            "NotCompared labeled-data/m4s1/CollectedData_Pranav.h5:-:-: labels in HDF5 beside the CSV, not compared with it"
        ]
    );
    // The file that users pass, and the label file alone, are the same dataset.
    let project = path.join("examples/openfield-Pranav-2018-10-30");
    for file in ["config.yaml", "labeled-data/m4s1/CollectedData_Pranav.csv", "labeled-data"] {
        let same = load(&project.join(file));
        assert_eq!(counts(&same), counts(&dataset), "{file}");
        assert_eq!(same.images[5].path, dataset.images[5].path, "{file}");
        assert_eq!(same.skeletons, dataset.skeletons, "{file}");
    }
}

#[test]
fn reaching_reads_wholly() {
    let Some(path) = shared("dlc-reaching") else { return };
    let dataset = load(&path);
    assert_eq!(dataset.format, "deeplabcut");
    let [images, files, labelled, instances, points] = counts(&dataset);
    assert_eq!([images, files, labelled, instances], [55; 4]);
    assert_eq!(points, 55 * 5 - 40 - 2);
    let names = &dataset.skeletons[0].keypoints;
    let missing = |name: &str| {
        let kind = dataset.skeletons[0].index(name).expect("a keypoint");
        dataset.instances.iter().filter(|i| dataset.keypoint(i, kind).is_none()).count()
    };
    let missing: Vec<usize> = names.iter().map(|name| missing(name)).collect();
    assert_eq!(missing, [1, 1, 40, 0, 0], "{names:?}");
    assert_eq!(dataset.skeletons[0].edges, [[0, 1], [3, 4]]);
}

#[test]
fn files_of_sleap_io_read_wholly() {
    let Some(path) = shared("sleap-io-js/tests/data/dlc") else { return };
    let video = path.join("labeled-data/video");
    // Images, existing, named by rows, instances, points; counted by hand in the CSVs.
    for (file, expected) in [
        ("dlc_testdata.csv", [4, 4, 4, 3, 8]),
        ("dlc_testdata_v2.csv", [4, 4, 4, 3, 8]),
        ("madlc_testdata.csv", [4, 4, 4, 5, 13]),
        ("madlc_testdata_v2.csv", [4, 4, 4, 5, 13]),
        ("maudlc_testdata.csv", [4, 4, 4, 7, 17]),
        ("maudlc_testdata_v2.csv", [4, 4, 4, 7, 17]),
        ("CollectedData_LM.csv", [4, 4, 4, 7, 17]),
    ] {
        let dataset = load(&video.join(file));
        assert_eq!(counts(&dataset), expected, "{file}");
        assert_eq!(dataset.images[0].path, "labeled-data/video/img000.png", "{file}");
        assert!(dataset.problems.is_empty(), "{file}: {:?}", problems(&dataset));
    }
    let dataset = load(&path);
    assert_eq!(counts(&dataset), [4, 4, 4, 7, 17]);
    let names: Vec<&str> = dataset.skeletons.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["individuals", "single"]);
    assert_eq!(dataset.skeletons[1].keypoints, ["D", "E"]);
    assert_eq!(dataset.individuals, ["Animal1", "Animal2", "single"]);
    // Its configuration names another scorer than the header of its label file.
    let dataset = load(&path.join("madlc_230_config.yaml"));
    assert_eq!(counts(&dataset), [4, 4, 4, 7, 17]);
    assert_eq!(dataset.skeletons[0].edges, [[0, 1], [1, 2], [0, 2]]);
    assert_eq!(
        problems(&dataset),
        [
            "OtherScorer labeled-data/video/CollectedData_LM.csv:1:-: expected labels of the project's scorer `LM`, found those of `Scorer`; read, since there are no others"
        ]
    );
}

#[test]
fn images_may_lie_beside_a_label_file_without_a_project() {
    let Some(path) = shared("sleap-io-js/tests/data/dlc_multiple_datasets") else { return };
    let dataset = load(&path.join("video1/dlc_dataset_1.csv"));
    assert_eq!(counts(&dataset), [3, 3, 2, 4, 10]);
    assert_eq!((dataset.images[2].path.as_str(), dataset.images[2].frame), ("img002.jpg", Some(2)));
    assert_eq!(dataset.videos, ["video1"]);
    assert_eq!(counts(&load(&path.join("video2"))), [3, 3, 1, 1, 3]);
}

#[test]
fn images_may_lie_elsewhere() {
    let project = fixture("deeplabcut/animals");
    let here = load(&project);
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("project/labeled-data/day1");
    std::fs::create_dir_all(&copy).expect("folders");
    let file = "CollectedData_Ada.csv";
    std::fs::copy(project.join("labeled-data/day1").join(file), copy.join(file)).expect("a copy");
    for images in ["", "labeled-data", "labeled-data/day1"] {
        let images = Some(project.join(images));
        let options = ReadOptions { images, ..ReadOptions::default() };
        let dataset = read(&folder.path().join("project"), &options).expect("it is a project");
        let of = |dataset: &Dataset| -> Vec<_> {
            let day = dataset.images.iter().filter(|i| dataset.video_of(i) == Some("day1"));
            day.map(|i| (i.path.clone(), i.file.is_some(), i.location.map(|l| l.row))).collect()
        };
        let labelled = |mut images: Vec<(String, bool, Option<u32>)>| {
            images.retain(|(_, _, row)| row.is_some());
            images
        };
        assert_eq!(labelled(of(&dataset)), labelled(of(&here)), "{:?}", options.images);
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let broken = folder.path().join("project");
    std::fs::create_dir(&broken).expect("a folder");
    for (name, text, expected) in [
        (
            "project/config.yaml",
            &b"scorer: Ada\nbodyparts:\n- nose\n  - [ear\nskeleton: }\n"[..],
            "config.yaml: row ",
        ),
        (
            "CollectedData_a.csv",
            b"",
            "row 1: expected a header row that begins with `scorer`, found the end of the file",
        ),
        (
            "CollectedData_b.csv",
            b"\x00\x01\xff\xfe\x89PNG\r\n",
            "row 1: expected a header row that begins with `scorer`",
        ),
        (
            "CollectedData_c.csv",
            b"scorer,a,a\nnose,1,2\n",
            "row 2: expected a header row that begins with `bodyparts`, found `nose`",
        ),
        (
            "CollectedData_d.csv",
            b"scorer,a\nbodyparts,n\ncoords,\n",
            "row 3: expected body parts and coords",
        ),
        ("CollectedData_e.csv", b"\xff\xfes\x00c\x00", "row 1: expected UTF-8, found UTF-16"),
        (
            "p.csv",
            b"scorer,n,n,n\nbodyparts,a,a,a\ncoords,x,y,likelihood\n0,1,2,1\n",
            "row 3: expected labels, found predictions",
        ),
        ("CollectedData_a.h5", b"\x89HDF\r\n", "name the CSV beside it"),
        ("table.csv", b"a,b\n1,2\n", "no dataset found"),
    ] {
        let message = refusal(&write(name, text)).to_string();
        assert!(message.contains(expected), "{name}: {message}");
        assert!(message.contains(name) && !message.contains('\n'), "{name}: {message}");
    }
}

#[test]
fn any_beginning_of_a_label_file_reads_without_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("CollectedData_x.csv");
    for case in [
        "spreadsheet/labeled-data/day1/CollectedData_Ada.csv",
        "animals/labeled-data/day1/CollectedData_Ada.csv",
    ] {
        let whole = std::fs::read(fixture("deeplabcut").join(case)).expect("a fixture");
        let mut readable = 0;
        for end in (0..whole.len()).step_by(3) {
            let mut text = whole[..end].to_vec();
            std::fs::write(&path, &text).expect("a file");
            readable += usize::from(read(&path, &ReadOptions::default()).is_ok());
            // One strange byte at the end of the beginning.
            text.push([0, 0xFF, b'"', b',', b'\n', b'9'][end / 3 % 6]);
            text.extend(&whole[end..]);
            std::fs::write(&path, &text).expect("a file");
            let _: Result<_, _> = read(&path, &ReadOptions::default());
        }
        assert!(readable > whole.len() / 9, "{case}: {readable} of {}", whole.len());
    }
}

/// Writes a project of one video with label files of the given scorers and rows.
fn project(config: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let video = folder.path().join("labeled-data/v");
    std::fs::create_dir_all(&video).expect("folders");
    std::fs::write(folder.path().join("config.yaml"), config).expect("a file");
    for (scorer, rows) in files {
        let text = format!("scorer,{scorer},{scorer}\nbodyparts,nose,nose\ncoords,x,y\n{rows}");
        std::fs::write(video.join(format!("CollectedData_{scorer}.csv")), text).expect("a file");
    }
    folder
}

#[test]
fn labels_of_another_scorer_are_read_only_when_there_are_no_others() {
    let rows = |x: u8| format!("labeled-data/v/img1.png,{x},1\n");
    let of = |config: &str, scorers: &[&str]| {
        let rows: Vec<String> = (1..).take(scorers.len()).map(rows).collect();
        let files = scorers.iter().copied().zip(rows.iter().map(String::as_str));
        let folder = project(config, &files.collect::<Vec<_>>());
        let dataset = load(folder.path());
        let x: Vec<f64> = dataset.keypoints.iter().map(|p| dataset.to_label(p.x)).collect();
        let kinds: Vec<String> = (problems(&dataset).iter())
            .map(|p| p.split(' ').next().unwrap_or_default().to_string())
            .collect();
        (x, kinds)
    };
    let own = "scorer: Ada\nbodyparts: [nose]\n";
    let none = "scorer:\nbodyparts: [nose]\n";
    let is = |x: &[f64], kinds: &[&str]| {
        (x.to_vec(), kinds.iter().map(|k| k.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(of(own, &["Ada"]), is(&[1.0], &[]));
    assert_eq!(of(own, &["Abe", "Ada"]), is(&[2.0], &["OtherScorer"]));
    assert_eq!(of(own, &["Bob"]), is(&[1.0], &["OtherScorer"]));
    assert_eq!(of(none, &["Bob"]), is(&[1.0], &[]));
    // Two files label one image: the first counts, and it is said once for the file.
    assert_eq!(of(none, &["Ada", "Bob"]), is(&[1.0], &["DuplicateRow"]));
    assert_eq!(
        of(own, &["Bob", "Eve"]),
        is(&[1.0], &["OtherScorer", "DuplicateRow", "OtherScorer"])
    );
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rows = ["labeled-data/v/img1.png,1,1\n", "labeled-data/v/img2.png,2,2\n"];
    let config = "scorer: Ada\nbodyparts: [nose]\n";
    let read = |rows: [&str; 2]| {
        let dataset = load(project(config, &[("Ada", &rows.concat())]).path());
        let points = dataset.instances.iter().map(|i| dataset.keypoints_of(i).to_vec());
        (
            dataset.images.iter().map(|i| i.path.clone()).collect::<Vec<_>>(),
            points.collect::<Vec<_>>(),
        )
    };
    assert_eq!(read(rows), read([rows[1], rows[0]]));
}

#[test]
fn a_project_is_found_below_but_not_behind_a_dot_or_a_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = folder.path();
    let fill = |at: &str| {
        let video = top.join(at).join("labeled-data/v");
        std::fs::create_dir_all(&video).expect("folders");
        let text = "scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\nlabeled-data/v/img1.png,1,1\n";
        std::fs::write(video.join("CollectedData_a.csv"), text).expect("a file");
    };
    fill(".trash/old");
    fill("a/b/c/d/e/too/deep");
    assert!(matches!(refusal(top), FormatError::Unknown { .. }));
    fill("a/project");
    #[cfg(unix)]
    std::os::unix::fs::symlink(top, top.join("a/link")).expect("a link");
    assert_eq!(counts(&load(top)), [1, 0, 1, 1, 1]);
    fill("b/project");
    match refusal(top) {
        FormatError::Several { found, .. } => assert_eq!(found, ["a/project", "b/project"]),
        error => panic!("{error}"),
    }
    let pair = ["nose", "tail"].map(String::from);
    let options = ReadOptions { pairs: vec![pair], ..ReadOptions::default() };
    let error = read(&top.join("b"), &options).expect_err("there is no tail");
    assert!(error.to_string().contains("known keypoints are nose"), "{error}");
}
