//! Confident learning: which examples have a wrong class, by probabilities of a model that was not
//! trained on them.
//!
//! Of the examples labelled i, those are counted as truly j to which the model gives j with at
//! least the mean probability that examples labelled j have for it; of several such j the most
//! probable. That makes the joint distribution of labels and true classes, and of it the noise
//! P(label i | true j). With it, the probability that an example is truly j is
//!
//! ```text
//! P(true j | x, label i) ∝ P(label i | true j) p(j | x)
//! ```
//!
//! p is the model's, sharpened or flattened by the one temperature at which it explains the labels
//! best.
//!
//! # Source
//! Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR
//! 70, 2021: thresholds and counts, equations 1 and 2, joint, equation 3; noise that depends on the
//! class alone, section 2. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section
//! 4.2, for the temperature.

/// An example with its label and the model's probabilities.
#[derive(Debug, Clone, Copy)]
pub(in crate::audit) struct Example<'a> {
    /// Labelled class.
    pub(in crate::audit) label: usize,
    /// One per class; they add up to 1.
    pub(in crate::audit) probabilities: &'a [f64],
}

/// What is thought of an example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) struct Opinion {
    /// Probability that its label is wrong.
    pub(in crate::audit) wrong: f64,
    /// The likeliest other class.
    pub(in crate::audit) instead: usize,
}

/// Shape of the gamma distribution around 1 of how much more often than on average one class is
/// labelled as another: of a rare class a few examples tell little.
///
/// # Source
/// DuMouchel, "Bayesian data mining in large frequency tables", American Statistician 53, 1999,
/// who shrinks observed over expected counts so; an exponential distribution is the plainest.
const SHRINKAGE: f64 = 1.0;
/// Least probability: a model that excludes a class has not seen everything.
const LEAST: f64 = 1e-6;
/// Temperatures that are tried: powers of 2 from the square root of 1/16 on.
const TEMPERATURES: i32 = 17;

/// Returns an opinion on each example; none on those whose label the model never gives, since it
/// does not know that class, and none where there is one class alone.
pub(in crate::audit) fn opinions(examples: &[Example<'_>], classes: usize) -> Vec<Option<Opinion>> {
    // Classes that no example is labelled as, or that the model never gives, tell nothing.
    let known: Vec<usize> = (thresholds(examples, classes).iter().enumerate())
        .filter(|(_, threshold)| threshold.is_some_and(|threshold| threshold > LEAST))
        .map(|(class, _)| class)
        .collect();
    if known.len() < 2 {
        return vec![None; examples.len()];
    }
    let restricted: Vec<Option<(usize, Vec<f64>)>> =
        examples.iter().map(|example| restricted(example, &known)).collect();
    let judged: Vec<Example<'_>> = (restricted.iter().flatten())
        .map(|(label, probabilities)| Example { label: *label, probabilities })
        .collect();
    let noise = noise(&judged, &thresholds(&judged, known.len()));
    let temperature = temperature(&judged, &noise);
    let judge = |(label, probabilities): &(usize, Vec<f64>)| {
        let p = tempered(probabilities, temperature);
        let shares: Vec<f64> = noise[*label].iter().zip(p).map(|(noise, p)| noise * p).collect();
        let sum: f64 = shares.iter().sum();
        let others = (0..known.len()).filter(|class| class != label);
        let instead = others.max_by(|&a, &b| shares[a].total_cmp(&shares[b]).then(b.cmp(&a)))?;
        Some(Opinion { wrong: 1.0 - shares[*label] / sum, instead: known[instead] })
    };
    restricted.iter().map(|example| judge(example.as_ref()?)).collect()
}

/// Returns the label and the probabilities of an example among known classes alone; `None` where
/// its label is none of them.
fn restricted(example: &Example<'_>, known: &[usize]) -> Option<(usize, Vec<f64>)> {
    let label = known.iter().position(|&class| class == example.label)?;
    let kept: Vec<f64> = known.iter().map(|&class| example.probabilities[class]).collect();
    let sum: f64 = kept.iter().sum();
    // Where the model gives all to other classes, it does not know these apart.
    let even = 1.0 / known.len() as f64;
    Some((label, kept.into_iter().map(|p| if sum > 0.0 { p / sum } else { even }).collect()))
}

/// Returns the mean probability that the examples of each class have for it, `None` of no
/// examples: t_j of equation 2.
fn thresholds(examples: &[Example<'_>], classes: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); classes];
    for example in examples {
        let (sum, count) = &mut sums[example.label];
        *sum += example.probabilities[example.label];
        *count += 1.0;
    }
    sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum / count)).collect()
}

