use super::*;
use crate::dataset::Image;

/// Videos of so many labelled frames each.
pub(super) fn dataset(videos: &[usize]) -> Dataset {
    let mut dataset = Dataset::default();
    for (video, &frames) in videos.iter().enumerate() {
        dataset.videos.push(format!("v{video}"));
        dataset.images.extend((0..frames).map(|frame| Image {
            path: format!("v{video}/img{frame:04}.png"),
            file: Some("x".into()),
            video: Some(video as u32),
            frame: Some(frame as u64),
            class: Some(0),
            ..Image::default()
        }));
    }
    dataset
}

fn counts(split: &Split) -> [usize; 3] {
    Part::ALL.map(|part| split.count(part))
}

#[test]
fn a_block_of_time_has_a_gap_on_both_sides() {
    let dataset = dataset(&[100]);
    let mut starts = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let split = split(&dataset, &SplitSettings::suitable(&dataset, seed)).expect("parts");
        let test = split.images(Part::Test);
        assert_eq!(test.len(), 20);
        assert_eq!(test[19] - test[0], 19, "one block");
        for &image in &split.images(Part::Train) {
            assert!(test.iter().all(|&other| other.abs_diff(image) > 2), "a gap of 2");
        }
        assert!((2..=4).contains(&split.count(Part::Gap)));
        starts.insert(test[0]);
    }
    assert!(starts.len() > 10, "the seed moves the block");
}

#[test]
fn whole_videos_are_held_out_where_there_are_three() {
    let dataset = dataset(&[30, 10, 20, 40]);
    for seed in 0..20 {
        let settings = SplitSettings::suitable(&dataset, seed);
        assert_eq!(settings.by, By::Video);
        let split = split(&dataset, &settings).expect("parts");
        let mut of_video: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (image, part) in dataset.images.iter().zip(&split.parts) {
            of_video.entry(image.video).or_default().push(*part);
        }
        assert!(of_video.values().all(|parts| parts.iter().all(|part| *part == parts[0])));
        let [train, test, gap] = counts(&split);
        assert!(train > 0 && (10..=50).contains(&test) && gap == 0, "{train} {test}");
    }
}

#[test]
fn few_images_still_have_both_parts() {
    for count in 2..12 {
        let dataset = dataset(&[count]);
        for seed in 0..5 {
            let split = split(&dataset, &SplitSettings::suitable(&dataset, seed));
            let [train, test, _] = counts(&split.expect("parts"));
            assert!(test >= 1 && (train >= 1 || count <= 3), "{count}: {train} {test}");
        }
    }
    for videos in [&[1, 9][..], &[9, 1], &[50, 50]] {
        let dataset = dataset(videos);
        let settings = SplitSettings { by: By::Video, ..SplitSettings::suitable(&dataset, 1) };
        let [train, test, _] = counts(&split(&dataset, &settings).expect("parts"));
        assert!(train > 0 && test > 0, "{videos:?}");
    }
    let one = dataset(&[1]);
    let settings = SplitSettings::suitable(&one, 0);
    assert_eq!(split(&one, &settings), Err(SplitError::TooFew { found: 1 }));
}

#[test]
fn a_datasets_own_split_counts() {
    let mut dataset = dataset(&[10]);
    dataset.splits = ["train", "valid", "test"].map(str::to_owned).to_vec();
    for (at, image) in dataset.images.iter_mut().enumerate() {
        image.split = Some(if at < 6 { 0 } else { 1 + (at % 2) as u16 });
    }
    let settings = SplitSettings::suitable(&dataset, 0);
    assert_eq!(settings.by, By::Dataset);
    let split = split(&dataset, &settings).expect("parts");
    assert_eq!(counts(&split), [6, 2, 0], "validation is in neither part");
}

#[test]
fn a_gap_in_frames_is_counted_in_the_video() {
    let mut dataset = dataset(&[100, 100]);
    // Every tenth frame of the second video is labelled.
    for image in &mut dataset.images[100..] {
        image.frame = image.frame.map(|frame| 10 * frame);
    }
    let usual = SplitSettings { by: By::Block, gap: 0, ..SplitSettings::suitable(&dataset, 0) };
    for seed in 0..20 {
        let settings = SplitSettings { gap_frames: 12, seed, ..usual };
        for split in shuffles(&dataset, &settings, 3).expect("parts") {
            let [train, test] = [Part::Train, Part::Test].map(|part| split.images(part));
            assert_eq!(test.len(), 40);
            let nearest = nearest_training_frames(&dataset, &train, &test);
            assert_eq!(share_within(&nearest, 12), Some(0.0));
            // The first that may be is trained on: frame 13, and the second beside in tens.
            assert_eq!(share_within(&nearest, 13).map(|share| share > 0.0), Some(true));
            let gap = split.images(Part::Gap);
            assert!((1..=2).contains(&gap.iter().filter(|&&image| image >= 100).count()));
            assert!((12..=24).contains(&gap.iter().filter(|&&image| image < 100).count()));
        }
    }
    let settings = SplitSettings { gap_frames: 1000, ..usual };
    assert_eq!(split(&dataset, &settings), Err(SplitError::AllNear(1000)));
    assert_eq!(shuffles(&dataset, &settings, 2), Err(SplitError::AllNear(1000)));
}
