//! Draws what a network is fed with: twelve augmented examples of a dataset, and the keypoints that
//! its targets lead to.
//!
//! `cargo run --release --example contact_sheet -- DATASET PLAN OUT.png`, where PLAN is `none`,
//! `light`, `deeplabcut` or a file.

use image::{Rgb, RgbImage};
use labelvet::augment::Plan;
use labelvet::formats::{ReadOptions, read};
use labelvet::train::data::{
    Batches, DataSettings, Framing, LOCREF_DEVIATION, Normalisation, PoseExamples, TargetSettings,
    Targets, Task, Workspace, pose_examples,
};

const COLUMNS: u32 = 4;
const ROWS: u32 = 3;
const SIZE: [u32; 2] = [256, 192];
const STRIDE: usize = 8;
/// Colours of the keypoints, in turns.
const COLOURS: [[u8; 3]; 6] =
    [[255, 60, 60], [60, 255, 60], [80, 140, 255], [255, 220, 0], [255, 0, 255], [0, 255, 255]];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dataset, plan, out] = words.as_slice() else { return Err("DATASET PLAN OUT.png".into()) };
    let plan = match plan.as_str() {
        "none" => Plan::none(),
        "light" => Plan::light(),
        "deeplabcut" => Plan::deeplabcut(),
        file => Plan::from_toml(&std::fs::read_to_string(file)?)?,
    };
    let dataset = read(dataset.as_ref(), &ReadOptions::default())?;
    let images: Vec<u32> = (0..dataset.images.len() as u32).collect();
    let examples = pose_examples(&dataset, &images, &PoseExamples::default())?;
    let flip = dataset.skeletons.first().and_then(labelvet::augment::flip_permutation);
    let targets = TargetSettings { radius_px: 8.5, ..TargetSettings::default() };
    let framing = Framing::new(SIZE, 0.1)?;
    let batch = (COLUMNS * ROWS) as usize;
    let settings =
        DataSettings { plan, flip, batch, ..DataSettings::new(framing, Task::Pose(targets)) };
    let batches = Batches::new(&dataset, examples, settings)?;
    let batch = batches.batch(0, &mut Workspace::default());
    let Targets::Pose { offsets, offset_weights, .. } = &batch.targets else { return Ok(()) };

    let [width, height] = SIZE;
    let mut sheet = RgbImage::new(COLUMNS * width, ROWS * height);
    let pixels = (width * height) as usize;
    let (columns, cells) = (width as usize / STRIDE, pixels / STRIDE / STRIDE);
    for place in 0..batch.examples.len() {
        let left = place as u32 % COLUMNS * width;
        let top = place as u32 / COLUMNS * height;
        let Normalisation { mean, deviation } = Normalisation::LITE;
        for at in 0..pixels {
            let pixel = [0, 1, 2].map(|channel| {
                let value = batch.images[(place * 3 + channel) * pixels + at];
                ((value * deviation[channel] + mean[channel]) * 255.0).round() as u8
            });
            sheet.put_pixel(left + at as u32 % width, top + at as u32 / width, Rgb(pixel));
        }
        for kind in 0..batches.keypoints() {
            let map = (place * batches.keypoints() + kind) * 2 * cells;
            let taught = offset_weights[map..map + cells].iter().position(|weight| *weight > 0.0);
            let Some(cell) = taught else { continue };
            let axis = |axis: usize, cell_at: usize| {
                let way = f64::from(offsets[map + axis * cells + cell]) * LOCREF_DEVIATION;
                ((STRIDE * cell_at + STRIDE / 2) as f64 + way) as i64
            };
            let (x, y) = (axis(0, cell % columns), axis(1, cell / columns));
            for (dx, dy) in
                [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (-2, 0), (0, 2), (0, -2)]
            {
                let (x, y) = (x + dx, y + dy);
                if (0..i64::from(width)).contains(&x) && (0..i64::from(height)).contains(&y) {
                    let colour = Rgb(COLOURS[kind % COLOURS.len()]);
                    sheet.put_pixel(left + x as u32, top + y as u32, colour);
                }
            }
        }
    }
    sheet.save(out)?;
    Ok(())
}
