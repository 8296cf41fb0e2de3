//! What people decided about findings: JSON Lines, one decision a line, the last line for a
//! fingerprint counts. Reads them, adds to them, and silences in an audit what they confirm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::label::{Judged, Labels};
use crate::audit::{Audit, Rule};
use crate::dataset::{Dataset, Edit};

/// Version of the layout.
const SCHEMA: u64 = 1;

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
    /// The changes.
    pub edits: Vec<Edit>,
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
                Ok(edits) => changes.edits.extend(edits),
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

/// Reads the lines of a file. Lines that say the schema may stand anywhere, so that files can
/// be put one behind the other; blank lines are passed over.
fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Decision>, DecisionsError> {
    let malformed = |line: usize, message: String| DecisionsError::Malformed {
        path: path.into(),
        line,
        message,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        malformed(line, "expected UTF-8, found another encoding".into())
    })?;
    let mut decisions = Vec::new();
    for (at, row) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if row.trim().is_empty() {
            continue;
        }
        let line = at + 1;
        let value: Value = serde_json::from_str(row)
            .map_err(|error| malformed(line, format!("expected JSON, found: {error}")))?;
        let fields = value
            .as_object()
            .ok_or_else(|| malformed(line, "expected an object in braces".into()))?;
        if let (Some(schema), false) = (fields.get("schema"), fields.contains_key("fingerprint")) {
            if schema.as_u64() != Some(SCHEMA) {
                return Err(malformed(line, format!("expected schema {SCHEMA}, found {schema}")));
            }
            continue;
        }
        let decision = serde_json::from_value(value)
            .map_err(|error| malformed(line, format!("expected a decision: {error}")))?;
        decisions.push(decision);
    }
    Ok(decisions)
}

/// What to do with a file of decisions that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and fail.
    Refuse,
    /// Keep every line and add the new ones behind.
    Append,
}

/// Writes decisions to a file, whole or not at all. Returns how many were written: those that
/// the file says already, word for word, are not said again.
///
/// # Errors
/// Fails when the file exists and is not to be added to, holds no decisions, or cannot be
/// written.
pub fn write_decisions(
    path: &Path,
    decisions: &[Decision],
    existing: Existing,
) -> Result<usize, DecisionsError> {
    let io = |verb: &'static str| {
        move |source: io::Error| DecisionsError::Io { verb, path: path.into(), source }
    };
    let mut content = Vec::new();
    let mut known = Decisions::default();
    if path.symlink_metadata().is_ok() {
        if existing == Existing::Refuse {
            return Err(DecisionsError::Exists { path: path.into() });
        }
        content = fs::read(path).map_err(io("read"))?;
        known.add(parse(path, &content)?);
        if content.last().is_some_and(|&byte| byte != b'\n') {
            content.push(b'\n');
        }
    }
    if content.iter().all(u8::is_ascii_whitespace) {
        content = format!("{{\"schema\":{SCHEMA},\"kind\":\"decisions\"}}\n").into_bytes();
    }
    let same = |a: &Decision, b: &Decision| {
        Decision { at: None, ..a.clone() } == Decision { at: None, ..b.clone() }
    };
    let mut written = 0;
    let mut said = BTreeSet::new();
    for decision in decisions {
        let again = known.get(&decision.fingerprint).is_some_and(|old| same(old, decision));
        if again && !said.contains(&decision.fingerprint) {
            continue;
        }
        serde_json::to_writer(&mut content, decision)
            .map_err(io::Error::from)
            .map_err(io("write"))?;
        content.push(b'\n');
        said.insert(decision.fingerprint.clone());
        written += 1;
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(io("write"))?;
    // A link is followed, so that the file that it leads to is the one that is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(folder);
    let mut file =
        (tempfile::Builder::new().prefix(".labelvet-")).tempfile_in(folder).map_err(io("write"))?;
    file.write_all(&content).map_err(io("write"))?;
    file.as_file().sync_all().map_err(io("write"))?;
    readable(file.as_file(), &target).map_err(io("write"))?;
    match existing {
        Existing::Append => file.persist(&target).map(drop),
        // A file that someone else made in the meantime is not replaced either.
        Existing::Refuse => file.persist_noclobber(&target).map(drop),
    }
    .map_err(|error| io("write")(error.error))?;
    Ok(written)
}

/// Temporary files are private; results get the permissions of the file that they replace, or
/// those of a new one.
#[cfg(unix)]
fn readable(file: &fs::File, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let old = target.metadata().ok().map(|metadata| metadata.permissions());
    file.set_permissions(old.unwrap_or_else(|| fs::Permissions::from_mode(0o644)))
}

#[cfg(not(unix))]
fn readable(_: &fs::File, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(fingerprint: &str, verdict: Verdict) -> Decision {
        Decision {
            fingerprint: fingerprint.into(),
            label_hash: Some("00".into()),
            verdict,
            by: Some("Ada".into()),
            at: Some("2024-01-01T00:00:00Z".into()),
            note: None,
            after: None,
        }
    }

    #[test]
    fn the_last_line_counts_and_old_lines_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decisions.jsonl");
        let first = [decision("a", Verdict::Unsure), decision("b", Verdict::Correct)];
        assert_eq!(write_decisions(&path, &first, Existing::Refuse).unwrap(), 2);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.starts_with("{\"schema\":1"), "{before}");
        let refused = write_decisions(&path, &first, Existing::Refuse).unwrap_err();
        assert!(refused.to_string().contains("--append"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        let second = [decision("a", Verdict::Fixed), decision("b", Verdict::Correct)];
        assert_eq!(write_decisions(&path, &second, Existing::Append).unwrap(), 1);
        assert!(fs::read_to_string(&path).unwrap().starts_with(&before));
        let all = Decisions::read(&[path]).unwrap();
        assert_eq!(all.iter().count(), 2);
        assert_eq!(all.get("a").unwrap().verdict, Verdict::Fixed);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn what_is_no_decision_is_named_with_its_line() {
        let read = |text: &str| parse(Path::new("d.jsonl"), text.as_bytes());
        let good = serde_json::to_string(&decision("a", Verdict::Drop)).unwrap();
        assert_eq!(
            read(&format!("{{\"schema\":1}}\n\n{good}\n{{\"schema\":1}}\n")).unwrap().len(),
            1
        );
        for (text, expected) in [
            (format!("{{\"schema\":1}}\n{good}\nnot json\n"), "line 3: expected JSON"),
            ("[1]".into(), "line 1: expected an object"),
            ("{\"schema\":2}".into(), "line 1: expected schema 1, found 2"),
            ("{\"fingerprint\":\"a\",\"verdict\":\"maybe\"}".into(), "`maybe`"),
            ("{\"verdict\":\"drop\"}".into(), "missing field `fingerprint`"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("d.jsonl"), "{error}");
        }
        let error = parse(Path::new("d"), b"\n\xff").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
    }
}
