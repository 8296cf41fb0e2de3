//! What people decided about findings: JSON Lines, one decision a line, the last line for a
//! fingerprint counts. Reads them, adds to them, and silences in an audit what they confirm.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::decisions_file::parse;
use super::label::{Judged, Labels};
use crate::audit::{Audit, Rule};
use crate::dataset::{Dataset, Edit};

/// What a person decided about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The label was wrong; it has been put right, or will be.
    Fixed,
    /// The label is right; the finding is not.
    Correct,
    /// The label or image is to be left out.
    Drop,
    /// It cannot be told.
    Unsure,
}

impl Verdict {
    /// Every verdict, in the order of their words in the documentation.
    pub const ALL: [Verdict; 4] =
        [Verdict::Fixed, Verdict::Correct, Verdict::Drop, Verdict::Unsure];

    /// Returns its word in files.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Fixed => "fixed",
            Verdict::Correct => "correct",
            Verdict::Drop => "drop",
            Verdict::Unsure => "unsure",
        }
    }

    /// Returns the verdict of a word, whatever its case.
    pub fn parse(word: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.word().eq_ignore_ascii_case(word.trim()))
    }
}

/// One decision: one line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Fingerprint of the finding. A change that no finding asked for has one of its own.
    pub fingerprint: String,
    /// Hash of the judged label as it was when it was judged; `None` for a finding about a
    /// video or dataset.
    pub label_hash: Option<String>,
    /// What was decided.
    pub verdict: Verdict,
    /// Who decided.
    pub by: Option<String>,
    /// When, as RFC 3339.
    pub at: Option<String>,
    /// Words.
    pub note: Option<String>,
    /// What the label became, where it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
}

/// What a label became.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// Path of the image, relative to the dataset.
    pub image: String,
    /// What was judged; [`Decision::label_hash`] is its hash.
    pub judged: Judged,
    /// Instance that was changed; `None` where the image is to be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Changed keypoints: x and y in the label file's own numbers, or null where the label
    /// was taken away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keypoints: BTreeMap<String, Option<[f64; 2]>>,
    /// Changed box: left, top, width, height in pixels from the image's corner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<[f64; 4]>,
    /// What is to be left out as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<DropWhat>,
}

/// What is left out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropWhat {
    /// The image with all its labels.
    Image,
    /// The instance.
    Instance,
}

/// Says why decisions cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DecisionsError {
    /// The system refused.
    #[error("failed to {verb} {}: {source}", .path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no decision.
    #[error("failed to read {}: line {line}: {message}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What was expected and found.
        message: String,
    },
    /// The file is there already.
    #[error("{} exists; add to it with --append, or name another file", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// Says why the change in a decision does not fit the dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StaleError {
    /// The decision has no change.
    #[error("decision {fingerprint} holds no change of a label")]
    NoChange {
        /// Fingerprint of the decision.
        fingerprint: String,
    },
    /// The dataset has no such image, instance or keypoint.
    #[error("decision {fingerprint}: the dataset has no {what}")]
    Gone {
        /// Fingerprint of the decision.
        fingerprint: String,
        /// What it lacks.
        what: String,
    },
    /// The label is no longer the one that was judged.
    #[error("decision {fingerprint}: the label in {image} changed since it was judged")]
    Changed {
        /// Fingerprint of the decision.
        fingerprint: String,
        /// Path of the image.
        image: String,
    },
    /// It changes a box, which no edit can.
    #[error("decision {fingerprint}: the box in {image} was changed, and boxes are not written")]
    Box {
        /// Fingerprint of the decision.
        fingerprint: String,
        /// Path of the image.
        image: String,
    },
}

impl Decision {
    /// Returns the change as edits of the dataset in which the label was judged.
    ///
    /// # Errors
    /// Fails when the decision holds no change, when what it names does not exist, when the
    /// label is not the one that was judged, and for a changed box.
    pub fn edits(&self, dataset: &Dataset) -> Result<Vec<Edit>, StaleError> {
        self.edits_of(dataset, &Labels::new(dataset))
    }

