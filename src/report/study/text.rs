//! The sentences of a study's report: what it was, what to heed, what to do next, how to read it.

use super::StudyReport;
use super::words::{arm_words, figure, shell};
use crate::audit::Kind;
use crate::page::text::{count, counted};
use crate::study::contrast::LEAST_PAIRS;
use crate::study::design::{Labels, VERDICT_SHUFFLES};
use crate::study::file::DesignFile;
use crate::study::jobs::RampKind;
use crate::study::verdict::Verdict;

/// Failed runs that are named; the rest is counted.
const MOST_FAILURES: usize = 8;

/// Sentences; words between backticks are code.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Texts {
    /// How the sentence of the verdict opens: what was to blame.
    pub(in crate::report) verdict: String,
    /// The rest of it: the figures.
    pub(in crate::report) figures: String,
    /// What the study was.
    pub(in crate::report) what: String,
    /// Names of arms and optimisers with what they mean.
    pub(in crate::report) names: Vec<(String, String)>,
    /// What to heed before believing any of it.
    pub(in crate::report) warnings: Vec<String>,
    /// What to do next.
    pub(in crate::report) advice: Vec<String>,
    /// Commands that do it, each with what it is for.
    pub(in crate::report) commands: Vec<[String; 2]>,
    /// How to read the plots of errors and of effects.
    pub(in crate::report) reading_errors: String,
    /// How to read the plot of effects.
    pub(in crate::report) reading_effects: String,
    /// What to know of the worst labels; empty where they speak for themselves.
    pub(in crate::report) reading_worst: String,
    /// How to read what cleaning changed.
    pub(in crate::report) reading_cleaning: String,
    /// How to read the curves.
    pub(in crate::report) reading_curves: String,
    /// How to read the ramps.
    pub(in crate::report) reading_ramps: String,
    /// What further measures are.
    pub(in crate::report) reading_secondary: String,
    /// What luck means, and the noise of ramps.
    pub(in crate::report) reading_luck: String,
}

impl Texts {
    /// Writes the sentences of a study.
    pub(super) fn new(report: &StudyReport<'_>, file: Option<&DesignFile>) -> Texts {
        let sentence = &report.outcome.judgement.sentence;
        let (verdict, figures) = sentence.split_once(": ").unwrap_or((sentence, ""));
        let advice = report.outcome.advice.iter().cloned().chain(leak(report, file)).collect();
        Texts {
            verdict: verdict.to_owned(),
            figures: figures.to_owned(),
            what: what(report, file),
            names: names(report),
            warnings: warnings(report),
            advice,
            commands: commands(report),
            reading_errors: reading_errors(report),
            reading_effects: reading_effects(),
            reading_worst: reading_worst(report),
            reading_cleaning: reading_cleaning(report),
            reading_curves:
                "Each thin line is the loss of one run, smoothed; the strong line is the median \
                 of the arm. Marks show alarms: losses far above what came before, at their own \
                 height. After an alarm the same batch and others are replayed at the weights of \
                 then and at earlier ones. *Data* means that the images or labels of this very \
                 batch are at fault, *state* that the weights had already gone astray, \
                 *undetermined* that it cannot be told. Where a preset does not replay, alarms \
                 are *not ruled*."
                    .replace('*', ""),
            reading_ramps:
                "In a ramp the learning rate rises until training breaks down. The mark is where \
                 the loss on the probe set, some training images whose labels no arm changes, \
                 exceeds 4 times its least value so far: the stability margin. Further to the \
                 right is more robust. Labels are compared by one common recipe (batches of 8, no \
                 clipping), optimisers each by its own."
                    .to_owned(),
            reading_secondary:
                "These measures were chosen before, too, but none of them was tested: among so \
                 many some intervals leave out zero by chance. They help to understand an effect, \
                 and are no evidence for one. Differences are first arm less second."
                    .to_owned(),
            reading_luck: reading_luck(report),
        }
    }
}

