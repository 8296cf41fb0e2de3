//! From evidence to odds: how much each piece counts for each cause, and how frequent errors are.
//!
//! Learnt from planted errors against the labels as they are. Those hold errors themselves, so
//! each counts by the probability that it is right, in turns (expectation maximisation): else the
//! odds against a label could never be greater than one to the frequency of errors.

use super::cause::{Cause, Exchange, Sides, Weighed, Whole};
use super::planted::{Planted, STRENGTHS};
use super::witnesses::Evidence;
use crate::stats::logistic::{self, Example, Prior};
use crate::stats::robust;

/// What makes odds of evidence.
#[derive(Debug, Clone)]
pub(super) struct Odds {
    /// Where there is a picture, and where there is none.
    with: OfView,
    without: OfView,
    /// Share of the poses that have an error.
    prevalence: f64,
}

/// Weights of geometry, look and 1.
type Weights = [f64; 3];

/// Weights of one view.
#[derive(Debug, Clone, Default)]
struct OfView {
    /// By strength, then by keypoint.
    misses: Vec<Vec<Weights>>,
    /// By pair, then one for all pairs together.
    exchanges: Vec<[f64; 2]>,
    /// By way; `None` where too few could be planted: animals that hardly move have no other frame's
    /// labels.
    whole: Vec<Option<Weights>>,
}

/// A cause of a pose with its odds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weight {
    pub(super) cause: Cause,
    /// Odds against there being no error.
    pub(super) odds: f64,
}

/// Share of the poses, and of the points, that may teach nothing, since they are doubted: with more,
/// what is usual could not be told.
const MOST_WRONG: f64 = 0.3;
/// Turns in which weights and probabilities are learnt from each other.
const TURNS: usize = 8;

impl Odds {
    /// Learns from the evidence about the labels as they are, case by case, and about planted
    /// errors. `trusted` is asked for a case and a keypoint.
    pub(super) fn learn(
        actual: &[Weighed],
        planted: &Planted,
        pairs: usize,
        trusted: &dyn Fn(usize, usize) -> bool,
    ) -> Odds {
        let mut odds =
            Odds { with: OfView::default(), without: OfView::default(), prevalence: PREVALENCE };
        let mut doubts: Vec<Doubt> = actual.iter().map(Doubt::first).collect();
        for _ in 0..TURNS {
            odds.with = OfView::learn(View::With, actual, &doubts, planted, pairs, trusted);
            odds.without = OfView::learn(View::Without, actual, &doubts, planted, pairs, trusted);
            odds.prevalence = odds.prevalence(actual);
            doubts = odds.doubts(actual);
        }
        odds
    }

    /// Returns how much each pose is doubted, most of which are right: where more than
    /// [`MOST_WRONG`] would be doubted, only what stands out from the others is.
    pub(super) fn doubts(&self, all: &[Weighed]) -> Vec<Doubt> {
        let mut doubts: Vec<Doubt> = all.iter().map(|weighed| self.doubt(weighed)).collect();
        let mut any: Vec<f64> = doubts.iter().map(|doubt| doubt.any).collect();
        let mut points: Vec<f64> = doubts.iter().flat_map(|d| d.points.clone()).collect();
        let [any, points] = [&mut any, &mut points]
            .map(|all| robust::quantile(all, 1.0 - MOST_WRONG).unwrap_or(0.0));
        let beyond = |doubt: &mut f64, usual: f64| {
            *doubt = (*doubt - usual).max(0.0) / (1.0 - usual).max(f64::MIN_POSITIVE);
        };
        for doubt in &mut doubts {
            beyond(&mut doubt.any, any);
            doubt.points.iter_mut().for_each(|doubt| beyond(doubt, points));
        }
        doubts
    }

    /// Returns the causes of a pose with their odds, in a fixed order.
    pub(super) fn causes(&self, weighed: &Weighed) -> Vec<Weight> {
        let prior = self.prevalence / (1.0 - self.prevalence);
        (self.ratios(weighed).into_iter())
            .map(|(cause, ratio)| Weight { cause, odds: prior * ratio })
            .collect()
    }

