//! Frames: what SQL and files get of the facts.

use std::fmt::Write as _;

use labelvet::dataset::Dataset;
use labelvet::facts::{self, Facts, MeasureOptions, Pixels, Table};
use polars::prelude::*;
use polars::sql::SQLContext;

use crate::base::{self, FRAMES};
use crate::generated::hold;

/// Labels of the base project; no image is opened.
fn labels_only() -> Facts {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = base::build(folder.path(), &[]);
    facts::measure(dataset, &MeasureOptions { pixels: Pixels::Skip, ..MeasureOptions::default() })
}

/// Runs a query on the frames as rules in SQL see them.
fn query(facts: &Facts, sql: &str) -> DataFrame {
    let mut context = SQLContext::new();
    for table in Table::ALL {
        context.register(table.name(), facts.lazy(table, |_| true).expect("a frame"));
    }
    context.execute(sql).and_then(|lazy| lazy.collect()).expect(sql)
}

#[test]
fn frames_have_a_row_per_image_instance_and_keypoint() {
    let facts = labels_only();
    let frames = facts.frames().expect("frames");
    let frames_of_both = 2 * FRAMES as usize;
    assert_eq!(frames.images.height(), frames_of_both);
    assert_eq!(frames.instances.height(), frames_of_both);
    assert_eq!(frames.keypoints.height(), facts.dataset.keypoints.len());
    for (table, frame) in
        Table::ALL.iter().zip([&frames.images, &frames.instances, &frames.keypoints])
    {
        let declared: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
        let present: Vec<&str> =
            frame.get_column_names().iter().map(|name| name.as_str()).collect();
        assert_eq!(present, declared);
    }
}

#[test]
fn frames_of_nothing_are_empty() {
    let facts = Facts { dataset: Dataset::default(), ..Facts::default() };
    let frames = facts.frames().expect("frames");
    assert_eq!([frames.images, frames.instances, frames.keypoints].map(|f| f.height()), [0; 3]);
}

#[test]
fn coordinates_are_the_label_files_own() {
    let mut facts = labels_only();
    facts.dataset.pixel_offset = 0.5;
    let written = facts.frame(Table::Keypoints).expect("a frame");
    let x = written.column("x_px").and_then(|c| c.f64().cloned()).expect("numbers");
    let read: Vec<f64> = facts.dataset.keypoints.iter().map(|point| point.x).collect();
    for (written, read) in x.into_no_null_iter().zip(read) {
        assert!((written + 0.5 - read).abs() < 1e-6, "{written} against {read}");
    }
}

#[test]
fn sql_compares_groups_joins_and_matches_names() {
    let facts = labels_only();
    let rows = |sql: &str| query(&facts, sql).height();
    let frames = FRAMES as usize;
    assert_eq!(rows("SELECT image FROM images WHERE image LIKE 'cage_a/%'"), frames);
    assert_eq!(rows("SELECT image FROM images WHERE image = 'cage_a/img0003.png'"), 1);
    assert_eq!(rows("SELECT image FROM images WHERE image = 'no such image'"), 0);
    assert_eq!(rows("SELECT image FROM images WHERE sharpness < 0.5"), 0, "nothing was measured");
    assert_eq!(
        rows("SELECT image FROM images WHERE labelled AND status = 'not_opened'"),
        2 * frames
    );
    assert_eq!(rows("SELECT keypoint, COUNT(*) AS n FROM keypoints GROUP BY keypoint"), 6);
    assert_eq!(rows("SELECT image, instance FROM instances WHERE width_px * height_px <= 0"), 0);
    assert_eq!(
        rows(
            "SELECT k.keypoint || '!' AS loud FROM keypoints k JOIN images i ON k.image = i.image \
              WHERE i.video = 'cage_b' AND k.visibility = 'visible'"
        ),
        6 * frames
    );
}

#[test]
fn columns_have_their_page() {
    let mut page = String::from(
        "# Facts\n\nThe tables of `facts/*.parquet` and of rules in SQL. Generated from \
         `src/facts/columns.rs`.\n\nWhat is not known is null: measures of an image that could \
         not be decoded, the frame number of a file whose name has none.\n",
    );
    for table in Table::ALL {
        let row = match table {
            Table::Images => "image",
            Table::Instances => "labelled instance",
            Table::Keypoints => "labelled keypoint",
        };
        write!(
            page,
            "\n## `{}`\n\nOne row per {row}.\n\n| column | type | unit | range | meaning |\n|---|---|---|---|---|\n",
            table.name()
        )
        .expect("a string grows");
        for column in table.columns() {
            writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                column.name,
                column.sql_type(),
                column.unit,
                column.range,
                column.meaning
            )
            .expect("a string grows");
        }
    }
    assert!(hold("docs/facts.md", &page), "run `UPDATE=1 cargo test --release`");
}
