//! CVAT's `CVAT for images 1.1`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use roxmltree::{Document, Node};

use super::super::label::rounded;
use super::{Back, FrameBack, Frames, Trouble, UNCLEAR, malformed};
use crate::relabel::export::{INSTANCE, TAG, VERDICT};
use crate::relabel::queue::{Frame, Queue};
use crate::relabel::{Label, Place, RelabelError, Verdict, read_text};

/// File that is read where none is named: what came back, not what went out.
const RETURNED: &str = "returned.xml";

/// Reads the shapes and tags of every image.
pub(super) fn read(
    queue: &Queue,
    folder: &Path,
    given: Option<&Path>,
) -> Result<Back, RelabelError> {
    let path = given.map_or_else(|| folder.join(RETURNED), Into::into);
    if given.is_none() && !path.is_file() {
        return Err(RelabelError::Returned {
            message: format!(
                "{} does not exist; export the task as \"CVAT for images 1.1\" and unpack its annotations.xml under that name, or name the file with --returned",
                path.display()
            ),
        });
    }
    let text = read_text(&path)?;
    let document = Document::parse(&text)
        .map_err(|error| malformed(&path, Some(error.pos().row as usize), error.to_string()))?;
    let root = document.root_element();
    if !root.has_tag_name("annotations") {
        let message = format!("expected <annotations>, found <{}>", root.tag_name().name());
        return Err(malformed(&path, Some(1), message));
    }
    if root.children().any(|child| child.has_tag_name("track")) {
        let message = "expected \"CVAT for images 1.1\", found tracks; export in that form";
        return Err(malformed(&path, None, message));
    }
    let known = Frames::new(queue);
    let mut unclear = BTreeSet::new();
    let mut back = Back { keypoints: true, boxes: true, ..Back::default() };
    for image in root.children().filter(|child| child.has_tag_name("image")) {
        let name = image.attribute("name").unwrap_or_default();
        match known.find(name).or_else(|| known.find(&format!("images/{name}"))) {
            None => back.troubles.push(Trouble::new(name, "the image is not in the queue")),
            Some(at) => {
                let mut reading = Image {
                    frame: &queue.frames[at],
                    offset: queue.header.pixel_offset,
                    troubles: &mut back.troubles,
                    labels: BTreeMap::new(),
                    clear: true,
                };
                let verdict = reading.read(image);
                if !reading.clear {
                    back.troubles.push(Trouble::new(&queue.frames[at].image, UNCLEAR));
                    unclear.insert(at);
                    continue;
                }
                let labels = reading.labels.into_values().collect();
                if back.frames.insert(at, FrameBack { labels, verdict }).is_some() {
                    back.troubles.push(Trouble::new(name, "it came back twice; the last counts"));
                }
            }
        }
    }
    for (at, frame) in queue.frames.iter().enumerate() {
        if !back.frames.contains_key(&at) && !unclear.contains(&at) {
            let message = "it is not in the file that came back";
            back.troubles.push(Trouble::new(&frame.image, message));
        }
    }
    Ok(back)
}

/// An image in the reading.
struct Image<'a> {
    frame: &'a Frame,
    offset: f64,
    troubles: &'a mut Vec<Trouble>,
    labels: BTreeMap<String, Label>,
    /// Whether every shape could be read and told apart.
    clear: bool,
}

impl Image<'_> {
    /// Reads the shapes and returns the verdict.
    fn read(&mut self, image: Node<'_, '_>) -> Option<Verdict> {
        let mut verdict = None;
        // Shapes that people added have no name of an instance.
        let mut nameless = Vec::new();
        for shape in image.children().filter(Node::is_element) {
            match shape.tag_name().name() {
                "skeleton" | "box" => match attribute(shape, INSTANCE) {
                    Some(name) if self.frame.label(&name).is_some() => self.shape(shape, &name),
                    _ => nameless.push(shape),
                },
                "tag" if shape.attribute("label") == Some(TAG) => {
                    verdict = attribute(shape, VERDICT).as_deref().and_then(Verdict::parse);
                }
                "tag" => {}
                other => self.trouble(format!("a shape <{other}> is passed over")),
            }
        }
        for shape in nameless {
            let kind = shape.tag_name().name();
            let has = |label: &Label| {
                if kind == "box" { label.bbox.is_some() } else { !label.keypoints.is_empty() }
            };
            let lost =
                |label: &&Label| has(label) && !self.labels.get(&label.instance).is_some_and(has);
            let mut candidates = self.frame.labels.iter().filter(lost);
            match (candidates.next(), candidates.next()) {
                (Some(one), None) => {
                    let name = one.instance.clone();
                    self.shape(shape, &name);
                }
                (None, _) => self.trouble(format!(
                    "a new <{kind}> is not carried over; add it to the dataset itself"
                )),
                _ => {
                    self.clear = false;
                    self.trouble(format!("a <{kind}> without the attribute `{INSTANCE}` may belong to several instances"));
                }
            }
        }
        verdict
    }

    fn shape(&mut self, shape: Node<'_, '_>, instance: &str) {
        let new = || Label { instance: instance.into(), ..Label::default() };
        let mut label = self.labels.remove(instance).unwrap_or_else(new);
        if shape.has_tag_name("box") {
            let side = |name: &str| shape.attribute(name).and_then(finite);
            match ["xtl", "ytl", "xbr", "ybr"].map(side) {
                [Some(left), Some(top), Some(right), Some(bottom)] => {
                    let angle = shape.attribute("rotation").and_then(finite).unwrap_or(0.0);
                    if angle != 0.0 {
                        self.trouble(format!("the box of instance {instance} is rotated; the rotation is not carried over"));
                    }
                    label.bbox = Some([left, top, right - left, bottom - top].map(rounded));
                }
                _ => {
                    self.clear = false;
                    self.trouble(format!("the box of instance {instance} has no four numbers"));
                }
            }
        }
        for element in shape.children().filter(|child| child.has_tag_name("points")) {
            let name = element.attribute("label").unwrap_or_default();
            if element.attribute("outside") == Some("1") {
                continue;
            }
            let place = element.attribute("points").and_then(|text| {
                let (x, y) = text.split_once(',')?;
                Some([finite(x)?, finite(y)?])
            });
            let Some(place) = place else {
                self.clear = false;
                self.trouble(format!("{name} of instance {instance} has no place"));
                continue;
            };
            let [x, y] = place.map(|value| rounded(value - self.offset));
            let occluded = element.attribute("occluded") == Some("1");
            label.keypoints.insert(name.into(), Place { x, y, occluded });
        }
        self.labels.insert(instance.into(), label);
    }

    fn trouble(&mut self, message: String) {
        self.troubles.push(Trouble::new(&self.frame.image, message));
    }
}

fn attribute(shape: Node<'_, '_>, name: &str) -> Option<String> {
    let own = shape
        .children()
        .find(|child| child.has_tag_name("attribute") && child.attribute("name") == Some(name))?;
    Some(own.text().unwrap_or_default().trim().to_string())
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|value| value.is_finite())
}