    /// Returns how much a pose is doubted.
    fn doubt(&self, weighed: &Weighed) -> Doubt {
        let causes = self.causes(weighed);
        let total: f64 = causes.iter().map(|weight| weight.odds).sum();
        let kinds = weighed.points.iter().map(|&(kind, _)| kind);
        let of_kind = |kind: usize| {
            let of = |cause: &Cause| match cause {
                Cause::Miss(of) => *of == kind,
                Cause::Exchange(pairs) => pairs.iter().flatten().any(|&of| of == kind),
                Cause::Whole(_) => true,
            };
            let odds = causes.iter().filter(|weight| of(&weight.cause)).map(|weight| weight.odds);
            odds.sum::<f64>() / (1.0 + total)
        };
        Doubt { any: total / (1.0 + total), points: kinds.map(of_kind).collect() }
    }

    /// Returns the causes of a pose, each with its share of all errors times its likelihood
    /// ratio.
    fn ratios(&self, weighed: &Weighed) -> Vec<(Cause, f64)> {
        let share = Shares::of(weighed);
        let count = weighed.points.len() as f64;
        let misses = weighed.points.iter().map(|&(kind, evidence)| {
            let view = self.view(&evidence);
            let ratio = view.misses.iter().map(|strength| {
                bounded(logistic::log_odds(&strength[kind], &row(&evidence))).exp()
            });
            let mean = ratio.sum::<f64>() / STRENGTHS.len() as f64;
            (Cause::Miss(kind), share.misses / count * mean)
        });
        let exchanges = weighed.exchanges.iter().map(|exchange| {
            let view = self.view(&exchange.evidence);
            let weights = match exchange.of {
                Sides::Pair(at) => view.exchanges[at],
                Sides::All => view.exchanges.last().copied().unwrap_or(EXCHANGE.mean),
                Sides::Others => EXCHANGE.mean,
            };
            let ratio = bounded(logistic::log_odds(&weights, &both(&exchange.evidence))).exp();
            (Cause::Exchange(exchange.pairs.clone()), share.exchange(exchange) * ratio)
        });
        let wholes = weighed.whole.iter().flat_map(|evidence| {
            let weights = &self.view(evidence).whole;
            Whole::ALL.iter().zip(weights).filter_map(move |(&way, weights)| {
                let ratio = bounded(logistic::log_odds(weights.as_ref()?, &row(evidence))).exp();
                Some((Cause::Whole(way), share.whole / Whole::ALL.len() as f64 * ratio))
            })
        });
        misses.chain(exchanges).chain(wholes).collect()
    }

    fn view(&self, evidence: &Evidence) -> &OfView {
        if evidence.look.is_some() { &self.with } else { &self.without }
    }

    /// Returns the share of poses with an error that makes the evidence likeliest.
    ///
    /// # Source
    /// Saerens, Latinne & Decaestecker (2002), "Adjusting the outputs of a classifier to new a
    /// priori probabilities", doi:10.1162/089976602753284446, with a beta prior.
    fn prevalence(&self, actual: &[Weighed]) -> f64 {
        let ratios: Vec<f64> = (actual.iter())
            .map(|weighed| self.ratios(weighed).iter().map(|(_, ratio)| ratio).sum())
            .collect();
        let mut share = self.prevalence;
        for _ in 0..MOST_STEPS {
            let odds = share / (1.0 - share);
            let wrong: f64 = ratios.iter().map(|r| odds * r / (1.0 + odds * r)).sum();
            let next = (wrong + PREVALENCE * POSES) / (ratios.len() as f64 + POSES);
            let close = (next - share).abs() < 1e-5;
            share = next;
            if close {
                break;
            }
        }
        share
    }
}

/// Share of poses that have an error, before looking: that of labels found wrong in ten published
/// test sets, Northcutt, Athalye & Mueller (2021), "Pervasive label errors in test sets".
const PREVALENCE: f64 = 0.033;
/// How many poses that counts as.
const POSES: f64 = 20.0;
const MOST_STEPS: usize = 100;

/// Returns a log likelihood ratio that no exponential makes endless.
fn bounded(log_ratio: f64) -> f64 {
    log_ratio.min(60.0)
}

fn row(evidence: &Evidence) -> Weights {
    [evidence.geometry, evidence.look.unwrap_or(0.0), 1.0]
}

fn both(evidence: &Evidence) -> [f64; 2] {
    [evidence.geometry, evidence.look.unwrap_or(0.0)]
}

