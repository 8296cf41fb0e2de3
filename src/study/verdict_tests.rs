//! Tests of the verdict: each of the six, and what hurts.

use super::*;
use crate::study::contrast::{Pair, Paired, compare};

/// Eight differences that differ and have a mean of about the given one; `sign` turns one of them.
fn differences(mean: f64) -> Vec<f64> {
    [0.5, 0.7, 0.9, 1.0, 1.1, 1.2, 1.3, 1.3].map(|part| part * mean).to_vec()
}

/// Differences about 0.
const NOTHING: [f64; 8] = [0.02, -0.03, 0.01, -0.02, 0.04, -0.01, 0.03, -0.03];

fn paired(endpoint: Endpoint, contrast: Contrast, differences: &[f64]) -> Paired {
    let pairs = (differences.iter().zip(0..))
        .map(|(&difference, shuffle)| {
            let (treated, control) = match endpoint {
                Endpoint::TestError => (4.0 * difference.exp(), 4.0),
                Endpoint::SpikeRate => (difference + 2.0, 2.0),
                Endpoint::StabilityMargin => (difference - 1.3, -1.3),
            };
            Pair { shuffle, treated, control, censored: false }
        })
        .collect();
    Paired { endpoint, contrast, planned: differences.len(), pairs }
}

/// A study: differences of error and margin from cleaning and from the stable settings.
fn study(labels: [&[f64]; 2], optimiser: [&[f64]; 2]) -> Vec<Paired> {
    use Contrast::{CleanMinusRandom, StableMinusDefault};
    use Endpoint::{SpikeRate, StabilityMargin, TestError};
    vec![
        paired(TestError, CleanMinusRandom, labels[0]),
        paired(SpikeRate, CleanMinusRandom, labels[1]),
        paired(TestError, StableMinusDefault, optimiser[0]),
        paired(StabilityMargin, StableMinusDefault, optimiser[1]),
    ]
}

fn judged(study: &[Paired]) -> Judgement {
    let judgement = judge(&compare(study, 0).expect("contrasts"));
    let sentence = &judgement.sentence;
    assert!(
        sentence.ends_with('.') && !sentence.trim_end_matches('.').contains(". "),
        "{sentence}"
    );
    judgement
}

#[test]
fn whoever_helps_is_to_blame() {
    let (lower, higher) = (differences(-0.2), differences(0.3));
    let fewer = differences(-0.3);
    let found = judged(&study([&NOTHING, &fewer], [&NOTHING, &NOTHING]));
    assert_eq!(found.verdict, Verdict::Labels);
    assert_eq!(
        found.sentence,
        "The labels were to blame: leaving out the suspect labels rather than as many others \
         helped (spikes of the loss \u{2212}0.30 per 1,000 steps, 95 % interval \u{2212}0.38 to \
         \u{2212}0.22 per 1,000 steps, adjusted p = 0.031) and otherwise made no difference beyond chance (test error +0.1 %, where \
         \u{2212}5.1 % would likely have been seen); the stable optimiser settings rather than the \
         default ones made no difference beyond chance (test error +0.1 %, where \u{2212}5.1 % \
         would likely have been seen; highest stable learning rate × 1.00, where × 1.13 would \
         likely have been seen); this holds for this dataset, over 8 random splits of it."
    );
    let found = judged(&study([&NOTHING, &NOTHING], [&lower, &NOTHING]));
    assert_eq!(found.verdict, Verdict::Optimiser);
    let found = judged(&study([&lower, &NOTHING], [&lower, &higher]));
    assert_eq!(found.verdict, Verdict::Both);
}

#[test]
fn what_hurts_is_no_blame_and_is_said() {
    let (higher_error, more_spikes) = (differences(0.2), differences(0.3));
    let found = judged(&study([&higher_error, &NOTHING], [&NOTHING, &NOTHING]));
    assert_eq!(found.verdict, Verdict::NoEvidence);
    assert!(found.sentence.contains("as many others hurt (test error +22 %"), "{}", found.sentence);
    // One endpoint better, the other worse.
    let found = judged(&study([&differences(-0.2), &more_spikes], [&NOTHING, &NOTHING]));
    assert_eq!(found.verdict, Verdict::Labels);
    assert!(found.sentence.contains("helped (test error \u{2212}18 %"), "{}", found.sentence);
    assert!(found.sentence.contains("and hurt (spikes of the loss +0.30 per 1,000"));
}

