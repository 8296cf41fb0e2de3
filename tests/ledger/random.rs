//! Whatever stands in label files: what was labelled is what is used and what is lost. The number
//! of labels is counted here from the text of the files, not by labelvet.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{book, draw, put};

/// Projects of each kind.
const ROUNDS: u64 = 40;

/// Numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Writes a label file and returns the number of points that someone labelled in it.
fn csv(dice: &mut Dice, root: &Path, folder: &str) -> usize {
    let scorer = dice.one(&["Ada", "Ada", "Ada", "Bob"]);
    let second = dice.one(&["Ada", "Ada", "Zoe"]);
    let scorers = [scorer, scorer, second];
    // The same scorer must not name a part twice.
    let parts = ["nose", dice.one(&["tail", "ear"]), "paw"];
    let double = |cells: [&str; 3]| cells.map(|cell| format!("{cell},{cell}")).join(",");
    let mut text = format!("scorer,{}\nbodyparts,{}\n", double(scorers), double(parts));
    text += "coords,x,y,x,y,x,y\n";
    let mut labelled = 0;
    for _ in 0..dice.below(7) {
        let frame = dice.below(5);
        let path = match dice.below(9) {
            0 => format!(r"labeled-data\{folder}\img{frame}.png"),
            1 => "notes".into(),
            _ => format!("labeled-data/{folder}/img{frame}.png"),
        };
        let pool = ["", "", "0", "0", "10", "20.5", "63.9", "64", "-2", "0.4", "x", "nan", "1e9"];
        let mut cells: Vec<&str> = (0..6).map(|_| dice.one(&pool)).collect();
        let filled = |cells: &[&str]| cells.iter().filter(|cell| !cell.is_empty()).count();
        if dice.below(8) == 0 {
            cells.truncate(dice.below(6) as usize);
            labelled += filled(&cells).div_ceil(2);
        } else if path == "notes" {
            labelled += filled(&cells).div_ceil(2);
        } else {
            let missing = |cell: &str| cell.is_empty() || cell == "nan";
            let pairs = cells.chunks(2);
            labelled += pairs.filter(|pair| !pair.iter().all(|cell| missing(cell))).count();
        }
        writeln!(text, "{path},{}", cells.join(",")).expect("text");
    }
    let name = format!("labeled-data/{folder}/CollectedData_{scorer}");
    put(root, &format!("{name}.csv"), text);
    if dice.below(4) > 0 {
        put(root, &format!("{name}.h5"), "HDF");
    }
    labelled
}

#[test]
fn points_of_deeplabcut_are_used_or_lost() {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut dice = Dice(round);
        let mut labelled = 0;
        for video in ["a", "b", "c"] {
            for frame in 0..3 {
                draw(root, &format!("labeled-data/{video}/img{frame}.png"), 64, 48);
            }
            labelled += csv(&mut dice, root, video);
        }
        let videos = dice.one(&[
            "  a.mp4:\n    crop: 0\n",
            "  a.mp4:\n    crop: 0\n  b.mp4:\n    crop: 0\n",
            "  z.mp4:\n    crop: 0\n",
        ]);
        let parts = dice.one(&["[nose, tail]", "[nose, tail, ear, paw]", "[]"]);
        let multi = dice.one(&["false", "false", "true"]);
        let config = format!(
            "scorer: Ada\nmultianimalproject: {multi}\nbodyparts: {parts}\n\
             multianimalbodyparts: {parts}\nvideo_sets:\n{videos}"
        );
        put(root, "config.yaml", config);
        let ledger = book(root);
        assert_eq!(ledger.found.points, labelled, "round {round}: {}", ledger.summary);
    }
}

