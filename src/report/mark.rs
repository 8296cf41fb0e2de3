//! `labelvet.json`: marks a folder as written by labelvet and says how: version,
//! command line, every setting, and a fingerprint of the dataset.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{AuditReport, SCHEMA};
use crate::audit::{Config, Rule, Severity};
use crate::facts::Facts;

/// How a folder was made.
#[derive(Debug, Serialize)]
pub(super) struct Mark {
    /// Version of the layout of this file and of `findings.json` beside it.
    schema: u32,
    /// Always `labelvet`.
    tool: &'static str,
    /// Version of labelvet.
    version: &'static str,
    /// The command line, as words.
    command: Vec<String>,
    /// The dataset.
    pub(super) dataset: Source,
    /// Everything that users may change, as it was used.
    settings: Settings,
    /// Seconds that reading, measuring and judging took.
    seconds: f64,
}

/// The dataset that an output was made of.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    /// As the user named it.
    path: String,
    /// Format that it was read as.
    format: String,
    /// Hash of its images and labels, see [`fingerprint`].
    pub(super) fingerprint: String,
}

/// Everything that users may change, as it was used.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    /// Seed of everything random.
    seed: u64,
    /// Whether image files were opened.
    pixels: bool,
    /// Left-right pairs that the user gave.
    pairs: Vec<[String; 2]>,
    /// Rules by slug.
    pub(super) rules: BTreeMap<String, RuleSettings>,
}

/// The settings of one rule.
#[derive(Debug, Serialize)]
pub(super) struct RuleSettings {
    /// Whether it was turned on.
    pub(super) enabled: bool,
    /// Severity of its findings.
    pub(super) severity: Severity,
    /// Thresholds by name.
    pub(super) thresholds: BTreeMap<String, f64>,
}

impl Mark {
    /// Describes a report.
    pub(super) fn new(report: &AuditReport<'_>) -> Mark {
        Mark {
            schema: SCHEMA,
            tool: "labelvet",
            version: env!("CARGO_PKG_VERSION"),
            command: report.run.command.clone(),
            dataset: Source {
                path: report.run.dataset.clone(),
                format: report.facts.dataset.format.into(),
                fingerprint: fingerprint(report.facts),
            },
            settings: Settings {
                seed: report.run.seed,
                pixels: report.facts.measured,
                pairs: report.config.skeleton.pairs.clone(),
                rules: rules(report.rules, report.config),
            },
            seconds: report.run.seconds,
        }
    }
}

fn rules(rules: &[Rule], config: &Config) -> BTreeMap<String, RuleSettings> {
    let settings = |rule: &Rule| RuleSettings {
        enabled: config.enabled(rule),
        severity: config.severity(rule),
        thresholds: config.settings(rule).thresholds,
    };
    rules.iter().map(|rule| (rule.slug.clone(), settings(rule))).collect()
}

/// Returns the SHA-256, in hexadecimal digits, of all image paths with the hashes
/// of their files (where they were opened) and of all labels, in sorted order.
pub(super) fn fingerprint(facts: &Facts) -> String {
    let dataset = &facts.dataset;
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, text: &str| {
        // The length keeps neighbouring texts apart.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    for (image, known) in dataset.images.iter().zip(&facts.images) {
        text(&mut hash, &image.path);
        hash.update(known.sha256.unwrap_or_default());
        text(&mut hash, class_name(facts, image.class));
        text(&mut hash, dataset.split_of(image).unwrap_or_default());
    }
    for instance in &dataset.instances {
        hash.update(instance.image.to_le_bytes());
        text(&mut hash, &dataset.instance_name(instance));
        text(&mut hash, class_name(facts, instance.class));
        for side in instance.bbox.iter().flat_map(|b| [b.x, b.y, b.width, b.height]) {
            hash.update(side.to_bits().to_le_bytes());
        }
        let skeleton = dataset.skeleton_of(instance);
        for point in dataset.keypoints_of(instance) {
            let name = skeleton.and_then(|s| s.keypoints.get(usize::from(point.kind)));
            text(&mut hash, name.map_or("", String::as_str));
            hash.update([point.visibility as u8]);
            hash.update(point.x.to_bits().to_le_bytes());
            hash.update(point.y.to_bits().to_le_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn class_name(facts: &Facts, class: Option<u16>) -> &str {
    let class = class.and_then(|class| facts.dataset.classes.get(usize::from(class)));
    class.map_or("", |class| &class.name)
}