fn what(report: &StudyReport<'_>, file: Option<&DesignFile>) -> String {
    let study = report.study;
    let design = study.design;
    let jobs = design.jobs();
    let ramps = jobs.iter().filter(|job| job.ramp.is_some()).count();
    let [width, height] = design.size;
    let mut text = format!(
        "The dataset has {} with {}. A network was trained {} times: {} (an arm is one version of \
         the training labels) × {} (settings of the training) × {}",
        counted(study.facts.images, "labelled image"),
        counted(study.facts.keypoints, "labelled keypoint"),
        count(jobs.len() - ramps),
        counted(design.arms.len(), "arm"),
        counted(design.optimisers.len(), "optimiser"),
        counted(design.shuffles as usize, "shuffle"),
    );
    if design.further_seeds > 0 {
        let seeds = counted(design.further_seeds as usize, "further seed");
        text += &format!(", and {seeds} for some");
    }
    text += ". A shuffle is one random division of the images into those to train on and those to \
             test by";
    if let Some(file) = file {
        text += match file.by.as_str() {
            "video" => ", whole videos at a time",
            "block" => {
                ", in blocks of time with a gap, so that neighbouring frames never stand on both sides"
            }
            _ => "",
        };
    }
    text += &format!(
        "; all arms of a shuffle share it, the first weights and the order of the images, as far \
         as they can. Each run saw {} at {width} × {height} px.",
        counted(design.images as usize, "image"),
    );
    if ramps > 0 {
        text += &format!(
            " {} measured the stability margin: the learning rate at which training breaks down.",
            counted(ramps, "ramp")
        );
    }
    match study.facts.planted {
        Some([points, images]) => {
            text += &format!(
                " Errors were planted on purpose: {} in {} are known to be wrong, so that the \
                 true labels are known, and tests are made against them. Your dataset itself is \
                 unchanged.",
                counted(points, "keypoint"),
                counted(images, "image")
            );
        }
        None => {
            text += " No errors were planted: tests are made against the original labels, whose \
                     own errors nobody knows.";
        }
    }
    if !study.given_up.is_empty() {
        text += &format!(" To keep to the budget: {}.", study.given_up.join("; "));
    }
    text
}

fn names(report: &StudyReport<'_>) -> Vec<(String, String)> {
    let design = report.study.design;
    let planted = report.study.facts.planted.is_some();
    let arms = design.arms.iter().map(|arm| (arm.name.clone(), arm_words(arm, planted)));
    let jobs = design.jobs();
    let optimisers = design.optimisers.iter().map(|optimiser| {
        let mut words = format!("preset {}", optimiser.preset);
        let job = jobs.iter().find(|job| job.ramp.is_none() && job.optimiser == optimiser.name);
        if let Some(config) = job.and_then(|job| design.config(job).ok()) {
            words += &format!(
                ": batches of {}, learning rate {}",
                config.data.batch * config.data.accumulate,
                figure(f64::from(config.optimiser.learning_rate))
            );
        }
        if !optimiser.changes.is_empty() {
            words += &format!(", with {}", optimiser.changes.join(", "));
        }
        (optimiser.name.clone(), words)
    });
    arms.chain(optimisers).collect()
}

