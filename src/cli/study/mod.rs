//! A study as the command runs it: folder, plan, progress, words. What it does is in
//! [`crate::study`].

mod plan;
mod subject;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::Common;
use super::commands::study::Options;
use super::output::{Replace, RunDir, print, say};
use super::progress::Jobs;
use crate::dataset::{By, Part};
use crate::report::{self, StudyReport};
use crate::study::arms::{ArmSummary, Shuffle};
use crate::study::collect::{Collected, Judges, collect};
use crate::study::design::Design;
use crate::study::file::{DesignFile, FailureFacts, SCHEMA, SplitFacts, StudyFile};
use crate::study::jobs::Job;
use crate::study::outcome::{Outcome, outcome};
use crate::study::queue::{JobMaterial, News, Queue};
use crate::train::folder;
use crate::train::runtime::Runtime;
use plan::{design, plan};
use subject::{Subject, by};

/// Folder of the patches.
const PATCHES: &str = "patches";

pub(super) fn run(options: &Options, common: &Common, words: &[String]) -> Result<()> {
    let start = Instant::now();
    let subject = Subject::read(options, common)?;
    let runtime = options.device.load(common)?;
    let asked = design(options, common, &subject, runtime.device())?;
    let by = by(options, &subject.facts.dataset);
    if options.plan {
        let (shuffles, _) = subject.shuffles(options, common, &asked, by)?;
        let planned = plan(options, common, &subject, &runtime, &shuffles, asked, by)?;
        return print(&planned.words());
    }
    let out = options.out.as_deref().context("--out names the folder of the study")?;
    let (file, shuffles) = if options.resume {
        let file = DesignFile::read(out).context("there is no study to go on with")?;
        same_as(&file, options, common, &subject)?;
        let (shuffles, _) = subject.shuffles(options, common, &file.design, by)?;
        (file, shuffles)
    } else {
        let replace = if options.force { Replace::Own } else { Replace::Never };
        RunDir::check(out, replace)?;
        let (shuffles, moved) = subject.shuffles(options, common, &asked, by)?;
        let asked_shuffles = asked.shuffles;
        let planned = plan(options, common, &subject, &runtime, &shuffles, asked, by)?;
        if !common.quiet {
            say(&planned.words());
            if moved > 0 {
                say(&format!(
                    "{moved} training images look like test images of their shuffle; they are in \
                     neither part"
                ));
            }
        }
        let file = DesignFile {
            schema: SCHEMA,
            dataset: subject.source(options),
            design: planned.fit.design,
            by: by.name().to_owned(),
            gap: options.gap,
            planted: subject.planted.as_ref().map(|(recipe, _)| recipe.clone()),
            given_up: planned.fit.given_up,
            speeds: planned.speeds,
            asked: options.asked(common),
        };
        // A budget may have left fewer shuffles, which are other ones.
        let shuffles = if file.design.shuffles == asked_shuffles {
            shuffles
        } else {
            subject.shuffles(options, common, &file.design, by)?.0
        };
        RunDir::begin(out, replace, words)?;
        subject.write(out, options, common, words, start)?;
        write_patches(out, &subject, &file.design, &shuffles)?;
        file.write(out)?;
        (file, shuffles)
    };
    let study = Study { subject: &subject, file: &file, shuffles: &shuffles, out, words };
    study.write("running", &[], Report::Later)?;
    let failures = study.run(common, &runtime, by)?;
    let found = study.write("done", &failures, Report::Write)?;
    say(&found.map(|outcome| outcome.judgement.sentence).unwrap_or_default());
    say(&format!("open {}", out.join("report.html").display()));
    Ok(())
}

/// Whether the results so far are judged and reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    Write,
    Later,
}

/// Checks that a study that goes on is the one that the command line describes.
fn same_as(file: &DesignFile, options: &Options, common: &Common, subject: &Subject) -> Result<()> {
    if file.schema != SCHEMA {
        bail!("the study was written by another version of labelvet (schema {})", file.schema);
    }
    if subject.source(options).labels_sha256 != file.dataset.labels_sha256 {
        bail!(
            "the labels are others than those that the study began with; start a new study in \
             another folder"
        );
    }
    let asked = options.asked(common);
    if asked != file.asked {
        let differs = asked
            .as_object()
            .into_iter()
            .flatten()
            .find(|(key, value)| file.asked.get(key.as_str()) != Some(value));
        let what = differs.map_or("something", |(key, _)| key.as_str());
        bail!(
            "a study goes on with the options that it began with, and `{what}` differs; \
             labelvet.json in its folder has the command"
        );
    }
    Ok(())
}

/// Writes the patch of each arm that has one, shuffle by shuffle.
fn write_patches(
    out: &Path,
    subject: &Subject,
    design: &Design,
    shuffles: &[Shuffle],
) -> Result<()> {
    let folder = out.join(PATCHES);
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    for shuffle in shuffles {
        for arm in &design.arms {
            if let Some(patch) = shuffle.patch(arm, &subject.facts.dataset, &subject.policy) {
                let mut bytes = Vec::new();
                patch.write(&mut bytes)?;
                let path = folder.join(format!("{}-s{}.jsonl", arm.name, shuffle.number));
                folder::write(&path, &bytes)?;
            }
        }
    }
    Ok(())
}

