//! What to do next, in plain sentences: what follows from a study's figures, and no more.

use super::contrast::{Contrast, Endpoint, Outcome as Found};
use super::design::{Design, VERDICT_SHUFFLES};
use super::outcome::Outcome;
use super::verdict::Verdict;

/// Labels of the dataset that look wrong, as far as advice depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspects {
    /// The audit of the whole dataset suspects none.
    None,
    /// It suspects some.
    Found,
    /// Errors were planted: whoever corrects what is found corrects those.
    Planted,
}

/// Returns sentences for people who train networks to study animals.
pub(super) fn advice(design: &Design, outcome: &Outcome, suspects: Suspects) -> Vec<String> {
    let mut advice = vec![about_labels(outcome.judgement.verdict, suspects).to_owned()];
    advice.extend(about_training(design, outcome));
    advice
}

fn about_labels(verdict: Verdict, suspects: Suspects) -> &'static str {
    match (suspects, verdict) {
        (Suspects::Planted, _) => {
            "The errors were planted, in a copy: your own labels are unchanged. Run the study \
             without --errors to learn about those."
        }
        (Suspects::None, _) => {
            "The audit suspects no label of this dataset, so there is none to correct by it; wrong \
             labels that look likely escape it."
        }
        (Suspects::Found, Verdict::Labels | Verdict::Both) => {
            "Go through the worst labels below and correct them: `labelvet relabel export` makes a \
             queue for the labelling tool, `labelvet clean plan` a patch that leaves them out."
        }
        (Suspects::Found, Verdict::Descriptive | Verdict::Insensitive) => {
            "Look at the labels below first: they are the likeliest to be wrong. Whether they \
             matter to training, this study cannot tell."
        }
        (Suspects::Found, Verdict::Optimiser | Verdict::NoEvidence) => {
            "The labels below are the likeliest to be wrong: correct them where they are, though \
             leaving suspect labels out made no difference beyond chance here."
        }
    }
}

fn about_training(design: &Design, outcome: &Outcome) -> Vec<String> {
    let mut advice = Vec::new();
    let verdict = outcome.judgement.verdict;
    if matches!(verdict, Verdict::Optimiser | Verdict::Both) {
        advice.push(
            "Train with `labelvet train --preset stable`, or set its warm-up, batch size, clipping \
             and learning rate in your own trainer."
                .to_owned(),
        );
    }
    match verdict {
        Verdict::Descriptive => advice.push(format!(
            "Run the study with {VERDICT_SHUFFLES} or more shuffles before acting on a difference \
             seen here: {} {} too few to tell it from luck.",
            design.shuffles,
            if design.shuffles == 1 { "is" } else { "are" },
        )),
        Verdict::Insensitive => advice.push(
            "Give the study more to see by: more images per run (--images), larger ones (--size), \
             more shuffles."
                .to_owned(),
        ),
        Verdict::NoEvidence => {
            let smallest = outcome
                .contrasts
                .iter()
                .filter(|result| {
                    result.contrast == Contrast::CleanMinusRandom
                        && result.endpoint == Endpoint::TestError
                        && result.outcome() == Found::Unclear
                })
                .find_map(|result| result.minimum_detectable);
            if let Some(smallest) = smallest {
                advice.push(format!(
                    "An effect of the labels on the test error below {:.0} % could not have been \
                     seen; if one that small matters to you, run more shuffles.",
                    100.0 * (smallest.exp() - 1.0)
                ));
            }
        }
        Verdict::Labels | Verdict::Optimiser | Verdict::Both => {}
    }
    let seed = outcome.luck.iter().map(|luck| luck.spread.within_sd).fold(0.0, f64::max);
    let split = outcome.luck.iter().filter_map(|luck| luck.spread.between_sd).fold(0.0, f64::max);
    if seed > 0.0 && split > 2.0 * seed {
        advice.push(
            "How frames fall into training and test parts matters more than the seed: compare \
             models on the same split only, and label more varied frames."
                .to_owned(),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_spoken_of_only_where_some_are_suspected() {
        let verdicts = [Verdict::Labels, Verdict::Optimiser, Verdict::Descriptive];
        for verdict in verdicts {
            assert!(about_labels(verdict, Suspects::Found).contains("below"));
            assert!(!about_labels(verdict, Suspects::None).contains("below"));
            assert!(about_labels(verdict, Suspects::Planted).contains("--errors"));
        }
    }
}