fn warnings(report: &StudyReport<'_>) -> Vec<String> {
    let study = report.study;
    let mut all = Vec::new();
    let [over, jobs] = study.jobs;
    if over < jobs {
        all.push(format!(
            "{} of {} runs and ramps gave no result: the figures below rest on the others.",
            count(jobs - over),
            count(jobs),
        ));
    }
    if !study.failures.is_empty() {
        let named: Vec<String> = study
            .failures
            .iter()
            .take(MOST_FAILURES)
            .map(|failure| format!("{} ({})", failure.run, failure.reason))
            .collect();
        let rest = study.failures.len() - named.len();
        let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
        all.push(format!("Could not be run: {}{more}.", named.join("; ")));
    }
    let stopped: Vec<&str> =
        study.measures.iter().filter(|run| run.failed).map(|run| run.run.as_str()).collect();
    if !stopped.is_empty() {
        let named = stopped.iter().take(MOST_FAILURES).copied().collect::<Vec<_>>().join(", ");
        let rest = stopped.len().saturating_sub(MOST_FAILURES);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        all.push(format!(
            "Training broke down for good in {}: {named}{more}. A test error there is that of the \
             last good checkpoint.",
            counted(stopped.len(), "run"),
        ));
    }
    if study.design.shuffles < VERDICT_SHUFFLES {
        all.push(format!(
            "{} {} too few for a verdict: with fewer than {LEAST_PAIRS} no test can tell an effect \
             from luck, so there are no p-values.",
            counted(study.design.shuffles as usize, "shuffle"),
            if study.design.shuffles == 1 { "is" } else { "are" }
        ));
    }
    for arm in study.design.arms.iter().filter(|arm| arm.labels == Labels::Clean) {
        let of_arm = || study.arms.iter().filter(|summary| summary.arm == arm.name);
        let idle = of_arm().filter(|summary| summary.touched == 0).count();
        if idle > 0 {
            all.push(format!(
                "In {} of {} the audit flagged no label that cleaning leaves out: `{}` is the \
                 labels as they are there, and tells nothing about cleaning.",
                count(idle),
                counted(of_arm().count(), "shuffle"),
                arm.name
            ));
        }
    }
    let missing = study.arms.iter().filter_map(|summary| summary.matched).map(|kinds| kinds[2]);
    let missing: usize = missing.sum();
    if missing > 0 {
        all.push(format!(
            "The control left out fewer labels than cleaning did: {} found no partner.",
            counted(missing, "removal")
        ));
    }
    all
}

/// Says that the dataset's own division leaks, where it does.
fn leak(report: &StudyReport<'_>, file: Option<&DesignFile>) -> Option<String> {
    let found: Vec<&crate::audit::Finding> =
        report.audit.findings.iter().filter(|finding| finding.rule == "split_leakage").collect();
    if found.is_empty() {
        return None;
    }
    let neighbours = found.iter().filter(|finding| finding.kind == Some(Kind::Neighbour)).count();
    let alike = found.len() - neighbours;
    let mut what = Vec::new();
    if alike > 0 {
        what.push("equal or nearly equal images");
    }
    if neighbours > 0 {
        what.push("neighbouring frames of videos");
    }
    let own = match file.map(|file| file.by.as_str()) {
        Some("video") => ", since it divides whole videos",
        Some(_) => ", since it divides by blocks of time with a gap",
        None => "",
    };
    Some(format!(
        "The dataset's own split leaks: {} stand in two of its parts, so that a test score on it \
         measures memory, too, and is too good. This study did not use it{own}; `labelvet \
         split` makes one that does not leak.",
        what.join(", and ")
    ))
}

fn commands(report: &StudyReport<'_>) -> Vec<[String; 2]> {
    let dataset = shell(&report.study.dataset.path);
    let audit = shell(&report.folder.join("audit").display().to_string());
    // The audit of a study with planted errors is of a dataset that is on no disk.
    let audit = match report.study.facts.planted {
        Some(_) => String::new(),
        None => format!(" --audit {audit}"),
    };
    let verdict = report.outcome.judgement.verdict;
    let mut all = vec![
        [
            "a queue of the worst frames for napari-deeplabcut (or label-studio, cvat, csv)".into(),
            format!("labelvet relabel export {dataset}{audit} --to napari --out relabel"),
        ],
        [
            "a patch that leaves suspect labels out, to read before it is applied".into(),
            format!("labelvet clean plan {dataset}{audit} --out patch.jsonl"),
        ],
        [
            "a cleaned copy; the dataset itself stays as it is".into(),
            format!("labelvet clean apply patch.jsonl {dataset} --out cleaned"),
        ],
        [
            "a training with the stable settings".into(),
            format!("labelvet train {dataset} --preset stable --out run"),
        ],
    ];
    if matches!(verdict, Verdict::Optimiser) {
        all.rotate_right(1);
    }
    if report.audit.findings.iter().any(|finding| finding.rule == "split_leakage") {
        all.push([
            "a split that does not leak".into(),
            format!("labelvet split {dataset} --shuffles 1 --by block --gap 2 --out splits"),
        ]);
    }
    all
}