/// How all errors are shared out among causes, before looking. No one has counted errors of
/// annotators by cause; misses come first, since every keypoint may be missed.
struct Shares {
    misses: f64,
    /// Of one pair.
    pair: f64,
    /// Of all pairs together.
    side: f64,
    /// Of two keypoints that are no pair.
    others: f64,
    whole: f64,
}

impl Shares {
    fn of(weighed: &Weighed) -> Shares {
        let points = weighed.points.len() as f64;
        let count = |of: &dyn Fn(Sides) -> bool| {
            weighed.exchanges.iter().filter(|exchange| of(exchange.of)).count() as f64
        };
        let pairs = count(&|of| matches!(of, Sides::Pair(_)));
        let (pair, side) = match (pairs > 0.0, count(&|of| of == Sides::All) > 0.0) {
            (true, true) => (0.15, 0.1),
            (true, false) => (0.25, 0.0),
            _ => (0.0, 0.0),
        };
        let whole = if weighed.whole.is_some() { 0.2 } else { 0.0 };
        let others = 0.05;
        Shares {
            misses: 1.0 - pair - side - whole - others,
            pair: pair / pairs.max(1.0),
            side,
            others: others / (points * (points - 1.0) / 2.0).max(1.0),
            whole,
        }
    }

    fn exchange(&self, exchange: &Exchange) -> f64 {
        match exchange.of {
            Sides::Pair(_) => self.pair,
            Sides::All => self.side,
            Sides::Others => self.others,
        }
    }
}

/// Probabilities that labels are wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Doubt {
    /// Any of the pose.
    pub(super) any: f64,
    /// Each of its labelled points, in the order of [`Weighed::points`].
    pub(super) points: Vec<f64>,
}

impl Doubt {
    /// Where to start: no point is doubted alone; a pose is where an exchange would fit better, or
    /// where it looks wrong as a whole, as if that evidence counted as before looking. A few of
    /// these among many right labels would else teach that such evidence means nothing. Of single
    /// points there are many that are odd and right, which a start in doubt would never forgive.
    fn first(weighed: &Weighed) -> Doubt {
        let exchanges = weighed
            .exchanges
            .iter()
            .map(|exchange| logistic::log_odds(&EXCHANGE.mean, &both(&exchange.evidence)));
        let wholes = weighed.whole.iter().flat_map(|of| {
            WHOLE.iter().map(move |prior| logistic::log_odds(&prior.mean, &row(of)))
        });
        let odds = exchanges.chain(wholes).map(|log_ratio| PREVALENCE * bounded(log_ratio).exp());
        let total: f64 = odds.sum();
        Doubt { any: total / (1.0 + total), points: vec![0.0; weighed.points.len()] }
    }
}

/// Whether evidence comes with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    With,
    Without,
}

impl View {
    /// Returns evidence as this view sees it, `None` where it lacks what the view needs.
    fn of(self, evidence: &Evidence) -> Option<Evidence> {
        match self {
            View::With => evidence.look.map(|_| *evidence),
            View::Without => Some(Evidence { look: None, ..*evidence }),
        }
    }
}

/// One unit of evidence each way counts as one, give or take a half.
const MISS: Prior<3> =
    Prior { mean: [1.0, 1.0, 0.0], precision: [4.0, 4.0, 0.01], rising: [true, true, false] };
/// The median over several points tells more than one point does, how much more is for the data to
/// say: points of one pose look alike.
///
/// A pose that was moved or belongs to another frame fits itself, so only the picture speaks.
const WHOLE: [Prior<3>; Whole::ALL.len()] = [
    Prior { mean: [0.0, 2.0, 0.0], ..OF_WHOLE },
    Prior { mean: [0.0, 2.0, 0.0], ..OF_WHOLE },
    Prior { mean: [2.0, 2.0, 0.0], ..OF_WHOLE },
];
const OF_WHOLE: Prior<3> =
    Prior { mean: [0.0; 3], precision: [0.25, 0.25, 0.01], rising: [true, true, false] };
const EXCHANGE: Prior<2> = Prior { mean: [1.0; 2], precision: [4.0; 2], rising: [true; 2] };
/// How much what holds for all keypoints tells of one: its weights within a quarter.
const OF_KIND: [f64; 3] = [20.0, 20.0, 4.0];
/// Labels of a keypoint, or planted poses, that weights of their own need, at least.
const LEAST: usize = 15;

