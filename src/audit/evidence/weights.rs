//! How much each piece of evidence counts for each cause, learnt from planted errors and from labels
//! as far as they are believed.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::{Exchange, Sides, Weighed, Whole};
use super::middles::{Middle, Middles};
use super::odds::Doubt;
use super::piece::{Evidence, PIECES, View};
use super::planted::{Planted, STRENGTHS, WHOLES};
use crate::stats::logistic::{self, Example, Prior};

/// What each piece says, and 1; or the weights of that.
type Row = [f64; PIECES + 1];

/// Weights of one view.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    /// By strength, then by keypoint.
    misses: Vec<Vec<Row>>,
    /// By pair, then one for all pairs together.
    exchanges: Vec<Row>,
    /// In the order of [`WHOLES`]; `None` where too few could be planted: animals that hardly move have no other frame's
    /// labels.
    whole: [Option<Row>; WHOLES.len()],
}

/// One unit of evidence each way counts as one, give or take a half; of hints a quarter, since
/// planted errors stand out from them more clearly than a model's own errors are known.
const MISS: Prior<{ PIECES + 1 }> = Prior {
    mean: [1.0, 1.0, 1.0, 1.0, 0.0],
    precision: [4.0, 4.0, 4.0, 4.0, 1.0],
    rising: [true, true, true, true, false],
};
/// The same both ways, so that there is nothing to add.
const EXCHANGE: Prior<{ PIECES + 1 }> = MISS;
/// The median over several points tells more than one point does, how much more is for the data to
/// say: points of one pose look alike.
///
/// A pose that was moved or belongs to another frame fits itself, so the pose does not speak.
fn prior_of(whole: Whole) -> Prior<{ PIECES + 1 }> {
    let pose = match whole {
        Whole::Moved | Whole::CarriedOver => 0.0,
        Whole::Misshapen | Whole::Scattered => 2.0,
    };
    Prior { mean: [pose, 2.0, 1.0, 1.0, 0.0], precision: [0.25, 0.25, 4.0, 4.0, 1.0], ..MISS }
}

/// How much what holds for all keypoints tells of one, and what holds without a piece of evidence of
/// what holds with it: the weights within a quarter.
const NEARLY: Row = [20.0, 20.0, 20.0, 20.0, 4.0];
/// Labels of a keypoint, or planted poses, that weights of their own need, at least.
const LEAST: usize = 15;

impl Weights {
    /// Returns what is thought before looking: of misses half, and of exchanges and whole poses what
    /// pose and picture say. How often hints are wrong about a whole pose has to be learnt from
    /// labels that are believed.
    pub(super) fn before(kinds: usize, pairs: usize) -> Weights {
        let seen = |prior: Prior<{ PIECES + 1 }>| {
            let [pose, picture, _, _, constant] = prior.mean;
            [pose, picture, 0.0, 0.0, constant]
        };
        Weights {
            misses: vec![vec![MISS.mean.map(|weight| weight / 2.0); kinds]; STRENGTHS.len()],
            exchanges: vec![seen(EXCHANGE); pairs + 1],
            whole: WHOLES.map(|(whole, _)| Some(seen(prior_of(whole)))),
        }
    }

    /// Returns how much likelier evidence against a keypoint is if it was missed, by strength.
    pub(super) fn miss(
        &self,
        kind: usize,
        evidence: &Evidence,
        middles: &Middles,
    ) -> [f64; STRENGTHS.len()] {
        std::array::from_fn(|strength| {
            let said = middles.misses[strength][kind].beyond(evidence);
            ratio(&self.misses[strength][kind], &row(&said, 1.0))
        })
    }

    /// Returns how much likelier evidence for an exchange is if it was made.
    pub(super) fn exchange(&self, exchange: &Exchange) -> f64 {
        let own = match exchange.of {
            Sides::Pair(at) => self.exchanges.get(at),
            Sides::All => self.exchanges.last(),
            Sides::Others | Sides::Individuals => None,
        };
        ratio(own.unwrap_or(&EXCHANGE.mean), &row(&exchange.evidence, 0.0))
    }