fn reading_errors(report: &StudyReport<'_>) -> String {
    let mut text = "Mean distance between predictions and labels of the test images; lower is \
                    better. Small dots are shuffles, the large mark their mean, the bar its 95 % \
                    interval. Bars of two arms may overlap although they differ: the same images \
                    are hard for both, which the comparison below takes out."
        .to_owned();
    if let Some(body) = report.study.facts.body_length_px {
        text += &format!(
            " One body length, the median over animals of the greatest distance between two \
             keypoints, is {} px.",
            figure(body)
        );
    }
    if report.study.facts.planted.is_some() {
        text += " Reference labels are the true ones; those as they are hold the planted errors, \
                 also in test images, so that no model can be good by them.";
    }
    text
}

fn reading_effects() -> String {
    format!(
        "The mark is the mean change over shuffles, the bar its 95 % interval, small dots the \
         shuffles; nothing changed lies on the upright line. The grey band is what this study \
         would likely have missed: an effect has to reach its rim to be called significant in 8 of \
         10 studies. Tests are exact (all signs of the differences are flipped) and adjusted for \
         there being four of them (Holm); p of at most 0.05 counts. A comparison with fewer than \
         {LEAST_PAIRS} shuffles has neither p nor band, and what stands below the primary ones has \
         no test. The result is about this dataset only."
    )
}

fn reading_worst(report: &StudyReport<'_>) -> String {
    match report.study.facts.planted {
        None => String::new(),
        Some(_) => format!(
            "Errors that were planted for this study are among them, and your dataset does not \
             have those: before you correct anything, look at what `labelvet audit {} --out audit` \
             finds.",
            shell(&report.study.dataset.path)
        ),
    }
}

fn reading_cleaning(report: &StudyReport<'_>) -> String {
    let mut text = "Means over shuffles, of the labels of the training images; labels of test \
                    images are never changed. Limits hold changes back that would take too many \
                    labels of a keypoint, video or class."
        .to_owned();
    let has = |labels: &Labels| report.study.design.arms.iter().any(|arm| arm.labels == *labels);
    if has(&Labels::Random) {
        text += " The control leaves out partners of the labels that cleaning leaves out: of the \
                 same video, the same keypoint, the same third of sharpness, where there are any.";
    }
    text += if report.study.facts.planted.is_some() {
        " Since errors were planted, it is known which changed labels were wrong and which right \
         (right here means not planted: the dataset's own errors, if any, count as right)."
    } else {
        " How many right labels were probably changed is estimated from the findings' scores."
    };
    text
}

fn reading_luck(report: &StudyReport<'_>) -> String {
    let mut text = String::new();
    if !report.outcome.luck.is_empty() {
        text += "How far the test error scatters for no reason but chance: by which images fall \
                 into which part (the split), and by the random numbers of one training (the \
                 seed). One standard deviation, rough where few seeds were run.";
    }
    let own = report.study.design.jobs().iter().any(|job| job.ramp == Some(RampKind::Common));
    match report.outcome.ramp_noise {
        Some(noise) => {
            text += &format!(
                " The stability margin of ramps that differ by the seed alone scatters by a \
                 factor of {} (one standard deviation, {} degrees of freedom).",
                figure(10_f64.powf(noise.within_sd)),
                noise.within_freedom
            );
        }
        None if own => {
            text += " The noise of ramps is not known: no ramp was repeated.";
        }
        None => {}
    }
    text.trim_start().to_owned()
}
