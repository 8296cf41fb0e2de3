//! Names, numbers and effects in words that a biologist reads.

use crate::study::contrast::{Contrast, Endpoint};
use crate::study::design::{Arm, Labels};
use crate::study::jobs::COMMON;

/// Returns a number with three significant digits, the sign a real minus; `–` of what is not
/// finite.
pub(in crate::report) fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let size = value.abs();
    let text = if size >= 1e6 || (size > 0.0 && size < 1e-4) {
        format!("{value:.1e}")
    } else if size >= 1000.0 {
        let whole = crate::page::text::count(size.round() as usize);
        if value < 0.0 { format!("-{whole}") } else { whole }
    } else {
        let digits = match size {
            0.0 => 0,
            _ => (2 - size.log10().floor() as i32).clamp(0, 6) as usize,
        };
        let text = format!("{value:.digits$}");
        // Zeros after the point say nothing to people who read a table.
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    if text == "-0" { "0".into() } else { text.replace('-', "\u{2212}") }
}

/// Returns a number where there is one.
pub(super) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), figure)
}

/// Returns an interval, where there is one.
pub(super) fn interval(low: Option<f64>, high: Option<f64>) -> String {
    match low.zip(high) {
        Some((low, high)) => format!("{} to {}", figure(low), figure(high)),
        None => "–".into(),
    }
}

/// Returns a share, 0 to 1, as a percentage.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{} %", figure(100.0 * share)) } else { "–".into() }
}

/// Returns a p-value.
pub(super) fn probability(p: Option<f64>) -> String {
    match p {
        None => "not tested".into(),
        Some(p) if p < 0.001 => "< 0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}

/// Returns a difference at an endpoint as a change of what was measured: per cent of the error,
/// spikes per 1,000 steps, a factor of the learning rate.
pub(in crate::report) fn amount(endpoint: Endpoint, difference: f64) -> String {
    let factor = endpoint.effect(difference);
    match endpoint {
        Endpoint::SpikeRate => {
            let sign = if difference > 0.0 { "+" } else { "" };
            format!("{sign}{} per 1,000 steps", figure(difference))
        }
        Endpoint::TestError if factor < 10.0 => {
            let percent = figure(100.0 * (factor - 1.0));
            let sign = if difference > 0.0 && percent != "0" { "+" } else { "" };
            format!("{sign}{percent} %")
        }
        _ => format!("× {}", figure(factor)),
    }
}

/// Returns what an endpoint is called.
pub(super) fn endpoint_words(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::TestError => "test error",
        Endpoint::SpikeRate => "spikes of the loss",
        Endpoint::StabilityMargin => "stability margin",
    }
}

/// Returns the two arms or optimisers of a contrast, the first less the second.
pub(in crate::report) fn contrast_words(contrast: Contrast) -> &'static str {
    match contrast {
        Contrast::CleanMinusRandom => "clean − random",
        Contrast::StableMinusDefault => "stable − default",
        Contrast::TruthMinusDirty => "truth − dirty",
        Contrast::CleanMinusDirty => "clean − dirty",
        Contrast::FixedMinusDirty => "fixed − dirty",
    }
}

/// Says what a contrast asks.
pub(super) fn question(contrast: Contrast) -> &'static str {
    match contrast {
        Contrast::CleanMinusRandom => {
            "does leaving out suspect labels help more than leaving out as many others?"
        }
        Contrast::StableMinusDefault => "do the stable settings help, on the labels as they are?",
        Contrast::TruthMinusDirty => {
            "positive control: does undoing every planted error show at all?"
        }
        Contrast::CleanMinusDirty => "suspect labels left out, against labels as they are",
        Contrast::FixedMinusDirty => "suspect labels mended, against labels as they are",
    }
}

