//! What a study is about: the dataset with what was planted, measured and found, and its
//! divisions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use rayon::prelude::*;

use super::super::commands::study::Options;
use super::super::dataset::{edges, measured, sizes_px};
use super::super::{Common, settings};
use crate::audit::{self, Rule};
use crate::clean::Policy;
use crate::dataset::{By, Dataset, Edit, Split, SplitSettings};
use crate::dataset::{fingerprint, keep_together, shuffles};
use crate::facts::{Facts, Pixels};
use crate::plant::{self, Recipe, Scope};
use crate::report::{self, AuditReport, RunInfo};
use crate::study::advice::Suspects;
use crate::study::arms::{self, Ground, Shuffle};
use crate::study::design::Design;
use crate::study::file::StudyFacts;
use crate::train::folder::{self, Source};

/// Folder of the audit in a study's.
const AUDIT: &str = "audit";
/// List of planted errors.
const PLANTED: &str = "planted.jsonl";

/// What a study is made of, whether it begins or goes on.
pub(super) struct Subject {
    pub(super) rules: Vec<Rule>,
    pub(super) config: audit::Config,
    pub(super) policy: Policy,
    /// The dataset as labelled, errors planted.
    pub(super) facts: Facts,
    /// Labels that runs are judged by.
    pub(super) reference: Dataset,
    /// Changes that take planted errors back.
    pub(super) truth: Vec<Edit>,
    /// Other versions, as changes.
    pub(super) others: BTreeMap<String, Vec<Edit>>,
    /// The recipe, and the list of what was planted.
    pub(super) planted: Option<(String, String)>,
    pub(super) findings: audit::Audit,
}

impl Subject {
    /// Reads everything, plants errors where they are asked for, measures and audits.
    pub(super) fn read(options: &Options, common: &Common) -> Result<Subject> {
        let rules = settings::rules(None)?;
        let config = settings::load(common.config.as_deref(), &options.dataset, &rules)?;
        let policy = policy(options.policy.as_deref(), &rules)?;
        let read = |path: &Path| options.read.read(path, &config.skeleton.pairs);
        let original = read(&options.dataset)?;
        if original.keypoints.is_empty() {
            bail!(
                "a study compares errors of keypoints, and {} has none that are labelled",
                options.dataset.display()
            );
        }
        let recipe = options.errors.as_deref().map(read_text).transpose()?;
        let (dataset, planted) = match recipe {
            None => (original.clone(), None),
            Some(text) => {
                let path = options.errors.as_deref().unwrap_or(Path::new("")).display();
                let recipe =
                    Recipe::parse(&text).with_context(|| format!("failed to read {path}"))?;
                // As `labelvet plant` does, so that one seed gives the same errors.
                let (sizes, edges) = (sizes_px(&original), edges(&original, &recipe));
                let scope = Scope { images: None, sizes_px: &sizes, edges: &edges };
                let planted = plant::plant_in(&original, &recipe, common.seed, &scope)?;
                let list = plant::list(&original, &recipe, common.seed, &planted)?;
                (original.edited(&planted.edits), Some((text, list)))
            }
        };
        let mut others = BTreeMap::new();
        for text in &options.with {
            let Some((name, path)) = text.split_once('=') else {
                bail!("--with takes NAME=DATASET, not {text}");
            };
            let edits = dataset.difference(&read(Path::new(path))?);
            if edits.is_empty() {
                bail!("the labels of {path} are those of {}", options.dataset.display());
            }
            others.insert(name.to_owned(), edits);
        }
        let truth = match &planted {
            Some(_) => dataset.difference(&original),
            None => Vec::new(),
        };
        let facts = measured(dataset, Pixels::Measure, common);
        let findings = audit::run(&facts, &rules, &config);
        let reference = original;
        Ok(Subject { rules, config, policy, facts, reference, truth, others, planted, findings })
    }

    pub(super) fn source(&self, options: &Options) -> Source {
        Source {
            path: options.dataset.display().to_string(),
            format: self.facts.dataset.format.to_owned(),
            labels_sha256: fingerprint(&self.facts.dataset, |_| None),
        }
    }

