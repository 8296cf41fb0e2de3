//! What evidence is midway between labels as they are and planted errors, from where it counts for
//! or against an error.
//!
//! A point a tenth of a body length off is still a hundred times nearer to where it is expected than
//! anywhere within a body length, so that nothing speaks against it; but right labels are nearer
//! still.

use super::cause::Weighed;
use super::limits::most;
use super::piece::{Evidence, PIECES, Piece};
use super::planted::{Planted, STRENGTHS, WHOLES};
use crate::stats::robust;

/// Where evidence counts, piece by piece: from where nine tenths of the labels lie above, from its
/// middle, to where nine tenths of planted errors lie below; beyond, there is nothing to learn from.
/// 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Middle([[f64; 3]; PIECES]);

/// Share of labels that lie below what is told apart, and of planted errors that lie above.
const TAIL: f64 = 0.1;

/// The middles of all errors that are planted.
#[derive(Debug, Clone, Default)]
pub(super) struct Middles {
    /// By strength, then by keypoint.
    pub(super) misses: [Vec<Middle>; STRENGTHS.len()],
    /// In the order of [`WHOLES`].
    pub(super) whole: [Middle; WHOLES.len()],
}

impl Middle {
    /// Finds where evidence counts. The middle is that of medians, which errors among the labels do
    /// not move.
    fn between(labels: &[Evidence], planted: &[Evidence]) -> Middle {
        let of = |all: &[Evidence], piece: usize, share: f64| {
            let mut said: Vec<f64> = all.iter().filter_map(|said| said.0[piece]).collect();
            robust::quantile(&mut said, share)
        };
        Middle(std::array::from_fn(|piece| {
            let middles = (of(labels, piece, 0.5), of(planted, piece, 0.5));
            let (Some(label), Some(error)) = middles else { return [0.0; 3] };
            let middle = (label + error) / 2.0;
            let low = of(labels, piece, TAIL).unwrap_or(middle);
            let high = of(planted, piece, 1.0 - TAIL).unwrap_or(middle);
            [low.min(middle), middle, high.max(middle)]
        }))
    }

    /// Returns what evidence says beyond the middle, each piece within its bounds, which hold for
    /// what counts.
    pub(super) fn beyond(&self, evidence: &Evidence) -> Evidence {
        Evidence(std::array::from_fn(|piece| {
            let [low, middle, high] = self.0[piece];
            let said = evidence.0[piece]?.max(low).min(high) - middle;
            Some(said.min(most(Piece::ALL[piece])))
        }))
    }
}

impl Middles {
    /// Finds the middles between evidence about labels as they are and about planted errors.
    pub(super) fn of(actual: &[Weighed], planted: &Planted) -> Middles {
        let mut points = vec![Vec::new(); planted.misses[0].len()];
        for (kind, evidence) in actual.iter().flat_map(|weighed| &weighed.points) {
            points[*kind].push(*evidence);
        }
        let wholes: Vec<Evidence> = actual.iter().filter_map(|weighed| weighed.whole).collect();
        Middles {
            misses: planted.misses.each_ref().map(|by_kind| {
                let of_kind = points.iter().zip(by_kind);
                of_kind.map(|(labels, planted)| Middle::between(labels, planted)).collect()
            }),
            whole: planted.whole.each_ref().map(|planted| Middle::between(&wholes, planted)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_counts_from_the_middle_within_what_was_seen() {
        let of = |said: f64| Evidence([Some(said), None, Some(said), None]);
        let labels: Vec<Evidence> = (0..=10).map(|at| of(f64::from(at) - 12.0)).collect();
        let planted: Vec<Evidence> = (0..=10).map(|at| of(f64::from(at) - 2.0)).collect();
        let middle = Middle::between(&labels, &planted);
        // Medians -7 and 3; the tenth of labels at -11, nine tenths of planted errors at 7.
        assert_eq!(middle.beyond(&of(-2.0)), of(0.0));
        assert_eq!(middle.beyond(&of(0.5)), of(2.5));
        assert_eq!(middle.beyond(&of(-30.0)), of(-9.0));
        // A prediction is held to its own bound.
        assert_eq!(middle.beyond(&of(30.0)), Evidence([Some(9.0), None, Some(4.6), None]));
        // What was never seen says nothing.
        assert_eq!(Middle::between(&labels, &[]).beyond(&of(5.0)), of(0.0));
    }
}
