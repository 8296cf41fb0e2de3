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
    let file = load(&path.join("data/mirror-mouse-example/CollectedData.csv"));
    assert_eq!(counts(&file), counts(&dataset));
}