    /// Returns how much likelier evidence against a pose is if it is wrong as a whole: places in
    /// [`WHOLES`] with the ratio.
    pub(super) fn whole(
        &self,
        evidence: &Evidence,
        middles: &Middles,
    ) -> impl Iterator<Item = (usize, f64)> {
        let each = self.whole.iter().zip(&middles.whole).enumerate();
        each.filter_map(|(at, (weights, middle))| {
            Some((at, ratio(weights.as_ref()?, &row(&middle.beyond(evidence), 1.0))))
        })
    }
}

/// Returns a likelihood ratio that no exponential makes endless.
fn ratio(weights: &Row, row: &Row) -> f64 {
    logistic::log_odds(weights, row).min(60.0).exp()
}

/// Returns what each piece says, and a constant.
fn row(evidence: &Evidence, constant: f64) -> Row {
    std::array::from_fn(|at| match evidence.0.get(at) {
        Some(piece) => piece.unwrap_or(0.0),
        None => constant,
    })
}

/// What weights are learnt from.
pub(super) struct Examples<'a> {
    /// Evidence about the labels as they are, case by case.
    pub(super) actual: &'a [Weighed],
    /// How much they are doubted.
    pub(super) doubts: &'a [Doubt],
    pub(super) planted: &'a Planted,
    pub(super) middles: &'a Middles,
    /// Number of left-right pairs.
    pub(super) pairs: usize,
    /// Whether a label is trusted, by case and keypoint.
    pub(super) trusted: &'a dyn Fn(usize, usize) -> bool,
}

/// Examples of right labels: what is said of them, and how much it counts.
type Right<T> = Vec<(T, f64)>;

impl Examples<'_> {
    /// Learns the weights of each view. One that has more pieces of evidence than another begins
    /// where that ended, since it may hold few poses.
    pub(super) fn learn(&self, views: &BTreeSet<View>) -> BTreeMap<View, Weights> {
        let mut order: Vec<View> = views.iter().copied().chain(View::common(views)).collect();
        order.sort_by_key(|view| (view.pieces(), *view));
        order.dedup();
        let mut learnt: BTreeMap<View, Weights> = BTreeMap::new();
        for view in order {
            let poorer = learnt.iter().filter(|(other, _)| other.is_within(view));
            let poorer = poorer.max_by_key(|(other, _)| other.pieces()).map(|(_, weights)| weights);
            let weights = self.weights(view, poorer);
            learnt.insert(view, weights);
        }
        learnt
    }

    fn weights(&self, view: View, poorer: Option<&Weights>) -> Weights {
        let mut points: Vec<Right<Evidence>> = vec![Vec::new(); self.planted.misses[0].len()];
        let mut wholes: Right<Evidence> = Vec::new();
        let mut exchanges: Vec<Right<Row>> = vec![Vec::new(); self.pairs + 1];
        for (at, (weighed, doubt)) in self.actual.iter().zip(self.doubts).enumerate() {
            for ((kind, evidence), doubt) in weighed.points.iter().zip(&doubt.points) {
                if let Some(evidence) = view.of(evidence).filter(|_| (self.trusted)(at, *kind)) {
                    points[*kind].push((evidence, 1.0 - doubt));
                }
            }
            if let Some(evidence) = weighed.whole.and_then(|evidence| view.of(&evidence)) {
                wholes.push((evidence, 1.0 - doubt.any));
            }
            for exchange in &weighed.exchanges {
                let place = match exchange.of {
                    Sides::Pair(at) => at,
                    Sides::All => self.pairs,
                    Sides::Others | Sides::Individuals => continue,
                };
                if let Some(evidence) = view.of(&exchange.evidence) {
                    exchanges[place].push((row(&evidence, 0.0), 1.0 - doubt.any));
                }
            }
        }
        let beyond = |middle: &Middle, said: &Evidence| row(&middle.beyond(said), 1.0);
        let beyond_all = |middle: &Middle, right: &Right<Evidence>| -> Right<Row> {
            right.iter().map(|(said, weight)| (beyond(middle, said), *weight)).collect()
        };
        let rows = |middle: &Middle, planted: &[Evidence]| -> Vec<Row> {
            let seen = planted.iter().filter_map(|said| view.of(said));
            seen.map(|said| beyond(middle, &said)).collect()
        };
        let strengths = self.planted.misses.iter().zip(&self.middles.misses).enumerate();
        let misses = strengths.map(|(strength, (by_kind, middles))| {
            let right = middles.iter().zip(&points).map(|(middle, of)| beyond_all(middle, of));
            let planted = middles.iter().zip(by_kind).map(|(middle, of)| rows(middle, of));
            let poorer = poorer.map(|weights| &weights.misses[strength][..]);
            misses(&right.collect::<Vec<_>>(), &planted.collect::<Vec<_>>(), poorer)
        });
        Weights {
            misses: misses.collect(),
            exchanges: of_exchanges(&exchanges, poorer.map(|weights| &weights.exchanges[..])),
            whole: std::array::from_fn(|way| {
                let middle = &self.middles.whole[way];
                let planted = rows(middle, &self.planted.whole[way]);
                let right = beyond_all(middle, &wholes);
                let prior = match poorer.and_then(|weights| weights.whole[way]) {
                    Some(mean) => Prior { mean, precision: NEARLY, ..MISS },
                    None => prior_of(WHOLES[way].0),
                };
                let enough = planted.len() >= LEAST;
                enough.then(|| logistic::fit(&examples(&right, &planted), &prior))
            }),
        }
    }
}

