//! Label Studio: `tasks.json` with pre-annotations and `label_config.xml`.
//!
//! # Source
//! <https://labelstud.io/guide/predictions>, <https://labelstud.io/tags/keypointlabels>,
//! <https://labelstud.io/tags/rectanglelabels>: places are percent of the image's width and
//! height. Local files are served as `/data/local-files/?d=<path>`, relative to
//! `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT`, for a project with a local storage that holds
//! them (<https://labelstud.io/guide/storage>).

use std::fmt::Write as _;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{box_class, box_classes, colour, keypoint_names, xml};
use crate::dataset::Dataset;
use crate::relabel::RelabelError;
use crate::relabel::label::digest;
use crate::relabel::queue::{Frame, Queue};

/// Key of a task's data that holds the path of its picture in the export.
pub(crate) const IMAGE_KEY: &str = "labelvet_image";

/// Diameter of a keypoint as it is drawn, percent of the width.
const POINT_SIZE: f64 = 0.6;

/// What stays as it is in a path of a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

/// Adds the files and returns what to do next.
pub(super) fn export(
    dataset: &Dataset,
    queue: &Queue,
    out: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
) -> Result<Vec<String>, RelabelError> {
    let tasks: Vec<Value> =
        queue.frames.iter().map(|frame| task(frame, queue.header.pixel_offset)).collect();
    let mut text = serde_json::to_vec_pretty(&tasks)
        .map_err(|error| RelabelError::Write { file: "tasks.json", message: error.to_string() })?;
    text.push(b'\n');
    files.push(("tasks.json".into(), text));
    files.push(("label_config.xml".into(), config(dataset, queue).into_bytes()));
    let root = std::path::absolute(out).unwrap_or_else(|_| out.into());
    Ok(vec![
        format!(
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={} label-studio start",
            root.display()
        ),
        format!(
            "make a project: Settings > Labeling Interface > Code: paste label_config.xml; Settings > Cloud Storage: add a source storage of the type Local files with the path {} (do not sync it); then import tasks.json",
            root.join(super::IMAGES).display()
        ),
        format!(
            "correct and submit; the choice `correct` confirms a frame; export as JSON into {}",
            out.display()
        ),
    ])
}

/// Returns the id of a region: of a keypoint of an instance, or of its box.
pub(crate) fn region_id(image: &str, instance: &str, keypoint: Option<&str>) -> String {
    digest(&format!("{image}\0{instance}\0{}", keypoint.unwrap_or("\u{1}box")))[..10].to_string()
}

fn task(frame: &Frame, offset: f64) -> Value {
    let [width, height] = frame.size_px.unwrap_or([1, 1]);
    let percent = |value: f64, of: u32| 100.0 * value / f64::from(of);
    let region = |id: String, instance: &str, from: &str, kind: &str, value: Value| {
        json!({
            "id": id,
            "from_name": from,
            "to_name": "image",
            "type": kind,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": value,
            "meta": { "text": [format!("instance {instance}")] },
        })
    };
    let mut result = Vec::new();
    for label in &frame.labels {
        let instance = label.instance.as_str();
        for (keypoint, place) in &label.keypoints {
            let value = json!({
                "x": percent(place.x + offset, width),
                "y": percent(place.y + offset, height),
                "width": POINT_SIZE,
                "keypointlabels": [keypoint],
            });
            let id = region_id(&frame.exported, instance, Some(keypoint));
            result.push(region(id, instance, "keypoints", "keypointlabels", value));
        }
        if let Some([left, top, box_width, box_height]) = label.bbox {
            let value = json!({
                "x": percent(left, width),
                "y": percent(top, height),
                "width": percent(box_width, width),
                "height": percent(box_height, height),
                "rotation": 0,
                "rectanglelabels": [box_class(label.class.as_deref())],
            });
            let id = region_id(&frame.exported, instance, None);
            result.push(region(id, instance, "boxes", "rectanglelabels", value));
        }
    }
    let url = format!("/data/local-files/?d={}", utf8_percent_encode(&frame.exported, PATH));
    json!({
        "data": {
            "image": url,
            IMAGE_KEY: frame.exported,
            "rank": frame.rank,
            "path": frame.image,
            "findings": frame.words().join(" | "),
        },
        "predictions": [{
            "model_version": "labels as they were",
            "score": frame.score,
            "result": result,
        }],
    })
}

fn config(dataset: &Dataset, queue: &Queue) -> String {
    let mut text = String::from(
        "<View>\n  <Text name=\"path\" value=\"$path\"/>\n  <Text name=\"findings\" value=\"$findings\"/>\n  <Image name=\"image\" value=\"$image\" zoom=\"true\" zoomControl=\"true\" rotateControl=\"false\"/>\n",
    );
    let mut labels = |tag: &str, name: &str, values: Vec<String>| {
        if values.is_empty() {
            return;
        }
        let _ = writeln!(text, "  <{tag} name=\"{name}\" toName=\"image\">");
        for (at, value) in values.iter().enumerate() {
            let (value, colour) = (xml(value), colour(at));
            let _ = writeln!(text, "    <Label value=\"{value}\" background=\"{colour}\"/>");
        }
        let _ = writeln!(text, "  </{tag}>");
    };
    labels("KeyPointLabels", "keypoints", keypoint_names(dataset));
    labels("RectangleLabels", "boxes", box_classes(&queue.frames).into_iter().collect());
    text += "  <Choices name=\"verdict\" toName=\"image\" choice=\"single\" showInline=\"true\">\n    <Choice value=\"correct\"/>\n    <Choice value=\"drop\"/>\n    <Choice value=\"unsure\"/>\n  </Choices>\n</View>\n";
    text
}
