//! Runs rules over facts and makes findings of their hits: names, places,
//! fingerprints, one finding in place of a whole rig's, and the order.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::evidence::{self, Explained};
use super::rule::Need;
use super::{Config, Find, Finding, Hit, Ledger, Level, Place, Rule, Severity, Subject, ledger};
use crate::dataset::Location;
use crate::facts::Facts;

/// Images of a video below which findings are never merged.
const MERGE_MIN_IMAGES: usize = 20;
/// Share of a video's images above which findings are merged into one.
const MERGE_MIN_SHARE: f64 = 0.9;

/// What an audit found.
#[derive(Debug, Default)]
pub struct Audit {
    /// Findings: errors first, then by score, rule and place.
    pub findings: Vec<Finding>,
    /// Findings that people judged to be no defect, in the same order; see
    /// `docs/relabelling.md`.
    pub silenced: Vec<Finding>,
    /// Slugs of the rules that ran, sorted.
    pub ran: Vec<String>,
    /// Rules that did not run, and why.
    pub skipped: Vec<Skipped>,
    /// What training will use; `None` where labelvet knows no trainer of the format.
    pub ledger: Option<Ledger>,
}

/// A rule that did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its slug.
    pub rule: String,
    /// Why, a lower-case fragment.
    pub reason: String,
}

/// Runs rules over facts.
///
/// The result does not depend on the order of the rules.
pub fn run(facts: &Facts, rules: &[Rule], config: &Config) -> Audit {
    let needed = |rule: &Rule| matches!(rule.find, Find::Poses(_)) && config.enabled(rule);
    let explained = match rules.iter().any(needed) {
        true => evidence::explain(facts),
        false => Explained::default(),
    };
    let context = Context::new(facts, &explained);
    let judged: Vec<Result<Vec<Finding>, String>> =
        rules.par_iter().map(|rule| judge(&context, rule, config)).collect();
    let mut audit = Audit { ledger: ledger(facts), ..Audit::default() };
    for (rule, judged) in rules.iter().zip(judged) {
        match judged {
            Ok(mut findings) => {
                audit.ran.push(rule.slug.clone());
                audit.findings.append(&mut findings);
            }
            Err(reason) => audit.skipped.push(Skipped { rule: rule.slug.clone(), reason }),
        }
    }
    let findings = std::mem::take(&mut audit.findings);
    audit.findings = yielded(rules, findings);
    audit.ran.sort();
    audit.skipped.sort_by(|a, b| a.rule.cmp(&b.rule));
    audit.findings.sort_by(order);
    distinguish(&mut audit.findings);
    audit
}

/// Returns the findings of one rule, or why it did not run.
fn judge(context: &Context<'_>, rule: &Rule, config: &Config) -> Result<Vec<Finding>, String> {
    if !config.enabled(rule) {
        return Err("turned off".into());
    }
    if rule.spec.needs.contains(&Need::Pixels) && !context.facts.measured {
        return Err("needs pixels, and images were not opened".into());
    }
    if rule.spec.needs.contains(&Need::Predictions) && context.facts.predictions.is_none() {
        return Err("needs predictions of a model, and none were given".into());
    }
    let settings = config.settings(rule);
    let hits = match rule.find {
        Find::Rust(find) => find(context.facts, &settings),
        Find::Poses(find) => find(context.facts, context.explained, &settings),
        Find::Sql => super::sql::find(context.facts, rule, &settings).map_err(|e| e.to_string())?,
    };
    let hits = if rule.spec.merge { context.merge(hits) } else { hits };
    let severity = config.severity(rule);
    Ok(hits.into_iter().map(|hit| context.finding(rule, severity, hit)).collect())
}