/// Returns P(label i | true j) at `[i][j]`, of the confident joint.
fn noise(examples: &[Example<'_>], thresholds: &[Option<f64>]) -> Vec<Vec<f64>> {
    let classes = thresholds.len();
    let mut counts = vec![vec![0.0; classes]; classes];
    let mut labelled = vec![0.0; classes];
    for example in examples {
        labelled[example.label] += 1.0;
        let p = example.probabilities;
        let confident =
            (0..classes).filter(|&j| thresholds[j].is_some_and(|threshold| p[j] >= threshold));
        if let Some(j) = confident.max_by(|&a, &b| p[a].total_cmp(&p[b]).then(b.cmp(&a))) {
            counts[example.label][j] += 1.0;
        }
    }
    for (i, row) in counts.iter_mut().enumerate() {
        // Rows add up to the number of labels, as in equation 3.
        let sum: f64 = row.iter().sum();
        if sum > 0.0 {
            row.iter_mut().for_each(|count| *count *= labelled[i] / sum);
        } else {
            row[i] = labelled[i];
        }
    }
    let right: f64 = (0..classes).map(|i| counts[i][i]).sum();
    let wrong = (examples.len() as f64 - right + 1.0) / (examples.len() as f64 + 2.0);
    for j in 0..classes {
        let truly: f64 = counts.iter().map(|row| row[j]).sum();
        for (i, row) in counts.iter_mut().enumerate() {
            let share = if i == j { 1.0 - wrong } else { wrong / (classes - 1) as f64 };
            row[j] = share * (row[j] + SHRINKAGE) / (truly * share + SHRINKAGE);
        }
        let sum: f64 = counts.iter().map(|row| row[j]).sum();
        counts.iter_mut().for_each(|row| row[j] /= sum);
    }
    counts
}

/// Returns the temperature at which the labels are likeliest.
fn temperature(examples: &[Example<'_>], noise: &[Vec<f64>]) -> f64 {
    let likelihood = |temperature: f64| -> f64 {
        let of = |example: &Example<'_>| {
            let p = tempered(example.probabilities, temperature);
            noise[example.label].iter().zip(p).map(|(noise, p)| noise * p).sum::<f64>().ln()
        };
        examples.iter().map(of).sum()
    };
    let tried = (0..TEMPERATURES).map(|at| 2.0_f64.powf(f64::from(at) / 4.0 - 2.0));
    let scored = tried.map(|temperature| (likelihood(temperature), temperature));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(1.0, |(_, temperature)| temperature)
}

/// Returns probabilities to the power of 1 / temperature, made to add up to 1.
fn tempered(probabilities: &[f64], temperature: f64) -> Vec<f64> {
    let powers: Vec<f64> =
        probabilities.iter().map(|p| p.max(LEAST).powf(1.0 / temperature)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    /// Labels, true classes and probabilities of three classes; one label in `every` is wrong.
    fn drawn(count: usize, every: usize, power: f64) -> Vec<(usize, usize, Vec<f64>)> {
        let mut random = SplitMix64::named("confident", 5);
        (0..count)
            .map(|at| {
                let truth = random.below(3) as usize;
                let weights: Vec<f64> = (0..3)
                    .map(|j| {
                        (if j == truth { 3.0 } else { 0.0 } + random.normal()).exp().powf(power)
                    })
                    .collect();
                let sum: f64 = weights.iter().sum();
                let label = if at % every == 0 { (truth + 1) % 3 } else { truth };
                (label, truth, weights.into_iter().map(|weight| weight / sum).collect())
            })
            .collect()
    }

    fn judged(drawn: &[(usize, usize, Vec<f64>)]) -> Vec<Option<Opinion>> {
        let examples: Vec<Example<'_>> = (drawn.iter())
            .map(|(label, _, p)| Example { label: *label, probabilities: p })
            .collect();
        opinions(&examples, 3)
    }

    #[test]
    fn wrong_labels_are_found_whatever_the_temperature_of_the_model() {
        for power in [0.4, 1.0, 2.5] {
            let drawn = drawn(900, 15, power);
            let (mut found, mut alarms) = (0, 0);
            for ((label, truth, _), opinion) in drawn.iter().zip(judged(&drawn)) {
                let opinion = opinion.expect("all classes are known");
                match (opinion.wrong > 0.5, label == truth) {
                    (true, false) => {
                        found += 1;
                        assert_eq!(opinion.instead, *truth);
                    }
                    (true, true) => alarms += 1,
                    _ => {}
                }
            }
            assert!(found >= 48 && alarms <= 8, "{power}: {found} of 60, {alarms} false");
        }
    }

    #[test]
    fn noise_is_the_share_of_labels_of_a_true_class() {
        let sure = |class: usize| -> Vec<f64> {
            (0..3).map(|j| if j == class { 0.9 } else { 0.05 }).collect()
        };
        // Of 100 examples of class 0, 20 are labelled 1.
        let all: Vec<(usize, Vec<f64>)> =
            (0..300).map(|at| (if at < 20 { 1 } else { at / 100 }, sure(at / 100))).collect();
        let examples: Vec<Example<'_>> =
            all.iter().map(|(label, p)| Example { label: *label, probabilities: p }).collect();
        let noise = noise(&examples, &thresholds(&examples, 3));
        assert!((0.14..0.22).contains(&noise[1][0]) && noise[2][0] < 0.02, "{noise:?}");
        for j in 0..3 {
            let sum: f64 = noise.iter().map(|row| row[j]).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn classes_that_the_model_does_not_know_are_not_judged() {
        let p = [0.5, 0.5, 0.0];
        let example = |label| Example { label, probabilities: &p };
        let found = opinions(&[example(0), example(1), example(2)], 3);
        assert!(found[0].is_some() && found[1].is_some());
        assert_eq!(found[2], None);
        assert_eq!(opinions(&[example(0)], 3), [None]);
    }
}
