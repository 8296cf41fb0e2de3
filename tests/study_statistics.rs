//! Whole studies, simulated: how often nothing is called something, and something is found.

use labelvet::stats::random::SplitMix64;
use labelvet::study::contrast::{Contrast, Endpoint, Outcome, Pair, Paired, compare};
use labelvet::study::verdict::{Verdict, judge};

/// Correlation of the two endpoints of a contrast.
const CORRELATION: f64 = 0.6;

/// The four primary contrasts.
const PRIMARY: [(Contrast, Endpoint); 4] = [
    (Contrast::CleanMinusRandom, Endpoint::TestError),
    (Contrast::CleanMinusRandom, Endpoint::SpikeRate),
    (Contrast::StableMinusDefault, Endpoint::TestError),
    (Contrast::StableMinusDefault, Endpoint::StabilityMargin),
];

type Draw = fn(&mut SplitMix64) -> f64;

fn student3(random: &mut SplitMix64) -> f64 {
    let squares: f64 = (0..3).map(|_| random.normal().powi(2)).sum();
    random.normal() / (squares / 3.0).sqrt()
}

/// Each arm is skewed, their difference symmetric.
fn skewed_arms(random: &mut SplitMix64) -> f64 {
    random.normal().exp() - random.normal().exp()
}

/// Rounded to one decimal: many ties and zeros.
fn coarse(random: &mut SplitMix64) -> f64 {
    random.normal().round() / 10.0
}

/// Draws a study in which a contrast's differences are `draw`, correlated between endpoints by a
/// part that they share, plus the effects of the contrasts.
fn study(random: &mut SplitMix64, shuffles: u32, draw: Draw, effects: [f64; 4]) -> Vec<Paired> {
    let mut study: Vec<Paired> = PRIMARY
        .map(|(contrast, endpoint)| Paired {
            endpoint,
            contrast,
            planned: shuffles as usize,
            pairs: Vec::new(),
        })
        .to_vec();
    let (common, own) = (CORRELATION.sqrt(), (1.0 - CORRELATION).sqrt());
    for shuffle in 0..shuffles {
        for contrast in 0..2 {
            let shared = draw(random);
            for place in [2 * contrast, 2 * contrast + 1] {
                let difference = effects[place] + common * shared + own * draw(random);
                let (treated, control) = match PRIMARY[place].1 {
                    Endpoint::TestError => (5.0 * difference.exp(), 5.0),
                    Endpoint::SpikeRate => (difference + 1.0, 1.0),
                    Endpoint::StabilityMargin => (difference - 1.5, -1.5),
                };
                study[place].pairs.push(Pair { shuffle, treated, control, censored: false });
            }
        }
    }
    study
}

/// Returns the share of studies with at least one significant contrast.
fn family_wise(name: &str, shuffles: u32, draw: Draw, studies: u32) -> f64 {
    let mut random = SplitMix64::named(name, u64::from(shuffles));
    let rejects = |_: &u32| {
        let found = compare(&study(&mut random, shuffles, draw, [0.0; 4]), 0).expect("a study");
        assert!(found.iter().all(|result| result.outcome() != Outcome::Untested));
        found.iter().any(|result| result.outcome() != Outcome::Unclear)
    };
    f64::from((0..studies).filter(rejects).count() as u32) / f64::from(studies)
}

/// Of studies in which nothing has an effect at most 6 % say otherwise, at a nominal 5 %. With 8
/// shuffles four independent tests reject in 3.1 % at most, with 10 in 4.6 %.
#[test]
fn null_studies_reject_seldom() {
    let kinds: [(&str, Draw); 4] = [
        ("normal", SplitMix64::normal),
        ("t3", student3),
        ("skewed arms", skewed_arms),
        ("coarse", coarse),
    ];
    for (kind, draw) in kinds {
        for shuffles in [8, 10] {
            let share = family_wise(kind, shuffles, draw, 2000);
            println!("{kind}, {shuffles} shuffles: {:.1} % of null studies reject", 100.0 * share);
            assert!(share <= 0.06, "{kind}, {shuffles}: {share}");
            // A test that never rejects would pass the above.
            assert!(share >= 0.005 || kind == "coarse", "{kind}, {shuffles}: {share}");
        }
    }
}

/// An effect of two standard deviations of the paired difference in one contrast. With 8 shuffles
/// all eight signs must agree: Φ(2)⁸ = 0.832.
#[test]
fn two_standard_deviations_are_found() {
    for (shuffles, least) in [(8, 0.80), (10, 0.97)] {
        let mut random = SplitMix64::named("effect", u64::from(shuffles));
        let (mut found, mut blamed) = (0, 0);
        let studies = 2000;
        for _ in 0..studies {
            // An error of e⁻² times the other, for the better.
            let study = study(&mut random, shuffles, SplitMix64::normal, [-2.0, 0.0, 0.0, 0.0]);
            let results = compare(&study, 0).expect("a study");
            found += u32::from(results[0].outcome() == Outcome::Better);
            blamed += u32::from(judge(&results).verdict == Verdict::Labels);
        }
        let [found, blamed] = [found, blamed].map(|count| f64::from(count) / f64::from(studies));
        println!("{shuffles} shuffles: found in {:.1} %", 100.0 * found);
        assert!(found >= least, "{shuffles}: {found}");
        // All but those in which something else is significant by chance.
        assert!(blamed >= found - 0.04, "{shuffles}: {blamed}");
    }
}

/// The smallest effect that a study says it would have seen is found in about four of five
/// studies, whatever the scatter, which each study must estimate from its own few differences.
#[test]
fn the_smallest_effect_is_what_it_says() {
    for shuffles in [8, 10] {
        let mut random = SplitMix64::named("smallest", u64::from(shuffles));
        let stated: Vec<f64> = (0..400)
            .map(|_| {
                let study = study(&mut random, shuffles, SplitMix64::normal, [0.0; 4]);
                compare(&study, 0).expect("a study")[0].minimum_detectable.expect("tested")
            })
            .collect();
        let effect = stated.iter().sum::<f64>() / stated.len() as f64;
        let studies = 2000;
        let seen = |_: &u32| {
            let effects = [-effect, 0.0, 0.0, 0.0];
            let study = study(&mut random, shuffles, SplitMix64::normal, effects);
            compare(&study, 0).expect("a study")[0].outcome() == Outcome::Better
        };
        let share = f64::from((0..studies).filter(seen).count() as u32) / f64::from(studies);
        println!("{shuffles} shuffles: the smallest effect, {effect:.2} SD, is seen in {share}");
        assert!((share - 0.8).abs() < 0.06, "{shuffles}: {effect} has {share}");
    }
}

/// What symmetry is worth: differences that have the mean 0 but are skewed break what the test
/// rests on. Prints how much, for `docs/methods.md`; holds that it stays within bounds.
#[test]
fn skewed_differences_reject_more() {
    let exponential: Draw = |random| -(1.0 - random.unit()).ln() - 1.0;
    for shuffles in [8, 10] {
        let share = family_wise("exponential", shuffles, exponential, 2000);
        println!("exponential, {shuffles} shuffles: {:.1} % reject", 100.0 * share);
        assert!(share < 0.15, "{share}");
    }
}