/// Leaves out what rules find about instances that the rules which they yield to speak of.
fn yielded(rules: &[Rule], findings: Vec<Finding>) -> Vec<Finding> {
    let key = |finding: &Finding| Some((finding.image.clone()?, finding.instance.clone()?));
    let of: HashMap<&str, &Rule> = rules.iter().map(|rule| (rule.slug.as_str(), rule)).collect();
    let mut told: HashMap<(String, String), Vec<String>> = HashMap::new();
    let heeded: HashSet<&String> = rules.iter().flat_map(|rule| &rule.spec.yields_to).collect();
    for finding in findings.iter().filter(|finding| heeded.contains(&finding.rule)) {
        if let Some(key) = key(finding) {
            told.entry(key).or_default().push(finding.rule.clone());
        }
    }
    let stays = |finding: &Finding| {
        let yields_to = &of[finding.rule.as_str()].spec.yields_to;
        let told = key(finding).filter(|_| !yields_to.is_empty()).and_then(|key| told.get(&key));
        told.is_none_or(|told| !told.iter().any(|rule| yields_to.contains(rule)))
    };
    findings.into_iter().filter(stays).collect()
}

/// Orders findings: errors first, then the likeliest, then by rule and place.
fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    (b.severity.cmp(&a.severity))
        .then(b.score.total_cmp(&a.score))
        .then_with(|| a.rule.cmp(&b.rule))
        .then_with(|| a.image.cmp(&b.image))
        .then_with(|| a.video.cmp(&b.video))
        .then_with(|| a.instance.cmp(&b.instance))
        .then_with(|| a.keypoint.cmp(&b.keypoint))
        .then_with(|| a.message.cmp(&b.message))
}

/// Gives findings that would share a fingerprint one of their own each.
fn distinguish(findings: &mut [Finding]) {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for finding in findings {
        let count = seen.entry(finding.fingerprint.clone()).or_default();
        if *count > 0 {
            finding.fingerprint = digest(&[&finding.fingerprint, &count.to_string()]);
        }
        *count += 1;
    }
}

/// Returns 16 hexadecimal digits of the SHA-256 of parts, each ended by a zero byte.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize()[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What turns hits into findings.
struct Context<'a> {
    facts: &'a Facts,
    explained: &'a Explained,
    /// What stands for each image in a fingerprint.
    keys: Vec<String>,
}