    fn edits_of(&self, dataset: &Dataset, labels: &Labels<'_>) -> Result<Vec<Edit>, StaleError> {
        let fingerprint = || self.fingerprint.clone();
        let gone = |what: String| StaleError::Gone { fingerprint: fingerprint(), what };
        let Some(after) = &self.after else {
            return Err(StaleError::NoChange { fingerprint: fingerprint() });
        };
        let image = labels.image(&after.image);
        let image = image.ok_or_else(|| gone(format!("image {}", after.image)))?;
        let now = after.judged.hash(&labels.of(image), labels.class(image));
        if self.label_hash.as_ref() != Some(&now) {
            let image = after.image.clone();
            return Err(StaleError::Changed { fingerprint: fingerprint(), image });
        }
        if after.drop == Some(DropWhat::Image) {
            return Ok(vec![Edit::DropImage { image: image as u32 }]);
        }
        let name = after.instance.as_deref().unwrap_or_default();
        let instance = labels
            .instance(image, name)
            .ok_or_else(|| gone(format!("instance {name} in {}", after.image)))?;
        if after.drop == Some(DropWhat::Instance) {
            return Ok(vec![Edit::DropInstance { instance }]);
        }
        if after.bbox.is_some() {
            let image = after.image.clone();
            return Err(StaleError::Box { fingerprint: fingerprint(), image });
        }
        let skeleton = dataset.skeleton_of(&dataset.instances[instance as usize]);
        let mut edits = Vec::with_capacity(after.keypoints.len());
        for (keypoint, place) in &after.keypoints {
            let kind = skeleton.and_then(|skeleton| skeleton.index(keypoint));
            let kind = kind.ok_or_else(|| gone(format!("keypoint {keypoint}")))?;
            edits.push(match *place {
                None => Edit::DropKeypoint { instance, kind },
                Some([x, y]) => {
                    let [x, y] = [x, y].map(|value| value + dataset.pixel_offset);
                    Edit::SetKeypoint { instance, kind, x, y }
                }
            });
        }
        Ok(edits)
    }
}

/// What decisions change in a dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The changes, each with the fingerprint of its decision.
    pub edits: Vec<(String, Edit)>,
    /// Why others could not be made.
    pub stale: Vec<StaleError>,
}

/// Decisions, the last for each fingerprint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decisions {
    by_fingerprint: BTreeMap<String, Decision>,
}

impl Decisions {
    /// Reads decisions from files, later files after earlier ones.
    ///
    /// # Errors
    /// Fails when a file cannot be read or a line is no decision; the error names the line.
    pub fn read(paths: &[PathBuf]) -> Result<Decisions, DecisionsError> {
        let mut decisions = Decisions::default();
        for path in paths {
            let text = fs::read(path).map_err(|source| DecisionsError::Io {
                verb: "read",
                path: path.clone(),
                source,
            })?;
            decisions.add(parse(path, &text)?);
        }
        Ok(decisions)
    }

    /// Adds decisions, which count instead of earlier ones for the same fingerprint.
    pub fn add(&mut self, decisions: Vec<Decision>) {
        let named = decisions.into_iter().map(|decision| (decision.fingerprint.clone(), decision));
        self.by_fingerprint.extend(named);
    }

    /// Returns the decision about a finding.
    pub fn get(&self, fingerprint: &str) -> Option<&Decision> {
        self.by_fingerprint.get(fingerprint)
    }

    /// Returns the decisions that count, by fingerprint.
    pub fn iter(&self) -> impl Iterator<Item = &Decision> {
        self.by_fingerprint.values()
    }

    /// Returns the changes of all decisions that a label was fixed or is to be dropped, as edits
    /// of a dataset, with the decisions whose change does not fit it. Fixed labels of which the
    /// decision says nothing new are in neither.
    pub fn edits(&self, dataset: &Dataset) -> Changes {
        let labels = Labels::new(dataset);
        let mut changes = Changes::default();
        for decision in self.iter().filter(|decision| decision.after.is_some()) {
            if !matches!(decision.verdict, Verdict::Fixed | Verdict::Drop) {
                continue;
            }
            match decision.edits_of(dataset, &labels) {
                Ok(edits) => {
                    let named = edits.into_iter().map(|edit| (decision.fingerprint.clone(), edit));
                    changes.edits.extend(named);
                }
                Err(error) => changes.stale.push(error),
            }
        }
        changes
    }

    /// Takes findings out of an audit that people judged to be no defect, while the judged
    /// label is what it was, and puts them into [`Audit::silenced`]. Returns how many such
    /// decisions no longer hold since the label changed; their findings stay.
    ///
    /// `rules` are those of the audit; they tell findings about labels from others.
    pub fn silence(&self, audit: &mut Audit, dataset: &Dataset, rules: &[Rule]) -> usize {
        let labels = Labels::new(dataset);
        let mut outdated = 0;
        let findings = std::mem::take(&mut audit.findings);
        for finding in findings {
            let decision = self.get(&finding.fingerprint);
            let confirmed = decision.filter(|decision| decision.verdict == Verdict::Correct);
            let holds = confirmed.map(|decision| {
                let rule = rules.iter().find(|rule| rule.slug == finding.rule);
                let family = rule.map(|rule| rule.spec.family);
                labels.hash(&finding, family) == decision.label_hash
            });
            match holds {
                Some(true) => audit.silenced.push(finding),
                stale => {
                    outdated += usize::from(stale.is_some());
                    audit.findings.push(finding);
                }
            }
        }
        outdated
    }
}