impl OfView {
    fn learn(
        view: View,
        actual: &[Weighed],
        doubts: &[Doubt],
        planted: &Planted,
        pairs: usize,
        trusted: &dyn Fn(usize, usize) -> bool,
    ) -> OfView {
        let kinds = planted.misses[0].len();
        let mut right: Vec<Vec<(Weights, f64)>> = vec![Vec::new(); kinds];
        let mut wholes: Vec<(Weights, f64)> = Vec::new();
        let mut exchanges: Vec<Vec<([f64; 2], f64)>> = vec![Vec::new(); pairs + 1];
        for (at, (weighed, doubt)) in actual.iter().zip(doubts).enumerate() {
            for ((kind, evidence), doubt) in weighed.points.iter().zip(&doubt.points) {
                if let Some(evidence) = view.of(evidence).filter(|_| trusted(at, *kind)) {
                    right[*kind].push((row(&evidence), 1.0 - doubt));
                }
            }
            if let Some(evidence) = weighed.whole.and_then(|evidence| view.of(&evidence)) {
                wholes.push((row(&evidence), 1.0 - doubt.any));
            }
            for exchange in &weighed.exchanges {
                let place = match exchange.of {
                    Sides::Pair(at) => at,
                    Sides::All => pairs,
                    Sides::Others => continue,
                };
                if let Some(evidence) = view.of(&exchange.evidence) {
                    exchanges[place].push((both(&evidence), 1.0 - doubt.any));
                }
            }
        }
        let rows = |planted: &[Evidence]| -> Vec<Weights> {
            planted.iter().filter_map(|evidence| view.of(evidence)).map(|e| row(&e)).collect()
        };
        OfView {
            misses: (planted.misses.iter())
                .map(|by_kind| {
                    let by_kind: Vec<Vec<Weights>> = by_kind.iter().map(|of| rows(of)).collect();
                    misses(&right, &by_kind)
                })
                .collect(),
            exchanges: of_exchanges(&exchanges),
            whole: (planted.whole.iter().zip(&WHOLE))
                .map(|(planted, prior)| {
                    let planted = rows(planted);
                    let enough = planted.len() >= LEAST;
                    enough.then(|| logistic::fit(&examples(&wholes, &planted), prior))
                })
                .collect(),
        }
    }
}

/// Fits the weights of misses of one strength: for all keypoints together, and from there for
/// each.
fn misses(right: &[Vec<(Weights, f64)>], planted: &[Vec<Weights>]) -> Vec<Weights> {
    let of_all = logistic::fit(&examples(&right.concat(), &planted.concat()), &MISS);
    let of_kind = Prior { mean: of_all, precision: OF_KIND, ..MISS };
    (right.iter().zip(planted))
        .map(|(right, planted)| match right.len() < LEAST {
            true => of_all,
            false => logistic::fit(&examples(right, planted), &of_kind),
        })
        .collect()
}

/// Returns examples in which planted errors weigh as much as labels together, so that odds are
/// likelihood ratios.
fn examples(right: &[(Weights, f64)], planted: &[Weights]) -> Vec<Example<3>> {
    let total: f64 = right.iter().map(|(_, weight)| weight).sum();
    let each = total / planted.len().max(1) as f64;
    let right = right.iter().map(|&(row, weight)| Example { row, is: 0.0, weight });
    right.chain(planted.iter().map(|&row| Example { row, is: 1.0, weight: each })).collect()
}

/// Fits the weights of exchanges of each pair, and of all together. What speaks for an exchange
/// speaks as much against it once it is made, so that every label is an example of both.
fn of_exchanges(right: &[Vec<([f64; 2], f64)>]) -> Vec<[f64; 2]> {
    let examples = |right: &[([f64; 2], f64)]| -> Vec<Example<2>> {
        let both_ways = |&(row, weight): &([f64; 2], f64)| {
            let back = row.map(|value| -value);
            [Example { row, is: 0.0, weight }, Example { row: back, is: 1.0, weight }]
        };
        right.iter().flat_map(both_ways).collect()
    };
    let of_all = logistic::fit(&examples(&right.concat()), &EXCHANGE);
    let of_pair = Prior { mean: of_all, precision: [OF_KIND[0], OF_KIND[1]], ..EXCHANGE };
    right.iter().map(|right| logistic::fit(&examples(right), &of_pair)).collect()
}
