//! Label Studio's JSON export: an array of tasks with their annotations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::label::rounded;
use super::{Back, FrameBack, Frames, Trouble, UNCLEAR, malformed};
use crate::relabel::export::{IMAGE_KEY, region_id};
use crate::relabel::queue::{Frame, Queue};
use crate::relabel::{Label, Place, RelabelError, Verdict, read_text};

/// Files of the export itself that are JSON.
const OWN: [&str; 3] = ["tasks.json", "written.json", "labelvet.json"];

/// Reads the last annotation of each task. A task without one was not looked at.
pub(super) fn read(
    queue: &Queue,
    folder: &Path,
    given: Option<&Path>,
) -> Result<Back, RelabelError> {
    let path = given.map_or_else(|| find(folder), |path| Ok(path.into()))?;
    let text = read_text(&path)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| malformed(&path, Some(error.line()), error.to_string()))?;
    let expected = "expected the array of tasks that Label Studio exports as JSON";
    let tasks = value.as_array().ok_or_else(|| malformed(&path, Some(1), expected))?;
    let known = Frames::new(queue);
    let mut back = Back { keypoints: true, boxes: true, ..Back::default() };
    let mut ours = 0;
    for (at, task) in tasks.iter().enumerate() {
        let place = || format!("task {}", at + 1);
        let Some(image) = task.pointer("/data").and_then(|data| data.get(IMAGE_KEY)) else {
            back.troubles.push(Trouble::new(place(), format!("it has no data.{IMAGE_KEY}")));
            continue;
        };
        ours += 1;
        let image = image.as_str().unwrap_or_default();
        let Some(frame) = known.find(image) else {
            let message = format!("its image {image:?} is not in the queue");
            back.troubles.push(Trouble::new(place(), message));
            continue;
        };
        let Some(annotation) = last_annotation(task) else { continue };
        let results = annotation.get("result").and_then(Value::as_array);
        let read = Task {
            frame: &queue.frames[frame],
            offset: queue.header.pixel_offset,
            troubles: &mut back.troubles,
            labels: BTreeMap::new(),
            clear: true,
        }
        .read(results.map_or(&[], Vec::as_slice));
        match read {
            Some(read) => drop(back.frames.insert(frame, read)),
            None => back.troubles.push(Trouble::new(&queue.frames[frame].image, UNCLEAR)),
        }
    }
    if ours == 0 && !tasks.is_empty() {
        let message = format!(
            "expected tasks with data.{IMAGE_KEY} and annotations, found others; export as JSON, not as JSON-MIN"
        );
        return Err(malformed(&path, None, message));
    }
    Ok(back)
}

/// Returns the only JSON file of the folder that the export did not write.
fn find(folder: &Path) -> Result<PathBuf, RelabelError> {
    let io = |source| RelabelError::Io { verb: "read", path: folder.into(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let json = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"));
        if json && path.is_file() && !OWN.contains(&name.as_str()) && !name.starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(RelabelError::Returned {
            message: format!(
                "no JSON file of Label Studio in {}; export the project as JSON into it, or name the file with --returned",
                folder.display()
            ),
        }),
        _ => {
            let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
            Err(RelabelError::Returned {
                message: format!(
                    "several JSON files: {}; name the right one with --returned",
                    names.join(", ")
                ),
            })
        }
    }
}

/// Returns the annotation that was made last and not cancelled; of several without time the
/// last in the file.
fn last_annotation(task: &Value) -> Option<&Value> {
    let annotations = task.get("annotations").and_then(Value::as_array)?;
    let made = |annotation: &&Value| {
        !annotation.get("was_cancelled").and_then(Value::as_bool).unwrap_or(false)
    };
    let time = |annotation: &&Value| {
        let field = |name: &str| annotation.get(name).and_then(Value::as_str);
        field("updated_at").or_else(|| field("created_at")).unwrap_or_default().to_string()
    };
    annotations.iter().filter(made).max_by_key(time)
}

/// Returns instance and keypoint of each region that was exported, by its id.
fn known_ids(frame: &Frame) -> BTreeMap<String, (&str, Option<&str>)> {
    let mut known = BTreeMap::new();
    for label in &frame.labels {
        let instance = label.instance.as_str();
        for keypoint in label.keypoints.keys() {
            let id = region_id(&frame.exported, instance, Some(keypoint));
            known.insert(id, (instance, Some(keypoint.as_str())));
        }
        known.insert(region_id(&frame.exported, instance, None), (instance, None));
    }
    known
}

/// A task in the reading.
struct Task<'a> {
    frame: &'a Frame,
    offset: f64,
    troubles: &'a mut Vec<Trouble>,
    labels: BTreeMap<String, Label>,
    /// Whether every region could be read and told apart.
    clear: bool,
}

/// A region whose instance is not known yet.
struct Loose {
    keypoint: Option<String>,
    label: String,
    numbers: [f64; 4],
}