/// Returns what a job learns from.
fn material(
    subject: &Subject,
    shuffles: &[Shuffle],
    design: &Design,
    by: By,
    job: &Job,
) -> JobMaterial {
    let shuffle = &shuffles[job.shuffle as usize];
    let arm = design.arm(&job.arm).unwrap_or(&design.arms[0]);
    let labels = &shuffle.arms[&arm.name];
    JobMaterial {
        dataset: labels.dataset(&subject.facts.dataset, arm),
        split: labels.split.clone(),
        by: by.name().to_owned(),
        probe: shuffle.probe.clone(),
        patch: labels.patch.as_ref().map(crate::clean::Patch::hash),
    }
}

/// A study under way.
struct Study<'a> {
    subject: &'a Subject,
    file: &'a DesignFile,
    shuffles: &'a [Shuffle],
    out: &'a Path,
    words: &'a [String],
}

impl Study<'_> {
    /// Runs what is left to be run.
    fn run(&self, common: &Common, runtime: &Runtime, by: By) -> Result<Vec<FailureFacts>> {
        let design = &self.file.design;
        let jobs = design.jobs();
        let mut images = 0;
        for job in &jobs {
            let config = design.config(job)?;
            images += config.run.steps * (config.data.batch * config.data.accumulate) as u64;
        }
        let bar = Jobs::new(jobs.len(), images, common.quiet);
        let material = |job: &Job| material(self.subject, self.shuffles, design, by, job);
        let twin = |job: &Job| Job {
            arm: self.shuffles[job.shuffle as usize].twin(design, &job.arm),
            ..job.clone()
        };
        let queue = Queue {
            design,
            folder: self.out,
            path: &self.file.dataset.path,
            words: self.words,
            runtime,
            cache: common.cache_folder(),
            material: &material,
            twin: &twin,
        };
        let mut over = 0;
        let each = jobs.len().div_ceil(design.shuffles as usize).max(1);
        let mut trouble = None;
        let failures = queue.run(&jobs, &mut |news| match news {
            News::Begins(job) => bar.begins(&job.folder()),
            News::Images(count) => bar.images(count),
            News::Over(_) => {
                bar.over();
                over += 1;
                // About once a shuffle, so that a long study can be looked at while it goes.
                if over % each == 0 && over < jobs.len() {
                    trouble = self.write("running", &[], Report::Write).err().or(trouble.take());
                }
            }
            News::Failed(failure) => {
                bar.tell(&format!("{} failed: {}", failure.job.folder(), failure.reason));
            }
        });
        bar.finish();
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        Ok(failures
            .into_iter()
            .map(|failure| FailureFacts { run: failure.job.folder(), reason: failure.reason })
            .collect())
    }

    /// Writes the results so far, and the report of them where it is asked for; returns what they
    /// say then.
    fn write(
        &self,
        status: &str,
        failures: &[FailureFacts],
        report: Report,
    ) -> Result<Option<Outcome>> {
        let design = &self.file.design;
        let judges =
            Judges { labelled: &self.subject.facts.dataset, reference: &self.subject.reference };
        let (collected, outcome) = match report {
            Report::Write => {
                let collected = collect(self.out, design, self.shuffles, judges);
                let outcome = outcome(design, &collected, self.subject.suspects())?;
                (collected, Some(outcome))
            }
            Report::Later => (Collected::default(), None),
        };
        let splits: Vec<SplitFacts> = self
            .shuffles
            .iter()
            .map(|shuffle| SplitFacts {
                shuffle: shuffle.number,
                train: shuffle.split.count(Part::Train),
                test: shuffle.split.count(Part::Test),
                gap: shuffle.split.count(Part::Gap),
                probe: shuffle.probe.len(),
            })
            .collect();
        let summaries: Vec<ArmSummary> = self
            .shuffles
            .iter()
            .flat_map(|shuffle| {
                design.arms.iter().map(|arm| shuffle.arms[&arm.name].summary.clone())
            })
            .collect();
        let facts = self.subject.facts();
        let over = collected.runs.len() + collected.ramps.len();
        let file = StudyFile {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            command: self.words,
            status,
            jobs: [over, design.jobs().len()],
            dataset: &self.file.dataset,
            facts: &facts,
            design,
            given_up: &self.file.given_up,
            splits: &splits,
            arms: &summaries,
            outcome: outcome.as_ref(),
            measures: &collected.runs,
            ramps: &collected.ramps,
            set_loss: collected.set_loss,
            failures,
            seconds: collected.seconds,
        };
        if let Some(outcome) = &outcome {
            let report = StudyReport {
                study: &file,
                outcome,
                facts: &self.subject.facts,
                audit: &self.subject.findings,
                folder: self.out,
            };
            report::write_study(self.out, &report)?;
        }
        file.write(self.out)?;
        Ok(outcome)
    }
}