#[test]
fn points_of_lightning_pose_are_used_or_lost() {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut dice = Dice(1_000 + round);
        for frame in 0..3 {
            draw(root, &format!("labeled-data/a/img{frame}.png"), 64, 48);
        }
        let labelled = csv(&mut dice, root, "a");
        // The same file, where Lightning Pose has it.
        let made =
            ["Ada", "Bob"].map(|s| root.join(format!("labeled-data/a/CollectedData_{s}.csv")));
        let made = made.iter().find(|file| file.is_file()).expect("a label file");
        fs::rename(made, root.join("CollectedData.csv")).expect("moved");
        let ledger = book(root);
        assert_eq!(ledger.trainer, "lightning_pose");
        assert_eq!(ledger.found.points, labelled, "round {round}: {}", ledger.summary);
    }
}

#[test]
fn instances_of_yolo_are_used_or_lost() {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut dice = Dice(2_000 + round);
        let shape = dice.one(&["", "kpt_shape: [1, 3]\n", "kpt_shape: [2, 2]\n"]);
        put(root, "data.yaml", format!("train: images\nval: images\nnames: [a, b]\n{shape}"));
        let mut labelled = 0;
        for image in 0..6 {
            if image < 5 {
                draw(root, &format!("images/{image}.png"), 32, 32);
            }
            let mut text = String::new();
            for _ in 0..dice.below(4) {
                let pool = ["0", "0.5", "0.5", "0.25", "1", "1.005", "1.5", "-0.005", "-1", "x"];
                let columns = dice.one(&[&5_u64, &5, &8, &9, &4, &7, &6]);
                let mut row: Vec<&str> = (0..*columns).map(|_| dice.one(&pool)).collect();
                row[0] = dice.one(&["0", "0", "1", "2", "-1", "0.5", "b"]);
                labelled += 1;
                writeln!(text, "{}", row.join(" ")).expect("text");
            }
            put(root, &format!("labels/{image}.txt"), text);
        }
        if dice.below(3) == 0 {
            put(root, "images/0.png", "no image");
        }
        let ledger = book(root);
        assert_eq!(ledger.found.instances, labelled, "round {round}: {}", ledger.summary);
        assert_eq!(ledger.found.images, 5, "round {round}");
    }
}

#[test]
fn annotations_of_coco_are_used_or_lost() {
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut dice = Dice(3_000 + round);
        for id in 1..3 {
            draw(root, &format!("{id}.png"), 64, 48);
        }
        let images: Vec<Value> = (1..4)
            .map(
                |id| json!({"id": id, "file_name": format!("{id}.png"), "width": 64, "height": 48}),
            )
            .collect();
        let mut points = 0;
        let mut annotations = Vec::new();
        for id in 0..dice.below(9) {
            let numbers = dice.below(8) as usize;
            let pool = [0, 0, 1, 2, 2, 30, 90];
            let keypoints: Vec<u64> =
                (0..numbers).map(|_| pool[dice.below(pool.len() as u64) as usize]).collect();
            let side = |dice: &mut Dice| [0, 10, 30, 90][dice.below(4) as usize];
            let mut one = json!({
                "id": id, "image_id": dice.below(4) + 1, "category_id": dice.below(4) / 3 + 1,
                "bbox": [side(&mut dice), side(&mut dice), side(&mut dice), side(&mut dice)],
                "num_keypoints": dice.below(2), "iscrowd": dice.below(4) / 3,
                "keypoints": keypoints,
            });
            let mut readable = true;
            // A file is known by its first annotation.
            match dice.below(7) {
                _ if id == 0 => {}
                0 => _ = one.as_object_mut().map(|one| one.remove("bbox")),
                1 => {
                    _ = one.as_object_mut().map(|one| one.remove("image_id"));
                    readable = false;
                }
                _ => {}
            }
            if readable {
                points += keypoints.chunks_exact(3).filter(|point| point[2] != 0).count();
            }
            annotations.push(one);
        }
        let count = annotations.len();
        let file = json!({
            "images": images, "annotations": annotations,
            "categories": [{"id": 1, "name": "mouse", "keypoints": ["nose", "tail"]}],
        });
        put(root, "labels.json", file.to_string());
        let ledger = book(root);
        assert_eq!(ledger.found.instances, count, "round {round}: {}", ledger.summary);
        assert_eq!(ledger.found.points, points, "round {round}: {}", ledger.summary);
    }
}
