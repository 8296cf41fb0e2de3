//! The queue: frames that a person should look at, worst first, with what was found in them
//! and the labels as they were. `queue.jsonl` keeps it in an export, so that what comes back
//! can be compared with what was asked.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RelabelError;
use super::export::Form;
use super::label::{Judged, Label, Labels, concerns_labels, rounded};
use crate::audit::{Family, Finding, Level, Proposal, Rule, Severity};
use crate::dataset::{Dataset, fingerprint};

/// Name of the file that holds a queue.
pub const QUEUE_FILE: &str = "queue.jsonl";

/// Version of the layout.
const SCHEMA: u32 = 1;

/// Frames to look at, worst first.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// What it is a queue of.
    pub header: Header,
    /// The frames, by rank.
    pub frames: Vec<Frame>,
}

/// The first line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the layout.
    pub schema: u32,
    /// What the queue was exported to.
    pub form: Form,
    /// Format of the dataset.
    pub format: String,
    /// Hash of the dataset's paths and labels, without the content of its images.
    pub dataset: String,
    /// What is added to a keypoint coordinate of the label file to reach pixels from the
    /// corner of the image, see [`crate::dataset`].
    pub pixel_offset: f64,
    /// Names of the keypoints of each skeleton.
    pub skeletons: Vec<Vec<String>>,
    /// Number of frames.
    pub frames: usize,
    /// Number of findings.
    pub findings: usize,
}

/// A frame to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Place in the queue, counted from 1.
    pub rank: usize,
    /// Estimated probability that at least one of its findings is real, 0 to 1.
    pub score: f64,
    /// Path of the image, relative to the dataset.
    pub image: String,
    /// Path of the image in the export, relative to its folder; empty where there is none.
    #[serde(default)]
    pub exported: String,
    /// Width and height in pixels as stored, where they are known.
    #[serde(default)]
    pub size_px: Option<[u32; 2]>,
    /// Class of the whole image.
    #[serde(default)]
    pub class: Option<String>,
    /// The labels as they were.
    pub labels: Vec<Label>,
    /// Names of instances in the export, where they differ: exported name to own name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// What was found.
    pub findings: Vec<Asked>,
    /// Where the image file lies; not written.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// A finding that a person is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Hash of the judged label.
    pub label_hash: String,
    /// What it judges.
    pub judged: Judged,
    /// Slug of the rule.
    pub rule: String,
    /// Estimated probability that it is real.
    pub score: f64,
    /// What it is about.
    pub level: Level,
    /// Instance that it is about.
    pub instance: Option<String>,
    /// Keypoint that it is about.
    pub keypoint: Option<String>,
    /// Words.
    pub message: String,
    /// What would put it right.
    pub proposal: Option<Proposal>,
}

/// Which frames come into a queue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// Slugs of the rules that count; empty: those about labels (families `keypoint`,
    /// `instance` and `class`) whose findings are warnings or errors.
    pub rules: Vec<String>,
    /// The most frames.
    pub top: Option<usize>,
}

impl Queue {
    /// Makes a queue of findings.
    ///
    /// A frame's score is `1 − Π (1 − sᵢ)` over the scores sᵢ of its findings that count: the
    /// probability that at least one is real, were they independent. Frames of one score
    /// stand in the order of their paths. Findings about videos and datasets name no frame
    /// and are left out.
    pub fn new(
        dataset: &Dataset,
        findings: &[Finding],
        rules: &[Rule],
        choice: &Choice,
        form: Form,
    ) -> Queue {
        let families: HashMap<&str, Family> =
            rules.iter().map(|rule| (rule.slug.as_str(), rule.spec.family)).collect();
        let labels = Labels::new(dataset);
        let mut by_image: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
        for finding in findings {
            let family = families.get(finding.rule.as_str()).copied();
            let image = finding.image.as_deref().and_then(|path| labels.image(path));
            if let (Some(image), true) = (image, choice.wants(finding, family)) {
                by_image.entry(image).or_default().push(finding);
            }
        }
        let mut frames: Vec<Frame> = (by_image.into_iter())
            .map(|(image, findings)| frame(dataset, &labels, &families, image, &findings))
            .collect();
        frames.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.image.cmp(&b.image)));
        frames.truncate(choice.top.unwrap_or(usize::MAX));
        for (at, frame) in frames.iter_mut().enumerate() {
            frame.rank = at + 1;
        }
        let header = Header {
            schema: SCHEMA,
            form,
            format: dataset.format.into(),
            dataset: fingerprint(dataset, |_| None),
            pixel_offset: dataset.pixel_offset,
            skeletons: dataset.skeletons.iter().map(|s| s.keypoints.clone()).collect(),
            frames: frames.len(),
            findings: frames.iter().map(|frame| frame.findings.len()).sum(),
        };
        Queue { header, frames }
    }

    /// Reads the queue of an export.
    ///
    /// # Errors
    /// Fails when the folder holds none, or a line makes no sense; the error names the line.
    pub fn read(folder: &Path) -> Result<Queue, RelabelError> {
        let path = folder.join(QUEUE_FILE);
        let text = super::read_text(&path).map_err(|error| match error {
            RelabelError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                RelabelError::NoExport { folder: folder.into() }
            }
            error => error,
        })?;
        let malformed = |line: usize, message: String| RelabelError::Malformed {
            path: path.clone(),
            line: Some(line),
            message,
        };
        let mut lines = text.lines().enumerate().filter(|(_, row)| !row.trim().is_empty());
        let (_, first) = lines.next().ok_or_else(|| malformed(1, "it is empty".into()))?;
        let header: Header =
            serde_json::from_str(first).map_err(|error| malformed(1, error.to_string()))?;
        if header.schema != SCHEMA {
            let message = format!("expected schema {SCHEMA}, found {}", header.schema);
            return Err(malformed(1, message));
        }
        let frames = lines.map(|(at, row)| {
            serde_json::from_str(row).map_err(|error| malformed(at + 1, error.to_string()))
        });
        let frames: Vec<Frame> = frames.collect::<Result<_, _>>()?;
        if frames.len() != header.frames {
            let message = format!("expected {} frames, found {}", header.frames, frames.len());
            return Err(malformed(1, message));
        }
        Ok(Queue { header, frames })
    }

    /// Returns the content of its file.
    ///
    /// # Errors
    /// Fails when a number cannot be written as JSON.
    pub fn to_json_lines(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = serde_json::to_vec(&self.header)?;
        out.push(b'\n');
        for frame in &self.frames {
            serde_json::to_writer(&mut out, frame)?;
            out.push(b'\n');
        }
        Ok(out)
    }
}