/// Fits the weights of misses of one strength: from those of a poorer view for each keypoint, else
/// for all together, and from there for each.
fn misses(right: &[Right<Row>], planted: &[Vec<Row>], poorer: Option<&[Row]>) -> Vec<Row> {
    let of_all = || logistic::fit(&examples(&right.concat(), &planted.concat()), &MISS);
    let start: Vec<Row> = match poorer {
        Some(poorer) => poorer.to_vec(),
        None => vec![of_all(); right.len()],
    };
    (right.iter().zip(planted).zip(start))
        .map(|((right, planted), mean)| match right.len() < LEAST {
            true => mean,
            false => {
                let prior = Prior { mean, precision: NEARLY, ..MISS };
                logistic::fit(&examples(right, planted), &prior)
            }
        })
        .collect()
}

/// Returns examples in which planted errors weigh as much as labels together, so that odds are
/// likelihood ratios.
fn examples(right: &[(Row, f64)], planted: &[Row]) -> Vec<Example<{ PIECES + 1 }>> {
    let total: f64 = right.iter().map(|(_, weight)| weight).sum();
    let each = total / planted.len().max(1) as f64;
    let right = right.iter().map(|&(row, weight)| Example { row, is: 0.0, weight });
    right.chain(planted.iter().map(|&row| Example { row, is: 1.0, weight: each })).collect()
}

/// Fits the weights of exchanges of each pair, and of all together. What speaks for an exchange
/// speaks as much against it once it is made, so that every label is an example of both.
fn of_exchanges(right: &[Right<Row>], poorer: Option<&[Row]>) -> Vec<Row> {
    let examples = |right: &[(Row, f64)]| -> Vec<Example<{ PIECES + 1 }>> {
        let both_ways = |&(row, weight): &(Row, f64)| {
            let back = row.map(|value| -value);
            [Example { row, is: 0.0, weight }, Example { row: back, is: 1.0, weight }]
        };
        right.iter().flat_map(both_ways).collect()
    };
    let start: Vec<Row> = match poorer {
        Some(poorer) => poorer.to_vec(),
        None => vec![logistic::fit(&examples(&right.concat()), &EXCHANGE); right.len()],
    };
    (right.iter().zip(start))
        .map(|(right, mean)| {
            logistic::fit(&examples(right), &Prior { mean, precision: NEARLY, ..EXCHANGE })
        })
        .collect()
}
