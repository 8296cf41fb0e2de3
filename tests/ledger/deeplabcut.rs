//! A DeepLabCut project with every loss planted.

use std::path::Path;

use super::{book, draw, lost, notes, put};

const CONFIG: &str = "Task: t\nscorer: Ada\ndate: Jan1\nvideo_sets:\n  C:\\Users\\me\\cage.avi:\n    \
    crop: 0, 64, 0, 48\n  /data/far.mp4:\n    crop: 0, 64, 0, 48\n  /data/csv_only.mp4:\n    \
    crop: 0, 64, 0, 48\n  /data/bob.mp4:\n    crop: 0, 64, 0, 48\nbodyparts:\n- nose\n- tail\n\
    TrainingFraction:\n- 0.5\niteration: 0\nresnet: 50\nengine: tensorflow\n";

/// Returns a label file of three body parts; `rows` are cells after the path.
fn csv(scorer: &str, parts: [&str; 3], rows: &[(&str, &str)]) -> String {
    let header = |first: &str, cells: [&str; 3]| {
        format!("{first},{}\n", cells.map(|cell| format!("{cell},{cell}")).join(","))
    };
    let mut text = header("scorer", [scorer; 3]) + &header("bodyparts", parts);
    text += "coords,x,y,x,y,x,y\n";
    for (path, cells) in rows {
        text += &format!("{path},{cells}\n");
    }
    text
}

/// Writes labels with the HDF5 that DeepLabCut reads; its content is not looked at.
fn labels(root: &Path, folder: &str, name: &str, text: &str) {
    put(root, &format!("labeled-data/{folder}/{name}.csv"), text);
    put(root, &format!("labeled-data/{folder}/{name}.h5"), "HDF");
}

fn project(root: &Path) {
    put(root, "config.yaml", CONFIG);
    // The drawn images are small.
    put(root, "dlc-models/iteration-0/t/train/pose_cfg.yaml", "min_input_size: 16\n");
    for frame in 0..8 {
        draw(root, &format!("labeled-data/cage/img{frame}.png"), 64, 48);
    }
    let path = |frame: u32| format!("labeled-data/cage/img{frame}.png");
    let windows = r"labeled-data\cage\img6.png".to_string();
    let rows: Vec<(String, &str)> = vec![
        (path(0), "10,10,20.5,20.5,30,30"), // `ear` is in no config.yaml
        (path(1), "0,0,64,10,,"),           // not visible, x is the width
        (path(2), "0.9,10,-3,10,,"),        // both count as 0 or less
        (path(3), "10,,x,10,,"),            // half a place, no number
        (path(4), ",,,,,"),                 // a frame without points
        (path(5), "5,5,6,6,,"),             // the image is damaged
        (windows, "1,1,2,2,,"),             // backslashes among slashes
        (path(9), "1,1,2,2,,"),             // no such image
        (path(0), "11,11,,,,"),             // names an image again
    ];
    let rows: Vec<(&str, &str)> = rows.iter().map(|(path, cells)| (&**path, *cells)).collect();
    labels(root, "cage", "CollectedData_Ada", &csv("Ada", ["nose", "tail", "ear"], &rows));
    put(root, "labeled-data/cage/img5.png", "no image");
    // Folders that are not read: an unlisted video, no HDF5, another scorer in name or header.
    for (folder, frames) in [("unlisted", 1), ("csv_only", 1), ("bob", 1), ("far", 1)] {
        for frame in 0..frames {
            draw(root, &format!("labeled-data/{folder}/img{frame}.png"), 64, 48);
        }
    }
    let parts = ["nose", "tail", "ear"];
    let row = |folder: &str| format!("labeled-data/{folder}/img0.png");
    let one = |scorer, folder: &str| csv(scorer, parts, &[(&row(folder), "1,1,2,2,3,3")]);
    labels(root, "unlisted", "CollectedData_Ada", &one("Ada", "unlisted"));
    put(root, "labeled-data/csv_only/CollectedData_Ada.csv", one("Ada", "csv_only"));
    labels(root, "bob", "CollectedData_Bob", &one("Bob", "bob"));
    labels(root, "far", "CollectedData_Ada", &one("Zoe", "far"));
}

#[test]
fn every_loss_is_counted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path());
    let ledger = book(folder.path());
    assert_eq!(
        lost(&ledger),
        [
            ("unlisted_video", 3, 1, 1),
            ("other_scorer", 6, 2, 2),
            ("no_hdf5", 3, 1, 1),
            ("mixed_path", 2, 1, 1),
            ("unknown_bodypart", 1, 0, 0),
            ("missing_image", 2, 1, 1),
            ("unreadable_image", 2, 1, 1),
            ("unreadable_label", 2, 1, 1),
            ("zero_coordinates", 1, 0, 0),
            ("outside_image", 3, 2, 2),
            ("no_points", 0, 0, 1),
            ("not_labelled", 0, 0, 1),
        ]
    );
    // nose and tail of img0, and nose of the row that names it again.
    assert_eq!((ledger.used.points, ledger.used.instances, ledger.used.images), (3, 2, 1));
    assert_eq!((ledger.found.points, ledger.found.images), (28, 13));
    assert_eq!(
        ledger.summary,
        "3 of 28 labelled points reach the trainer (DeepLabCut with TensorFlow); 25 do not: 6 of another scorer, \
         3 of videos that config.yaml does not list, 3 in a CSV without the HDF5 that is read in \
         its place, 13 for other reasons"
    );
    assert_eq!(
        notes(&ledger),
        ["cut_to_integers", "repeated_rows", "windows_paths", "hdf5_not_compared", "dead_keys"]
    );
    let cell = ledger.places.iter().find(|place| place.reason == "zero_coordinates");
    let cell = cell.expect("a place");
    assert_eq!(cell.image.as_deref(), Some("labeled-data/cage/img1.png"));
    assert_eq!((cell.row, cell.column, cell.x), (Some(5), Some(2), Some(0.0)));
    assert_eq!(cell.keypoint.as_deref(), Some("nose"));
}