impl Task<'_> {
    /// Returns the frame; `None` where a region could not be read or told apart.
    fn read(mut self, results: &[Value]) -> Option<FrameBack> {
        let mut verdict = None;
        let mut loose = Vec::new();
        let known = known_ids(self.frame);
        for result in results {
            let kind = result.get("type").and_then(Value::as_str).unwrap_or_default();
            match kind {
                "choices" => {
                    let word = result.pointer("/value/choices/0").and_then(Value::as_str);
                    verdict = word.and_then(Verdict::parse);
                    if verdict.is_none() {
                        self.trouble(format!("{word:?} is no verdict"));
                    }
                }
                "keypointlabels" | "rectanglelabels" => {
                    let Some(region) = self.region(kind, result) else {
                        self.clear = false;
                        continue;
                    };
                    let id = result.get("id").and_then(Value::as_str).unwrap_or_default();
                    let instance = known
                        .get(id)
                        .filter(|(_, keypoint)| *keypoint == region.keypoint.as_deref())
                        .map(|(instance, _)| (*instance).to_string())
                        .or_else(|| self.by_words(result));
                    match instance {
                        Some(instance) => self.put(&instance, region),
                        None => loose.push(region),
                    }
                }
                _ => self.trouble(format!("a region of the type {kind:?} is passed over")),
            }
        }
        for region in loose {
            self.settle(region);
        }
        let Task { labels, clear, .. } = self;
        clear.then(|| FrameBack { labels: labels.into_values().collect(), verdict })
    }

    /// Returns the instance that the region's words name.
    fn by_words(&self, result: &Value) -> Option<String> {
        let words = result.pointer("/meta/text/0").and_then(Value::as_str)?;
        let name = words.strip_prefix("instance ")?;
        self.frame.label(name).map(|label| label.instance.clone())
    }

    fn region(&mut self, kind: &str, result: &Value) -> Option<Loose> {
        let label = result.pointer(&format!("/value/{kind}/0")).and_then(Value::as_str);
        let number = |path: &str| result.pointer(path).and_then(Value::as_f64);
        let size = |path: &str, known: Option<u32>| number(path).or(known.map(f64::from));
        let [width, height] = self.frame.size_px.map_or([None; 2], |size| size.map(Some));
        let (width, height) = (size("/original_width", width), size("/original_height", height));
        let at = (number("/value/x"), number("/value/y"));
        let ((Some(label), Some(width)), (Some(height), (Some(x), Some(y)))) =
            ((label, width), (height, at))
        else {
            self.trouble(format!("a region of the type {kind:?} has no label or place"));
            return None;
        };
        if number("/image_rotation").is_some_and(|angle| angle != 0.0)
            || number("/value/rotation").is_some_and(|angle| angle != 0.0)
        {
            self.trouble(format!(
                "{label:?} was drawn in a rotated picture or is rotated; it is passed over"
            ));
            return None;
        }
        let (x, y) = (x * width / 100.0, y * height / 100.0);
        if kind == "keypointlabels" {
            let numbers = [x - self.offset, y - self.offset, 0.0, 0.0].map(rounded);
            return Some(Loose { keypoint: Some(label.into()), label: label.into(), numbers });
        }
        let side = |path: &str, of: f64| number(path).map(|share| share * of / 100.0);
        let sides = (side("/value/width", width), side("/value/height", height));
        let (Some(box_width), Some(box_height)) = sides else {
            self.trouble(format!("the box {label:?} has no width or height"));
            return None;
        };
        let numbers = [x, y, box_width, box_height].map(rounded);
        Some(Loose { keypoint: None, label: label.into(), numbers })
    }

    /// Gives a new region to the only instance that lacks one like it.
    fn settle(&mut self, region: Loose) {
        let lacks = |label: &&Label| {
            let now = self.labels.get(&label.instance);
            match &region.keypoint {
                Some(keypoint) => {
                    label.skeleton.is_some()
                        && now.is_none_or(|now| !now.keypoints.contains_key(keypoint))
                }
                None => label.bbox.is_some() && now.is_none_or(|now| now.bbox.is_none()),
            }
        };
        let mut candidates = self.frame.labels.iter().filter(lacks);
        match (candidates.next(), candidates.next()) {
            (Some(one), None) => {
                let instance = one.instance.clone();
                self.put(&instance, region);
            }
            (None, _) => self.trouble(format!(
                "{:?} belongs to no instance that was asked about; it is not carried over",
                region.label
            )),
            _ => {
                self.clear = false;
                let message = format!("{:?} may belong to several instances", region.label);
                self.trouble(message);
            }
        }
    }

    fn put(&mut self, instance: &str, region: Loose) {
        let new = || Label { instance: instance.into(), ..Label::default() };
        let label = self.labels.entry(instance.into()).or_insert_with(new);
        let [x, y, ..] = region.numbers;
        let twice = match region.keypoint {
            Some(keypoint) => {
                label.keypoints.insert(keypoint, Place { x, y, occluded: false }).is_some()
            }
            None => label.bbox.replace(region.numbers).is_some(),
        };
        if twice {
            let message = format!(
                "{:?} of instance {instance} came back twice; the last counts",
                region.label
            );
            self.trouble(message);
        }
    }

    fn trouble(&mut self, message: String) {
        self.troubles.push(Trouble::new(&self.frame.image, message));
    }
}
