//! CVAT: `annotations.xml` in the form "CVAT for images 1.1" and `labels.json` for the
//! constructor of labels.
//!
//! # Source
//! <https://docs.cvat.ai/docs/other/xml_format> and CVAT's `dataset_manager/formats/cvat.py`:
//! it finds an image by the number of the frame in the task (`id`), which follows the order of
//! the pictures' names, and writes numbers with two digits after the point.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{box_class, box_classes, colour, xml};
use crate::dataset::Dataset;
use crate::relabel::queue::{Frame, Queue};
use crate::relabel::{Label, RelabelError};

/// Attribute that names the instance of a shape.
pub(crate) const INSTANCE: &str = "instance";
/// Attribute that holds the verdict on a frame.
pub(crate) const VERDICT: &str = "verdict";
/// Tag of a frame that carries the verdict.
pub(crate) const TAG: &str = "labelvet";
/// Verdict of a frame that nobody has judged.
const UNCHECKED: &str = "unchecked";

/// Adds the files and returns what to do next.
pub(super) fn export(
    dataset: &Dataset,
    queue: &Queue,
    out: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
) -> Result<Vec<String>, RelabelError> {
    let names = Names::new(dataset, queue);
    let labels = names.labels(dataset, queue);
    let mut text = serde_json::to_vec_pretty(&labels)
        .map_err(|error| RelabelError::Write { file: "labels.json", message: error.to_string() })?;
    text.push(b'\n');
    files.push(("labels.json".into(), text));
    files.push(("annotations.xml".into(), annotations(dataset, queue, &names).into_bytes()));
    Ok(vec![
        format!(
            "make a task: Labels > Raw: paste labels.json; files: a zip of {} made inside that folder, so that names keep their folders; sorting: lexicographical",
            out.join(super::IMAGES).display()
        ),
        "Actions > Upload annotations > CVAT 1.1: annotations.xml".into(),
        format!(
            "correct; the attribute `{VERDICT}` of the tag `{TAG}` confirms a frame; export as \"CVAT for images 1.1\" and unpack its annotations.xml as {}",
            out.join("returned.xml").display()
        ),
    ])
}

/// Names of CVAT's labels.
struct Names {
    /// By skeleton of the dataset.
    skeletons: Vec<String>,
    /// Label of a box by its class.
    boxes: BTreeMap<String, String>,
}

impl Names {
    fn new(dataset: &Dataset, queue: &Queue) -> Names {
        let mut taken = BTreeSet::from([TAG.to_string()]);
        let mut free = |wanted: &str| {
            let mut name = wanted.to_string();
            let mut count = 1;
            while !taken.insert(name.clone()) {
                count += 1;
                name = format!("{wanted} {count}");
            }
            name
        };
        let skeletons = dataset.skeletons.iter().enumerate().map(|(at, skeleton)| {
            let class = dataset.classes.iter().find(|class| class.skeleton == Some(at as u16));
            let class = class.map_or("animal", |class| &class.name);
            free(if skeleton.name.is_empty() { class } else { &skeleton.name })
        });
        let skeletons: Vec<String> = skeletons.collect();
        let boxes = box_classes(&queue.frames).into_iter().map(|class| {
            let name =
                if skeletons.contains(&class) { format!("{class} box") } else { class.clone() };
            (class, free(&name))
        });
        let boxes = boxes.collect();
        Names { skeletons, boxes }
    }

    fn labels(&self, dataset: &Dataset, queue: &Queue) -> Vec<Value> {
        let instance = json!({ "name": INSTANCE, "mutable": false, "input_type": "text", "default_value": "", "values": [""] });
        let mut labels = Vec::new();
        for (at, name) in self.skeletons.iter().enumerate() {
            let keypoints = &dataset.skeletons[at].keypoints;
            if keypoints.is_empty() {
                continue;
            }
            let parts: Vec<Value> = (keypoints.iter().enumerate())
                .map(|(at, name)| json!({ "name": name, "type": "points", "color": colour(at), "attributes": [] }))
                .collect();
            labels.push(json!({
                "name": name,
                "type": "skeleton",
                "color": colour(at),
                "attributes": [instance],
                "sublabels": parts,
                "svg": svg(dataset, queue, at),
            }));
        }
        for (at, name) in self.boxes.values().enumerate() {
            labels.push(json!({ "name": name, "type": "rectangle", "color": colour(at + 1), "attributes": [instance] }));
        }
        let verdicts = [UNCHECKED, "correct", "drop", "unsure"];
        let verdict = json!({ "name": VERDICT, "mutable": false, "input_type": "select", "default_value": UNCHECKED, "values": verdicts });
        let findings = json!({ "name": "findings", "mutable": false, "input_type": "text", "default_value": "", "values": [""] });
        labels.push(json!({ "name": TAG, "type": "tag", "attributes": [verdict, findings] }));
        labels
    }
}

/// Draws the template of a skeleton, on a square of 100, as the queue's animals stand on
/// average.
fn svg(dataset: &Dataset, queue: &Queue, skeleton: usize) -> String {
    let known = &dataset.skeletons[skeleton];
    let labels: Vec<&Label> = (queue.frames.iter().flat_map(|frame| &frame.labels))
        .filter(|label| label.skeleton == Some(skeleton))
        .collect();
    let places = template(&known.keypoints, &labels);
    let mut text = String::new();
    for [from, to] in &known.edges {
        if let (Some([x1, y1]), Some([x2, y2])) =
            (places.get(usize::from(*from)), places.get(usize::from(*to)))
        {
            let _ = write!(
                text,
                "<line x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\" stroke=\"black\" data-type=\"edge\" data-node-from=\"{}\" stroke-width=\"0.5\" data-node-to=\"{}\"></line>",
                from + 1,
                to + 1
            );
        }
    }
    for (at, (name, [x, y])) in known.keypoints.iter().zip(&places).enumerate() {
        let (node, name) = (at + 1, xml(name));
        let _ = write!(
            text,
            "<circle r=\"1.5\" stroke=\"black\" fill=\"#b3b3b3\" cx=\"{x:.2}\" cy=\"{y:.2}\" stroke-width=\"0.1\" data-type=\"element node\" data-element-id=\"{node}\" data-node-id=\"{node}\" data-label-name=\"{name}\"></circle>"
        );
    }
    text
}