#[test]
fn a_silent_control_makes_a_study_insensitive() {
    let with = |control: [&[f64]; 2], labels: &[f64]| {
        let mut study = study([labels, &NOTHING], [&NOTHING, &NOTHING]);
        study.push(paired(Endpoint::TestError, Contrast::TruthMinusDirty, control[0]));
        study.push(paired(Endpoint::SpikeRate, Contrast::TruthMinusDirty, control[1]));
        judged(&study)
    };
    let found = with([&NOTHING, &NOTHING], &NOTHING);
    assert_eq!(found.verdict, Verdict::Insensitive);
    assert!(found.sentence.contains("even undoing every planted error (test error +0.1 %"));
    let heard = with([&NOTHING, &differences(-0.3)], &NOTHING);
    assert_eq!(heard.verdict, Verdict::NoEvidence);
    // The wrong way round is no sign that the study can see.
    assert_eq!(with([&NOTHING, &differences(0.3)], &NOTHING).verdict, Verdict::Insensitive);
    // What is significant stands whatever the control, for the better and for the worse.
    assert_eq!(with([&NOTHING, &NOTHING], &differences(-0.2)).verdict, Verdict::Labels);
    assert_eq!(with([&NOTHING, &NOTHING], &differences(0.2)).verdict, Verdict::NoEvidence);
    // Two pairs are no control.
    assert_eq!(with([&NOTHING[..2], &NOTHING[..2]], &NOTHING).verdict, Verdict::NoEvidence);
}

#[test]
fn few_shuffles_only_describe() {
    let two = [-0.1, -0.3];
    let found = judged(&study([&two, &two], [&two, &two]));
    assert_eq!(found.verdict, Verdict::Descriptive);
    assert!(found.sentence.starts_with(
        "This study is too small to tell an effect from luck (2 splits, a verdict needs 8): "
    ));
    assert!(!found.sentence.contains("p ="), "{}", found.sentence);
    // Labels could not be tested: what the optimiser did stands, nothing else may be concluded.
    let found = judged(&study([&two, &two], [&differences(-0.2), &NOTHING]));
    assert_eq!(found.verdict, Verdict::Optimiser);
    assert!(found.sentence.contains("came with what may be luck"), "{}", found.sentence);
    let found = judged(&study([&two, &two], [&NOTHING, &NOTHING]));
    assert_eq!(found.verdict, Verdict::Descriptive);
    assert_eq!(judge(&[]).verdict, Verdict::Descriptive);
}

#[test]
fn only_what_was_asked_is_answered() {
    let all = study([&NOTHING, &NOTHING], [&NOTHING, &NOTHING]);
    let found = judged(&all[2..]);
    assert_eq!(found.verdict, Verdict::NoEvidence);
    assert!(
        found.sentence.starts_with(
            "There is no evidence that the optimiser settings were to blame: the stable"
        )
    );
}

#[test]
fn missing_and_bounded_pairs_are_said() {
    let mut study = study([&NOTHING, &NOTHING], [&NOTHING, &NOTHING]);
    study[1].planned = 10;
    study[3].pairs[2].censored = true;
    let sentence = judged(&study).sentence;
    assert!(sentence.contains("at most 2 splits are left out"), "{sentence}");
    assert!(sentence.contains("in at most 1 split the learning rate"), "{sentence}");
}

#[test]
fn no_number_is_too_large_to_print() {
    assert_eq!(amount(Endpoint::TestError, 1e9), "× inf");
    assert_eq!(amount(Endpoint::TestError, -1e9), "\u{2212}100 %");
    assert_eq!(amount(Endpoint::StabilityMargin, -5.0), "× 1.0e-5");
    assert_eq!(probability(1e-6), "p < 0.001");
}