#[test]
fn folders_that_no_video_names_are_read_where_none_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path());
    let config = CONFIG.replace("cage.avi", "elsewhere.avi").replace("far.mp4", "away.mp4");
    let config = config.replace("csv_only.mp4", "x.mp4").replace("bob.mp4", "y.mp4");
    put(folder.path(), "config.yaml", config);
    let ledger = book(folder.path());
    assert!(lost(&ledger).iter().all(|(reason, ..)| *reason != "unlisted_video"));
    assert_eq!(ledger.used.points, 3 + 2, "nose and tail of the folder `unlisted`, too");
}

#[test]
fn visits_are_steps_of_a_batch_over_the_frames_that_are_trained_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "config.yaml", CONFIG);
    let rows: Vec<String> = (0..10)
        .map(|frame| {
            let path = format!("labeled-data/cage/img{frame}.png");
            draw(root, &path, 96, 96);
            path
        })
        .collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|path| (&**path, "1,1,2,2,,")).collect();
    labels(root, "cage", "CollectedData_Ada", &csv("Ada", ["nose", "tail", "ear"], &rows));
    let usual = book(root);
    assert_eq!(usual.visits.len(), 1);
    assert_eq!((usual.visits[0].train_images, usual.visits[0].per_image), (5, 206_000.0));
    assert_eq!(lost(&usual), []);
    put(
        root,
        "dlc-models/iteration-0/tJan1-trainset50shuffle1/train/pose_cfg.yaml",
        "batch_size: 8\nmulti_step:\n- [0.01, 1000]\nmin_input_size: 32\nrotratio: 0.4\n",
    );
    let planned = book(root);
    assert_eq!(lost(&planned), []);
    assert_eq!((planned.visits[0].iterations, planned.visits[0].per_image), (Some(1000), 1600.0));
    let dead = planned.notes.iter().find(|note| note.note == "dead_keys").expect("a note");
    assert!(dead.message.contains("`rotratio`") && dead.message.contains("`rotateratio`"));
    assert_eq!(dead.count, 2, "`resnet` of config.yaml, too: {}", dead.message);
    // Scaled by 0.8, all images are below 100 × 100 px, so that training stops.
    put(
        root,
        "dlc-models/iteration-0/tJan1-trainset50shuffle1/train/pose_cfg.yaml",
        "min_input_size: 100\n",
    );
    assert_eq!(lost(&book(root)), [("image_size", 20, 10, 10)]);
}

#[test]
fn a_mixture_of_sizes_is_a_risk_and_no_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "config.yaml", CONFIG);
    let rows: Vec<String> = (0..10)
        .map(|frame| {
            let path = format!("labeled-data/cage/img{frame}.png");
            let side = if frame < 5 { 40 } else { 128 };
            draw(root, &path, side, side);
            path
        })
        .collect();
    let rows: Vec<(&str, &str)> = rows.iter().map(|path| (&**path, "1,1,2,2,,")).collect();
    labels(root, "cage", "CollectedData_Ada", &csv("Ada", ["nose", "tail", "ear"], &rows));
    let ledger = book(root);
    assert_eq!(lost(&ledger), []);
    let note = ledger.notes.iter().find(|note| note.note == "image_size").expect("a note");
    assert_eq!(note.count, 5);
    // One batch in 2^9 finds no image of a fitting size; there are a million.
    assert!(note.message.ends_with("with probability 1.000"), "{}", note.message);
}

#[test]
fn pytorch_cuts_nothing_and_has_no_limits_of_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(root, "config.yaml", CONFIG.replace("engine: tensorflow", "engine: pytorch"));
    draw(root, "labeled-data/cage/img0.png", 16, 16);
    let rows = [("labeled-data/cage/img0.png", "0.5,10,0,0,,")];
    labels(root, "cage", "CollectedData_Ada", &csv("Ada", ["nose", "tail", "ear"], &rows));
    let ledger = book(root);
    assert_eq!(lost(&ledger), [("zero_coordinates", 1, 0, 0)]);
    assert_eq!(notes(&ledger), ["hdf5_not_compared", "dead_keys"]);
    assert_eq!(ledger.visits.len(), 0, "half of one image is none");
}

#[test]
fn individuals_are_instances_and_keep_their_decimals() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    put(
        root,
        "config.yaml",
        "scorer: Ada\nmultianimalproject: true\nbodyparts: MULTI!\nmultianimalbodyparts: [nose]\n\
         uniquebodyparts: [corner]\nvideo_sets:\n  a/cage.avi:\n    crop: 0, 1, 0, 1\n",
    );
    draw(root, "labeled-data/cage/img0.png", 64, 48);
    labels(
        root,
        "cage",
        "CollectedData_Ada",
        "scorer,,,Ada,Ada,Ada,Ada,Ada,Ada\nindividuals,,,a,a,b,b,single,single\n\
         bodyparts,,,nose,nose,nose,nose,corner,corner\ncoords,,,x,y,x,y,x,y\n\
         labeled-data,cage,img0.png,0.5,10,64,10,3,3\n",
    );
    let ledger = book(root);
    assert_eq!(lost(&ledger), [("outside_image", 1, 1, 0)]);
    assert_eq!((ledger.used.points, ledger.used.instances), (2, 2));
    assert_eq!(notes(&ledger), ["hdf5_not_compared"], "no coordinate is cut");
}