/// Returns the mean place of each keypoint, scaled to a square of 100 with a margin; on a
/// circle where it is never labelled.
fn template(names: &[String], labels: &[&Label]) -> Vec<[f64; 2]> {
    let mut sums = vec![([0.0; 2], 0_u32); names.len()];
    for label in labels {
        let points = || label.keypoints.values().map(|place| [place.x, place.y]);
        let edge = |start: f64, pick: fn(f64, f64) -> f64, axis: usize| {
            points().map(|point| point[axis]).fold(start, pick)
        };
        let low = [0, 1].map(|axis| edge(f64::INFINITY, f64::min, axis));
        let side = [0, 1].map(|axis| edge(f64::NEG_INFINITY, f64::max, axis) - low[axis]);
        let scale = side[0].max(side[1]);
        if !(scale > 0.0 && scale.is_finite()) {
            continue;
        }
        for (name, (sum, count)) in names.iter().zip(&mut sums) {
            if let Some(place) = label.keypoints.get(name) {
                sum[0] += (place.x - low[0]) / scale;
                sum[1] += (place.y - low[1]) / scale;
                *count += 1;
            }
        }
    }
    let around = |at: usize| {
        let angle = std::f64::consts::TAU * at as f64 / names.len() as f64;
        [0.5 + 0.5 * angle.cos(), 0.5 + 0.5 * angle.sin()]
    };
    let unit = sums.iter().enumerate().map(|(at, (sum, count))| match count {
        0 => around(at),
        count => sum.map(|sum| sum / f64::from(*count)),
    });
    unit.map(|point| point.map(|value| 10.0 + 80.0 * value)).collect()
}

fn annotations(dataset: &Dataset, queue: &Queue, names: &Names) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>\n",
    );
    let mut frames: Vec<&Frame> = queue.frames.iter().collect();
    // A task numbers its pictures by name.
    frames.sort_by(|a, b| a.exported.cmp(&b.exported));
    for (id, frame) in frames.into_iter().enumerate() {
        let name = frame.exported.strip_prefix("images/").unwrap_or(&frame.exported);
        let [width, height] = frame.size_px.unwrap_or_default();
        let name = xml(name);
        let _ = writeln!(
            text,
            "  <image id=\"{id}\" name=\"{name}\" width=\"{width}\" height=\"{height}\">"
        );
        for label in &frame.labels {
            shape(&mut text, dataset, names, label, queue.header.pixel_offset);
        }
        let findings = xml(&frame.words().join(" | "));
        let _ = writeln!(
            text,
            "    <tag label=\"{TAG}\" source=\"manual\">\n      <attribute name=\"{VERDICT}\">{UNCHECKED}</attribute>\n      <attribute name=\"findings\">{findings}</attribute>\n    </tag>\n  </image>"
        );
    }
    text += "</annotations>\n";
    text
}

fn shape(text: &mut String, dataset: &Dataset, names: &Names, label: &Label, offset: f64) {
    let instance = xml(&label.instance);
    let attribute = format!("      <attribute name=\"{INSTANCE}\">{instance}</attribute>\n");
    let skeleton = label.skeleton.filter(|_| !label.keypoints.is_empty());
    if let Some((at, known)) = skeleton.and_then(|at| Some((at, dataset.skeletons.get(at)?))) {
        let name = xml(&names.skeletons[at]);
        let _ = write!(
            text,
            "    <skeleton label=\"{name}\" source=\"manual\" z_order=\"0\">\n{attribute}"
        );
        let count = label.keypoints.len() as f64;
        let mean = |axis: fn(&crate::relabel::Place) -> f64| {
            label.keypoints.values().map(axis).sum::<f64>() / count
        };
        let middle = [mean(|place| place.x), mean(|place| place.y)];
        for keypoint in &known.keypoints {
            // CVAT wants every element; what is not labelled is outside, where it is handy.
            let (place, outside, occluded) = match label.keypoints.get(keypoint) {
                Some(place) => ([place.x, place.y], 0, u8::from(place.occluded)),
                None => (middle, 1, 0),
            };
            let [x, y] = place.map(|value| value + offset);
            let name = xml(keypoint);
            let _ = writeln!(
                text,
                "      <points label=\"{name}\" source=\"manual\" outside=\"{outside}\" occluded=\"{occluded}\" points=\"{x:.6},{y:.6}\"></points>"
            );
        }
        text.push_str("    </skeleton>\n");
    }
    if let Some([left, top, width, height]) = label.bbox {
        let class = box_class(label.class.as_deref());
        let name = xml(names.boxes.get(&class).unwrap_or(&class));
        let (right, bottom) = (left + width, top + height);
        let _ = write!(
            text,
            "    <box label=\"{name}\" source=\"manual\" occluded=\"0\" xtl=\"{left:.6}\" ytl=\"{top:.6}\" xbr=\"{right:.6}\" ybr=\"{bottom:.6}\" z_order=\"0\">\n{attribute}    </box>\n"
        );
    }
}