impl Choice {
    fn wants(&self, finding: &Finding, family: Option<Family>) -> bool {
        if !self.rules.is_empty() {
            return self.rules.contains(&finding.rule);
        }
        // A rule that is not known any more is judged by what it found.
        let about_labels = family.map_or(finding.level >= Level::Instance, concerns_labels);
        about_labels && finding.severity > Severity::Info
    }
}

fn frame(
    dataset: &Dataset,
    labels: &Labels<'_>,
    families: &HashMap<&str, Family>,
    image: usize,
    findings: &[&Finding],
) -> Frame {
    let of_image = labels.of(image);
    let class = labels.class(image);
    let none_real: f64 = findings.iter().map(|finding| 1.0 - finding.score).product();
    let asked = findings.iter().filter_map(|finding| {
        let family = families.get(finding.rule.as_str()).copied();
        let judged = Judged::of(finding, family, labels)?;
        Some(Asked {
            fingerprint: finding.fingerprint.clone(),
            label_hash: judged.hash(&of_image, class),
            judged,
            rule: finding.rule.clone(),
            score: finding.score,
            level: finding.level,
            instance: finding.instance.clone(),
            keypoint: finding.keypoint.clone(),
            message: finding.message.clone(),
            proposal: finding.proposal.clone(),
        })
    });
    let asked = asked.collect();
    let known = &dataset.images[image];
    Frame {
        rank: 0,
        score: rounded(1.0 - none_real),
        image: known.path.clone(),
        exported: String::new(),
        size_px: known.declared_px,
        class: class.map(String::from),
        labels: of_image,
        names: BTreeMap::new(),
        findings: asked,
        file: known.file.clone(),
    }
}

impl Frame {
    /// Returns the label of an instance.
    pub fn label(&self, instance: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.instance == instance)
    }

    /// Returns where a finding is proposed to be: the place of its proposal, or that of the
    /// keypoint to swap with.
    pub(super) fn proposed(&self, asked: &Asked) -> Option<[f64; 2]> {
        let proposal = asked.proposal.as_ref()?;
        if let (Some(x), Some(y)) = (proposal.x, proposal.y) {
            return Some([x, y]);
        }
        let other =
            self.label(asked.instance.as_deref()?)?.keypoints.get(proposal.with.as_ref()?)?;
        Some([other.x, other.y])
    }

    /// Returns a line of words for each finding, worst first.
    pub(super) fn words(&self) -> Vec<String> {
        let mut findings: Vec<&Asked> = self.findings.iter().collect();
        findings.sort_by(|a, b| b.score.total_cmp(&a.score));
        findings
            .iter()
            .map(|asked| {
                let about: Vec<&str> = [&asked.instance, &asked.keypoint]
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect();
                let about =
                    if about.is_empty() { String::new() } else { format!(" {}", about.join(" ")) };
                format!("{}{about}: {}", asked.rule, asked.message)
            })
            .collect()
    }
}

/// Writes a table of the findings, for a spreadsheet, with a column for verdicts.
pub(super) fn table(queue: &Queue) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(super::import::COLUMNS)?;
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for frame in &queue.frames {
        for asked in &frame.findings {
            let place = asked.keypoint.as_ref().and_then(|keypoint| {
                let label = frame.label(asked.instance.as_deref()?)?;
                label.keypoints.get(keypoint)
            });
            let proposed = frame.proposed(asked);
            let action = asked.proposal.as_ref().and_then(|p| serde_json::to_value(p.action).ok());
            let action = action.as_ref().and_then(|word| word.as_str()).unwrap_or_default();
            out.write_record([
                &frame.rank.to_string(),
                &asked.score.to_string(),
                &frame.image,
                asked.instance.as_deref().unwrap_or_default(),
                asked.keypoint.as_deref().unwrap_or_default(),
                &asked.rule,
                &asked.message,
                &number(place.map(|place| place.x)),
                &number(place.map(|place| place.y)),
                &number(proposed.map(|[x, _]| x)),
                &number(proposed.map(|[_, y]| y)),
                action,
                &asked.fingerprint,
                "",
                "",
            ])?;
        }
    }
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error().into())
}
