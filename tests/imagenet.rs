//! EfficientNet-Lite0 with its published weights: the logits and classes that PyTorch and timm
//! find (`fixtures/models/imagenet.json`, written by `imagenet.py` there).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use labelvet::models::weights::{self, Data, Tensors};
use labelvet::models::{Classifier, Mode, Model};
use labelvet::onnx::{Encoding, Graph, Provider, TensorType, encode};
use labelvet::train::runtime::Runtime;
use labelvet::train::session::{Tensor, run_once};
use serde_json::Value as Json;

use crate::models::hashed;
use crate::runtime::loaded;
use crate::weights::fetched;

/// Extent of the network's input, and of the shorter side that it is cut from.
const CROP: usize = 224;
const SHORTER: f64 = 256.0;
/// A photo is resized by another library than the reference's, so that classes which stand
/// closer than this in logits may change places.
const AHEAD: f64 = 0.2;

#[test]
fn published_weights_give_the_logits_and_classes_of_timm() {
    let Some(runtime) = loaded() else { return };
    let Some((_, weights)) = fetched("efficientnet_lite0") else { return };
    let model = classifier(&weights);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/imagenet.json");
    let reference: Json =
        serde_json::from_str(&fs::read_to_string(path).expect("a reference")).expect("JSON");

    let found = logits(&runtime, &model, hashed("images", 3 * CROP * CROP));
    let expected = reference["logits"].as_array().expect("logits");
    assert_eq!(found.len(), expected.len());
    let error = found.iter().zip(expected).fold(0.0_f64, |error, (&found, expected)| {
        error.max((f64::from(found) - expected.as_f64().expect("a number")).abs())
    });
    assert!(error < 1e-4, "logits differ by {error:.1e}");

    let photos = reference["photos"].as_object().expect("photos");
    let found = photo_files();
    if found.is_empty() {
        println!("skipped the photos, which are not beside the repository");
    }
    for (name, path) in found {
        let Some(expected) = photos.get(&name) else { continue };
        if expected["ahead"].as_f64().expect("a number") < AHEAD {
            continue;
        }
        let found = logits(&runtime, &model, prepared(&path));
        let class = (0..found.len()).max_by(|&a, &b| found[a].total_cmp(&found[b]));
        assert_eq!(class.map(|class| class as u64), expected["class"].as_u64(), "{name}");
    }
}

/// Returns the model file of the classifier, for one image.
fn classifier(weights: &Tensors) -> Vec<u8> {
    let architecture = "tf_efficientnet_lite0".parse().expect("a name");
    let model = Classifier { architecture, classes: 1000 };
    let expected = model.inventory().expect("a network").tensors();
    weights::check(&expected, weights).expect("weights that fit");
    let known = |name: &str| match weights.get(name)?.data() {
        Data::F32(elements) => Some(elements.as_slice()),
        Data::I64(_) => None,
    };
    let mut graph = Graph::new();
    let images = graph.input("images", TensorType::f32(&[1, 3, CROP, CROP]));
    let built = model.build(&mut graph, images, Mode::Inference(&known)).expect("a network");
    graph.output("logits", built.outputs.logits);
    encode(&graph, &Encoding::plain(Provider::Cpu)).expect("a model")
}

fn logits(runtime: &Runtime, model: &[u8], elements: Vec<f32>) -> Vec<f32> {
    let images = Tensor { shape: vec![1, 3, CROP, CROP], elements };
    let outputs = run_once(runtime, model, &[("images".to_owned(), images)]).expect("a run");
    outputs["logits"].elements.clone()
}

/// Returns the photos beside the repository by name, where they are.
fn photo_files() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/mmpose-coco/tests/data");
    walkdir::WalkDir::new(root)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == "jpg"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.into_path()))
        .collect()
}

/// Returns a photo as the weights were trained: bicubic, the middle cut out, −1 to 1.
fn prepared(path: &Path) -> Vec<f32> {
    let photo = image::open(path).expect("a photo").to_rgb8();
    let (width, height) = photo.dimensions();
    let scale = SHORTER / f64::from(width.min(height));
    let [width, height] = [width, height].map(|extent| (f64::from(extent) * scale).round() as u32);
    let photo = image::imageops::resize(&photo, width, height, FilterType::CatmullRom);
    let crop = CROP as u32;
    let (left, top) = ((width - crop) / 2, (height - crop) / 2);
    let photo = image::imageops::crop_imm(&photo, left, top, crop, crop).to_image();
    (0..3)
        .flat_map(|channel| {
            photo.pixels().map(move |pixel| (f32::from(pixel.0[channel]) / 255.0 - 0.5) / 0.5)
        })
        .collect()
}