/// Says what the labels of an arm are.
pub(super) fn arm_words(arm: &Arm, planted: bool) -> String {
    let mut words = match &arm.labels {
        Labels::Dirty if planted => "the labels as they are, planted errors included".to_owned(),
        Labels::Dirty => "the labels as they are".to_owned(),
        Labels::Clean => "labels that the audit suspects are left out".to_owned(),
        Labels::Random => {
            "as many labels that it does not suspect are left out, drawn by chance: the control, \
             since any removal changes something"
                .to_owned()
        }
        Labels::Fixed => {
            "suspect labels are mended where that is possible, else left out".to_owned()
        }
        Labels::Truth => {
            "planted errors are undone: the positive control, the best that cleaning could do"
                .to_owned()
        }
        Labels::Other(name) => format!("the labels of the version called {name}"),
    };
    if arm.fraction < 1.0 {
        words += &format!(", {} of the training images only", percent(arm.fraction));
    }
    if let Some(count) = arm.keypoints {
        words += &format!(", the first {count} keypoints only");
    }
    words
}

/// Returns the name of an optimiser in tables of ramps.
pub(super) fn arm_name(arm: &str, optimiser: &str) -> String {
    match optimiser {
        COMMON => format!("{arm}, common recipe"),
        own => format!("{arm}, {own}"),
    }
}

/// Returns a measure in words, with its unit.
pub(super) fn measure_words(measure: &str) -> &str {
    match measure {
        "error_px" => "mean test error, px",
        "error_px_median" => "median test error, px",
        "error_bl" => "mean test error, body lengths",
        "error_px_as_labelled" => "mean test error against the labels as they are, px",
        "pck_0_1" => "share of test points within 0.1 body lengths (PCK)",
        "oks_map" => "OKS mAP, 0 to 1",
        "likelihood_below_0_001" => "share of test predictions with a likelihood below 0.001",
        "excursion" => "largest rise of the probe loss over its least value so far, factor",
        "spikes_2x" => "batches above 2 times the level, per 1,000",
        "spikes_5x" => "batches above 5 times the level, per 1,000",
        "steps_lost" => "steps lost to skipping and rollbacks",
        "non_finite" => "values that were not finite",
        "rollbacks" => "rollbacks",
        "failed" => "share of runs that failed",
        "grad_norm_p99_p50" => "gradient norm, 99th percentile over median",
        "log_loss_roughness" => "roughness of the log loss",
        "log_error_px" => "natural log of the mean test error",
        other => other,
    }
}

/// Returns the title of a rule; its slug in words where it is none of labelvet's own.
pub(in crate::report) fn rule_title(rules: &[crate::audit::Rule], slug: &str) -> String {
    let own = rules.iter().find(|rule| rule.slug == slug);
    own.map_or_else(|| slug.replace('_', " "), |rule| rule.spec.title.clone())
}

/// Returns a word as a shell takes it.
pub(super) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=~".contains(c);
    if !word.is_empty() && !word.starts_with('~') && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_no_idle_zeros() {
        let shown = [0.0, 12.3456, 0.00123, 1234.5, -0.5, 3e7, 99.96, f64::NAN, -2e-9].map(figure);
        assert_eq!(
            shown,
            ["0", "12.3", "0.00123", "1,235", "−0.5", "3.0e7", "100", "–", "−2.0e−9"]
        );
    }

    #[test]
    fn effects_are_changes_of_what_was_measured() {
        assert_eq!(amount(Endpoint::TestError, 0.9_f64.ln()), "−10 %");
        assert_eq!(amount(Endpoint::TestError, 1.25_f64.ln()), "+25 %");
        assert_eq!(amount(Endpoint::TestError, 0.0), "0 %");
        assert_eq!(amount(Endpoint::TestError, 40_f64.ln()), "× 40");
        assert_eq!(amount(Endpoint::StabilityMargin, 2.3_f64.log10()), "× 2.3");
        assert_eq!(amount(Endpoint::SpikeRate, -1.1), "−1.1 per 1,000 steps");
    }

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(shell("/data/mice-1"), "/data/mice-1");
        assert_eq!(shell("/my data/it's"), r"'/my data/it'\''s'");
        assert_eq!(shell("~x"), "'~x'");
    }
}
