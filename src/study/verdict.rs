//! The verdict of a study: were the labels, the optimiser or luck to blame?
//!
//! Takes the results of contrasts; gives one of six verdicts and one sentence for people who train
//! networks to study animals, not networks. Claims nothing that was not tested.
//!
//! # Direction
//! Tests are two-sided, blame is not: labels are to blame only where cleaning made something
//! *better*, the optimiser only where the stable settings did. A significant change for the worse
//! is never a verdict of its own, and never kept quiet: the sentence says that it hurt.

use serde::Serialize;

use super::contrast::{Contrast, ContrastResult, Endpoint, LEAST_PAIRS, Outcome};

/// What a study concludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Cleaning made an endpoint significantly better, the stable settings none.
    Labels,
    /// The stable settings made an endpoint significantly better, cleaning none.
    Optimiser,
    /// Each did.
    Both,
    /// Neither did.
    NoEvidence,
    /// Nothing was significant, and the true labels made nothing better either: the study could
    /// not have told.
    Insensitive,
    /// Too few pairs to test what was asked.
    Descriptive,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// One plain sentence with its figures.
    pub sentence: String,
}

/// Judges a study by its contrasts.
///
/// 1. Cleaning better, stable settings better: [`Verdict::Both`]; one of them:
///    [`Verdict::Labels`] or [`Verdict::Optimiser`].
/// 2. Else, where a primary contrast was asked for and none of its endpoints could be tested, or
///    none was asked for: [`Verdict::Descriptive`].
/// 3. Else, where nothing is significant, there is a positive control of at least 8 pairs, and at
///    no endpoint its whole 95 % interval is on the better side: [`Verdict::Insensitive`].
/// 4. Else [`Verdict::NoEvidence`].
pub fn judge(results: &[ContrastResult]) -> Judgement {
    let labels = Question::new(results, Contrast::CleanMinusRandom);
    let optimiser = Question::new(results, Contrast::StableMinusDefault);
    let control = Question::new(results, Contrast::TruthMinusDirty);
    let untested = |question: &Question<'_>| question.is_asked() && !question.is_tested();
    let is_asked = labels.is_asked() || optimiser.is_asked();
    let is_hurt = labels.has(Outcome::Worse) || optimiser.has(Outcome::Worse);
    let verdict = match (labels.has(Outcome::Better), optimiser.has(Outcome::Better)) {
        (true, true) => Verdict::Both,
        (true, false) => Verdict::Labels,
        (false, true) => Verdict::Optimiser,
        _ if !is_asked || untested(&labels) || untested(&optimiser) => Verdict::Descriptive,
        _ if !is_hurt && control.is_silent_control() => Verdict::Insensitive,
        _ => Verdict::NoEvidence,
    };
    let questions = [labels, optimiser];
    let opening = match verdict {
        Verdict::Both => "Labels and optimiser were both to blame".to_string(),
        Verdict::Labels => "The labels were to blame".to_string(),
        Verdict::Optimiser => "The optimiser settings were to blame".to_string(),
        Verdict::NoEvidence => {
            format!("There is no evidence that {} to blame", suspects(&questions))
        }
        Verdict::Insensitive => format!(
            "This study could not tell, because even undoing every planted error ({}) made \
             nothing better beyond chance",
            control.figures()
        ),
        Verdict::Descriptive => descriptive_opening(&questions),
    };
    let mut parts: Vec<String> =
        questions.iter().filter(|question| question.is_asked()).map(Question::clause).collect();
    if parts.is_empty() {
        parts.push("no primary contrast was asked for".into());
    }
    parts.extend(counted(&questions));
    Judgement { verdict, sentence: format!("{opening}: {}.", parts.join("; ")) }
}