    /// Divides the dataset, and makes the labels of all arms; also says how many images left the
    /// training part because they look like a test image.
    pub(super) fn shuffles(
        &self,
        options: &Options,
        common: &Common,
        design: &Design,
        by: By,
    ) -> Result<(Vec<Shuffle>, usize)> {
        let dataset = &self.facts.dataset;
        let settings = SplitSettings {
            by,
            test_share: SplitSettings::TEST_SHARE,
            gap: options.gap,
            gap_frames: 0,
            seed: common.seed,
        };
        let mut splits: Vec<Split> = shuffles(dataset, &settings, design.shuffles as usize)?;
        let groups = audit::alike(&self.facts, &self.rules, &self.config)?;
        let mut moved = 0;
        for split in &mut splits {
            moved += keep_together(split, &groups)?;
        }
        let ground = Ground {
            facts: &self.facts,
            rules: &self.rules,
            config: &self.config,
            policy: &self.policy,
            truth: &self.truth,
            others: &self.others,
        };
        let made: Result<Vec<Shuffle>, _> = splits
            .into_par_iter()
            .enumerate()
            .map(|(number, split)| arms::shuffle(&ground, design, number as u32, split))
            .collect();
        Ok((made?, moved))
    }

    /// Writes what does not depend on any run: the audit, planted errors.
    pub(super) fn write(
        &self,
        out: &Path,
        options: &Options,
        common: &Common,
        words: &[String],
        start: Instant,
    ) -> Result<()> {
        let folder = out.join(AUDIT);
        fs::create_dir(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        let run = RunInfo {
            command: words.to_vec(),
            dataset: options.dataset.display().to_string(),
            seed: common.seed,
            seconds: start.elapsed().as_secs_f64(),
        };
        let report = AuditReport {
            facts: &self.facts,
            audit: &self.findings,
            rules: &self.rules,
            config: &self.config,
            run: &run,
        };
        report::write_audit(&folder, &report)?;
        if let Some((_, list)) = &self.planted {
            folder::write(&out.join(PLANTED), list.as_bytes())?;
        }
        Ok(())
    }

    /// Says whether the audit of the whole dataset leaves a person something to correct.
    pub(super) fn suspects(&self) -> Suspects {
        match &self.planted {
            Some(_) => Suspects::Planted,
            None if report::suspect_labels(&self.findings.findings).is_empty() => Suspects::None,
            None => Suspects::Found,
        }
    }

    pub(super) fn facts(&self) -> StudyFacts {
        let dataset = &self.facts.dataset;
        let labelled =
            dataset.instances_by_image().iter().filter(|range| !range.is_empty()).count();
        let planted = self.planted.as_ref().map(|_| {
            let images: BTreeSet<u32> =
                self.truth.iter().map(|edit| arms::image_of(dataset, edit)).collect();
            let points = self.truth.iter().filter(|e| !matches!(e, Edit::SetVisibility { .. }));
            [points.count(), images.len()]
        });
        StudyFacts {
            images: labelled,
            keypoints: dataset.instances.iter().map(|instance| usize::from(instance.len)).sum(),
            names: dataset.skeletons.iter().flat_map(|s| s.keypoints.clone()).collect(),
            body_length_px: self.reference.body_length(),
            planted,
        }
    }
}

/// Returns the cleaning policy: the default one, with the changes of a file.
fn policy(path: Option<&Path>, rules: &[Rule]) -> Result<Policy> {
    let Some(path) = path else { return Ok(Policy::parse("", rules)?) };
    let text = read_text(path)?;
    Policy::parse(&text, rules).with_context(|| format!("failed to read {}", path.display()))
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

/// Returns how images are divided. A dataset's own division is one only: it has no shuffles.
pub(super) fn by(options: &Options, dataset: &Dataset) -> By {
    match options.by.as_deref() {
        Some("video") => By::Video,
        Some(_) => By::Block,
        None => By::suitable_of_time(dataset),
    }
}
