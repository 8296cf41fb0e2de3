//! Lightning Pose.

use super::*;

#[test]
fn mirror_mouse_reads_wholly() {
    let Some(path) = shared("lp-mirror-mouse") else { return };
    let dataset = load(&path);
    assert_eq!(dataset.format, "lightning_pose");
    assert_eq!(counts(&dataset), [93, 93, 90, 90, 90 * 17 - 134]);
    assert_eq!(
        pair_names(&dataset, 0),
        [
            ["paw1LH_top", "paw4RH_top"],
            ["paw2LF_top", "paw3RF_top"],
            ["paw1LH_bot", "paw4RH_bot"],
            ["paw2LF_bot", "paw3RF_bot"],
        ]
    );
    assert_eq!(dataset.images[0].path, "labeled-data/img00.png");
    assert!(dataset.problems.is_empty(), "{:?}", problems(&dataset));
    assert!(dataset.videos.is_empty() && dataset.images.iter().all(|i| i.frame.is_none()));
    let file = load(&path.join("data/mirror-mouse-example/CollectedData.csv"));
    assert_eq!(counts(&file), counts(&dataset));
}

#[test]
fn the_example_that_ships_reads_wholly() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mirror-mouse");
    let dataset = load(&path);
    assert_eq!(dataset.format, "lightning_pose");
    assert_eq!(counts(&dataset), [93, 93, 90, 90, 90 * 17 - 134]);
    assert!(dataset.problems.is_empty(), "{:?}", problems(&dataset));
}

#[test]
fn context_frames_are_left_out_and_gaps_are_not() {
    let read = |labelled: &[u64], files: std::ops::RangeInclusive<u64>| {
        let folder = tempfile::tempdir().expect("a folder");
        let video = folder.path().join("labeled-data/v");
        std::fs::create_dir_all(&video).expect("folders");
        for frame in files {
            std::fs::write(video.join(format!("img{frame:03}.png")), "").expect("a file");
        }
        let mut text = "scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\n".to_string();
        for frame in labelled {
            text.push_str(&format!("labeled-data/v/img{frame:03}.png,1,1\n"));
        }
        std::fs::write(folder.path().join("CollectedData.csv"), text).expect("a file");
        load(&folder.path().join("CollectedData.csv")).images.len()
    };
    // Frames 8 to 12 and 18 to 22 are context of 10 and 20; frames 13 to 17 are not.
    assert_eq!(read(&[10, 20], 8..=22), 2 + 5);
    // One of eight frames was forgotten.
    assert_eq!(read(&[1, 2, 3, 5, 6, 7, 8], 1..=8), 8);
    // Neighbours that were never saved are no context.
    assert_eq!(read(&[10, 20], 10..=11), 3);
}