fn suspects(questions: &[Question<'_>; 2]) -> &'static str {
    match (questions[0].is_asked(), questions[1].is_asked()) {
        (true, false) => "the labels were",
        (false, true) => "the optimiser settings were",
        _ => "the labels or the optimiser settings were",
    }
}

fn descriptive_opening(questions: &[Question<'_>; 2]) -> String {
    let untested = questions.iter().filter(|question| !question.is_tested());
    match untested.flat_map(|question| &question.results).map(|result| result.n).max() {
        Some(n) => format!(
            "This study is too small to tell an effect from luck ({}, a verdict needs \
             {LEAST_PAIRS})",
            splits(n)
        ),
        None => "This study only describes".into(),
    }
}

/// Returns what to know of the pairs behind the figures.
fn counted(questions: &[Question<'_>; 2]) -> Vec<String> {
    let results = || questions.iter().flat_map(|question| &question.results);
    let most = |of: fn(&ContrastResult) -> usize| results().map(|result| of(result)).max();
    let mut parts = Vec::new();
    if results().any(|result| result.p.is_some()) {
        let pairs = || results().map(|result| result.n);
        let (least, most) = (pairs().min().unwrap_or(0), pairs().max().unwrap_or(0));
        let splits = if least == most { most.to_string() } else { format!("{least} to {most}") };
        parts.push(format!("this holds for this dataset, over {splits} random splits of it"));
    }
    if let Some(missing) = most(|result| result.missing).filter(|&missing| missing > 0) {
        parts.push(format!("at most {} left out since a run has no result", splits_are(missing)));
    }
    if let Some(censored) = most(|result| result.censored).filter(|&censored| censored > 0) {
        parts.push(format!(
            "in at most {} the learning rate is only a bound, since the ramp did not meet the \
             point of divergence",
            splits(censored)
        ));
    }
    parts
}

fn splits(count: usize) -> String {
    format!("{count} {}", if count == 1 { "split" } else { "splits" })
}

fn splits_are(count: usize) -> String {
    format!("{} {}", splits(count), if count == 1 { "is" } else { "are" })
}

/// The results of one contrast at its endpoints.
struct Question<'a> {
    contrast: Contrast,
    results: Vec<&'a ContrastResult>,
}

impl<'a> Question<'a> {
    fn new(results: &'a [ContrastResult], contrast: Contrast) -> Self {
        let judged = contrast.endpoints();
        let mut results: Vec<_> = (results.iter())
            .filter(|result| result.contrast == contrast && judged.contains(&result.endpoint))
            .collect();
        results.sort_by_key(|result| result.endpoint);
        Question { contrast, results }
    }

    fn is_asked(&self) -> bool {
        !self.results.is_empty()
    }

    fn is_tested(&self) -> bool {
        self.results.iter().any(|result| result.outcome() != Outcome::Untested)
    }

    fn has(&self, outcome: Outcome) -> bool {
        self.results.iter().any(|result| result.outcome() == outcome)
    }

    /// Returns whether this is a positive control that was large enough to show something, and
    /// did not.
    fn is_silent_control(&self) -> bool {
        self.results.iter().any(|result| result.n >= LEAST_PAIRS)
            && !self.results.iter().any(|result| result.interval_is_better())
    }

    /// Returns what is done in the first arm.
    fn treatment(&self) -> &'static str {
        match self.contrast {
            Contrast::CleanMinusRandom => {
                "leaving out the suspect labels rather than as many others"
            }
            Contrast::StableMinusDefault => {
                "the stable optimiser settings rather than the default ones"
            }
            Contrast::TruthMinusDirty => "the true labels rather than those with errors",
            Contrast::CleanMinusDirty => "leaving out the suspect labels",
            Contrast::FixedMinusDirty => "mending the suspect labels",
        }
    }

    /// Returns what came of it, significant figures first.
    fn clause(&self) -> String {
        let of = |outcome: Outcome| -> Vec<String> {
            let results = self.results.iter().filter(|result| result.outcome() == outcome);
            results.map(|result| figure(result)).collect()
        };
        let (better, worse) = (of(Outcome::Better), of(Outcome::Worse));
        let (unclear, untested) = (of(Outcome::Unclear), of(Outcome::Untested));
        let mut said = Vec::new();
        if !better.is_empty() {
            said.push(format!("helped ({})", better.join("; ")));
        }
        if !worse.is_empty() {
            said.push(format!("hurt ({})", worse.join("; ")));
        }
        if !unclear.is_empty() {
            let what = if said.is_empty() { "made" } else { "otherwise made" };
            said.push(format!("{what} no difference beyond chance ({})", unclear.join("; ")));
        }
        if !untested.is_empty() {
            said.push(format!("came with what may be luck ({})", untested.join("; ")));
        }
        format!("{} {}", self.treatment(), said.join(" and "))
    }

    fn figures(&self) -> String {
        self.results.iter().map(|result| figure(result)).collect::<Vec<_>>().join("; ")
    }
}

/// Returns an effect in words: in per cent of the error, in spikes per 1,000 steps, or as a factor of
/// the learning rate. With
/// interval and p where it is significant, its interval where it is the control's, with the effect
/// that would have been seen where it is not significant.
fn figure(result: &ContrastResult) -> String {
    let name = name(result.endpoint);
    let Some(estimate) = result.estimate else {
        return format!("{name} not known");
    };
    let amount = |difference: f64| amount(result.endpoint, difference);
    let found = format!("{name} {}", amount(estimate));
    let interval = || match (result.ci_low, result.ci_high) {
        (Some(low), Some(high)) => {
            let unit = " per 1,000 steps";
            let low = amount(low);
            let low = low.strip_suffix(unit).unwrap_or(&low);
            format!(", 95 % interval {low} to {}", amount(high))
        }
        _ => String::new(),
    };
    match (result.outcome(), result.minimum_detectable, result.p_holm) {
        (Outcome::Unclear, Some(smallest), _) => {
            let better = match result.endpoint {
                Endpoint::TestError | Endpoint::SpikeRate => -smallest,
                Endpoint::StabilityMargin => smallest,
            };
            format!("{found}, where {} would likely have been seen", amount(better))
        }
        (_, _, Some(p)) => format!("{found}{}, adjusted {}", interval(), probability(p)),
        _ if result.contrast.is_primary_at(result.endpoint) => found,
        _ => format!("{found}{}", interval()),
    }
}

fn name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::TestError => "test error",
        Endpoint::SpikeRate => "spikes of the loss",
        Endpoint::StabilityMargin => "highest stable learning rate",
    }
}

fn amount(endpoint: Endpoint, difference: f64) -> String {
    let factor = endpoint.effect(difference);
    match endpoint {
        Endpoint::SpikeRate => format!("{difference:+.2} per 1,000 steps").replace('-', "\u{2212}"),
        Endpoint::TestError if factor < 10.0 => {
            let percent = 100.0 * (factor - 1.0);
            let text = if percent.abs() < 9.95 {
                format!("{percent:+.1} %")
            } else {
                format!("{percent:+.0} %")
            };
            text.replace('-', "\u{2212}")
        }
        _ if (0.01..1000.0).contains(&factor) => format!("× {factor:.2}"),
        _ => format!("× {factor:.1e}"),
    }
}

fn probability(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {p:.3}") }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
