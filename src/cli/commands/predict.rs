//! `labelvet predict`: runs a trained model on images.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cli::output::say;
use crate::cli::{Common, pass, progress};
use crate::dataset::Predictions;
use crate::dataset::{Dataset, Image, Skeleton};
use crate::formats::{self, ReadOptions};
use crate::predictions;
use crate::train::material::best;
use crate::train::model::TrainedModel;

/// Images that cannot be read and are named; the rest is counted.
const MOST_SAID: usize = 5;

/// Run a trained model on images
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// RUN folder, or its model.onnx
    run: PathBuf,
    /// Images, folders of images, or datasets
    #[arg(required = true)]
    input: Vec<PathBuf>,
    /// File to write: .parquet, .csv (as DeepLabCut writes it) or .json (COCO results); for
    /// classes .csv
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    device: pass::DeviceOptions,
}

/// A kind of file that predictions are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parquet,
    Csv,
    Json,
}

impl Kind {
    fn of(path: &Path) -> Result<Kind> {
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("parquet") => Ok(Kind::Parquet),
            Some("csv") => Ok(Kind::Csv),
            Some("json") => Ok(Kind::Json),
            _ => bail!("{} ends in none of .parquet, .csv and .json", path.display()),
        }
    }
}

pub(in crate::cli) fn run(options: &Options, common: &Common) -> Result<()> {
    let kind = Kind::of(&options.out)?;
    if options.out.exists() && !options.force {
        bail!("{} exists; name another file, or replace it with --force", options.out.display());
    }
    let path = match options.run.is_dir() {
        true => options.run.join("model.onnx"),
        false => options.run.clone(),
    };
    let bytes = fs::read(&path).with_context(|| {
        format!("failed to read {}; a run has a model when it has ended", path.display())
    })?;
    let runtime = options.device.load(common)?;
    let threads = common.threads.map_or(0, usize::from);
    let mut model = TrainedModel::new(&runtime, &path, &bytes, threads)?;
    let dataset = gather(&options.input, &model)?;
    let bar = progress::bar("predicting", dataset.images.len(), common.quiet);
    let written = if model.card().task == "class" {
        if kind != Kind::Csv {
            bail!("classes are written as .csv, not to {}", options.out.display());
        }
        let found = model.classes(&dataset, &|| bar.inc(1))?;
        bar.finish_and_clear();
        complain(&dataset, &found.unreadable, common);
        write(&options.out, |path| write_classes(path, &dataset, model.names(), &found.found))
    } else {
        let found = model.poses(&dataset, &|| bar.inc(1))?;
        bar.finish_and_clear();
        complain(&dataset, &found.unreadable, common);
        let found: Vec<_> = found.found.into_iter().flatten().collect();
        let found = Predictions::from(found);
        write(&options.out, |path| {
            match kind {
                Kind::Parquet => predictions::write_parquet(path, &dataset, &found)?,
                Kind::Csv => predictions::write_csv(path, &dataset, &found)?,
                Kind::Json => predictions::write_coco_results(path, &dataset, &found)?,
            }
            Ok(())
        })
    };
    written?;
    if !common.quiet {
        say(&format!("{} images, predictions in {}", dataset.images.len(), options.out.display()));
    }
    Ok(())
}

/// Returns everything that is to be looked at as one dataset. One labelled dataset with the
/// model's keypoints stays as it is, so that its boxes and names count; of anything else the
/// images are taken.
fn gather(inputs: &[PathBuf], model: &TrainedModel) -> Result<Dataset> {
    let mut images = Vec::new();
    for input in inputs {
        if input.is_file() && is_image(input) {
            let path = input.display().to_string().replace('\\', "/");
            images.push(Image { path, file: Some(input.clone()), ..Image::default() });
            continue;
        }
        let mut dataset = formats::read(input, &ReadOptions::default())?;
        if inputs.len() == 1 && model.fits(&dataset) {
            return Ok(dataset);
        }
        for image in &mut dataset.images {
            // Several inputs may hold images of the same name.
            if inputs.len() > 1 {
                image.path = format!("{}/{}", input.display(), image.path).replace('\\', "/");
            }
            *image = Image {
                path: std::mem::take(&mut image.path),
                file: image.file.take(),
                ..Image::default()
            };
        }
        images.append(&mut dataset.images);
    }
    images.retain(|image| image.file.is_some());
    if images.is_empty() {
        bail!("there is no image to look at");
    }
    let card = model.card();
    let skeleton = Skeleton {
        keypoints: card.names.clone(),
        edges: card.edges.clone(),
        pairs: card.pairs.clone(),
        ..Skeleton::default()
    };
    let mut dataset =
        Dataset { format: "folder", images, skeletons: vec![skeleton], ..Dataset::default() };
    dataset.sort();
    dataset.images.dedup_by(|a, b| a.path == b.path);
    Ok(dataset)
}

/// Tells by the name whether a file is an image.
fn is_image(path: &Path) -> bool {
    const SUFFIXES: [&str; 9] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "gif", "pnm"];
    let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
    SUFFIXES.contains(&suffix.to_ascii_lowercase().as_str())
}

/// Names images that could not be read.
fn complain(dataset: &Dataset, unreadable: &[(u32, String)], common: &Common) {
    if common.quiet {
        return;
    }
    for (image, reason) in unreadable.iter().take(MOST_SAID) {
        say(&format!("{}: {reason}", dataset.images[*image as usize].path));
    }
    if unreadable.len() > MOST_SAID {
        say(&format!("{} more images cannot be read", unreadable.len() - MOST_SAID));
    }
}

/// Writes a file beside its place first, so that it appears whole or not at all.
fn write(target: &Path, content: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = tempfile::Builder::new()
        .prefix(".labelvet-")
        .tempdir_in(parent)
        .with_context(|| format!("failed to write in {}", parent.display()))?;
    let staged = folder.path().join(target.file_name().unwrap_or_default());
    content(&staged)?;
    fs::rename(&staged, target).with_context(|| format!("failed to write {}", target.display()))
}

fn write_classes(
    path: &Path,
    dataset: &Dataset,
    names: &[String],
    found: &[Option<Vec<f32>>],
) -> Result<()> {
    let mut writer = csv::Writer::from_path(path)?;
    let head = ["image", "class", "probability"].into_iter();
    writer.write_record(head.chain(names.iter().map(String::as_str)))?;
    for (image, probabilities) in dataset.images.iter().zip(found) {
        let Some(probabilities) = probabilities else { continue };
        let best = best(probabilities).unwrap_or_default();
        let probability = probabilities.get(best).copied().unwrap_or_default();
        let class = names.get(best).map_or("", String::as_str);
        let all = std::iter::once(&probability).chain(probabilities).map(f32::to_string);
        let row = [image.path.clone(), class.to_owned()].into_iter().chain(all);
        writer.write_record(row)?;
    }
    Ok(writer.flush()?)
}