impl Context<'_> {
    fn new<'a>(facts: &'a Facts, explained: &'a Explained) -> Context<'a> {
        // Identical files are told apart by their order of path.
        let mut copies: HashMap<[u8; 32], u32> = HashMap::new();
        let keys = (facts.dataset.images.iter().zip(&facts.images))
            .map(|(image, known)| match known.sha256 {
                None => image.path.clone(),
                Some(sha256) => {
                    let copy = copies.entry(sha256).or_default();
                    let key =
                        if *copy == 0 { hex(&sha256) } else { format!("{}#{copy}", hex(&sha256)) };
                    *copy += 1;
                    key
                }
            })
            .collect();
        Context { facts, explained, keys }
    }

    /// Replaces the hits on a video's images by one when nearly all are hit.
    fn merge(&self, hits: Vec<Hit>) -> Vec<Hit> {
        let dataset = &self.facts.dataset;
        let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
        for image in &dataset.images {
            *sizes.entry(image.video.unwrap_or(u32::MAX)).or_default() += 1;
        }
        let mut by_video: BTreeMap<u32, Vec<Hit>> = BTreeMap::new();
        let mut merged = Vec::new();
        for hit in hits {
            match hit.subject {
                Subject::Image(image) => {
                    let video = dataset.images[image as usize].video.unwrap_or(u32::MAX);
                    by_video.entry(video).or_default().push(hit);
                }
                _ => merged.push(hit),
            }
        }
        for (video, mut hits) in by_video {
            let total = sizes[&video];
            if total < MERGE_MIN_IMAGES || (hits.len() as f64) < MERGE_MIN_SHARE * total as f64 {
                merged.append(&mut hits);
                continue;
            }
            hits.sort_by(|a, b| a.subject.cmp(&b.subject));
            let middle = hits.len() / 2;
            let (_, median, _) = hits.select_nth_unstable_by(middle, |a, b| {
                let value = |hit: &Hit| hit.value.unwrap_or(0.0);
                value(a).total_cmp(&value(b)).then_with(|| a.subject.cmp(&b.subject))
            });
            let mut one = median.clone();
            one.message = format!(
                "{} of {total} images, so it is a property of the rig; the median image: {}",
                hits.len(),
                one.message
            );
            one.subject = match video {
                u32::MAX => Subject::Dataset(String::new()),
                video => Subject::Video(video, String::new()),
            };
            one.related.clear();
            one.proposal = None;
            merged.push(one);
        }
        merged
    }

    fn finding(&self, rule: &Rule, severity: Severity, hit: Hit) -> Finding {
        let dataset = &self.facts.dataset;
        let mut finding = Finding {
            rule: rule.slug.clone(),
            severity: hit.severity.unwrap_or(severity),
            score: round(hit.score.clamp(0.0, 1.0)),
            level: Level::Dataset,
            kind: hit.kind,
            image: None,
            video: None,
            instance: None,
            keypoint: None,
            class: None,
            message: hit.message,
            value: hit.value.filter(|v| v.is_finite()).map(round),
            threshold: hit.threshold.filter(|v| v.is_finite()).map(round),
            related: hit.related,
            location: hit.place,
            proposal: hit.proposal,
            fingerprint: String::new(),
        };
        if let Some(proposal) = &mut finding.proposal {
            proposal.x = proposal.x.map(|x| round(dataset.to_label(x)));
            proposal.y = proposal.y.map(|y| round(dataset.to_label(y)));
            proposal.sd_px = proposal.sd_px.map(round);
        }
        let key = match hit.subject {
            Subject::Dataset(about) => about,
            Subject::Video(video, about) => {
                finding.level = Level::Video;
                let name = dataset.videos[video as usize].clone();
                finding.video = Some(name.clone());
                format!("{name}\0{about}")
            }
            Subject::Image(image) => {
                finding.level = Level::Image;
                self.fill_image(&mut finding, image)
            }
            Subject::Instance(instance) => {
                finding.level = Level::Instance;
                self.fill_instance(&mut finding, instance)
            }
            Subject::Keypoint(instance, kind) => {
                finding.level = Level::Keypoint;
                let key = self.fill_instance(&mut finding, instance);
                let labelled = &dataset.instances[instance as usize];
                if let Some(skeleton) = dataset.skeleton_of(labelled) {
                    finding.keypoint = Some(skeleton.keypoints[usize::from(kind)].clone());
                }
                if let Some(point) = dataset.keypoint(labelled, kind)
                    && let Some(place) = &mut finding.location
                    && point.column > 0
                {
                    place.column.get_or_insert(u32::from(point.column));
                }
                key
            }
        };
        finding.fingerprint = digest(&[
            &finding.rule,
            &key,
            finding.instance.as_deref().unwrap_or(""),
            finding.keypoint.as_deref().unwrap_or(""),
        ]);
        finding
    }

    fn fill_instance(&self, finding: &mut Finding, at: u32) -> String {
        let dataset = &self.facts.dataset;
        let instance = &dataset.instances[at as usize];
        finding.instance = Some(dataset.instance_name(instance));
        finding.class =
            instance.class.map(|class| dataset.classes[usize::from(class)].name.clone());
        let location = instance.location.map(|location| self.place(location));
        finding.location = finding.location.take().or(location);
        self.fill_image(finding, instance.image)
    }

    fn fill_image(&self, finding: &mut Finding, at: u32) -> String {
        let dataset = &self.facts.dataset;
        let image = &dataset.images[at as usize];
        finding.image = Some(image.path.clone());
        finding.video = dataset.video_of(image).map(Into::into);
        if finding.level == Level::Image {
            finding.class =
                image.class.map(|class| dataset.classes[usize::from(class)].name.clone());
        }
        let location = image.location.map(|location| self.place(location));
        finding.location = finding.location.take().or(location);
        self.keys[at as usize].clone()
    }

    fn place(&self, location: Location) -> Place {
        Place {
            file: self.facts.dataset.label_files[location.file as usize].clone(),
            row: Some(location.row),
            column: None,
        }
    }
}

/// Rounds to six digits after the point, so that outputs are short and stable.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
