//! How all errors are shared out among their causes.

use super::cause::{Sides, Weighed};
use super::planted::{STRENGTHS, WHOLES};

/// Groups of causes whose frequency is estimated: misses by strength, exchanges by what is exchanged,
/// whole poses.
pub(super) const GROUPS: usize = WHOLE + 1;
/// The group of whole poses.
pub(super) const WHOLE: usize = STRENGTHS.len() + 4;

impl Sides {
    /// Returns the group of such exchanges.
    pub(super) fn group(self) -> usize {
        STRENGTHS.len()
            + match self {
                Sides::Pair(_) => 0,
                Sides::All => 1,
                Sides::Others => 2,
                Sides::Individuals => 3,
            }
    }
}

/// Shares of all errors, before looking. No one has counted errors of annotators by cause; misses
/// come first, since every keypoint may be missed.
pub(super) struct Shares {
    /// Of each group; misses of one strength are a group.
    pub(super) of_group: [f64; GROUPS],
    /// Number of causes in each group, at least 1.
    causes: [f64; GROUPS],
}

impl Shares {
    /// Returns the shares for a pose, which depend on what can be wrong with it.
    pub(super) fn of(weighed: &Weighed) -> Shares {
        let count = |group: usize| {
            weighed.exchanges.iter().filter(|exchange| exchange.of.group() == group).count() as f64
        };
        let [one_pair, side, others, individuals] =
            [Sides::Pair(0), Sides::All, Sides::Others, Sides::Individuals].map(Sides::group);
        let pairs = count(one_pair);
        let points = weighed.points.len() as f64;
        let mut of_group = [0.0; GROUPS];
        (of_group[one_pair], of_group[side]) = match (pairs > 0.0, count(side) > 0.0) {
            (true, true) => (0.15, 0.1),
            (true, false) => (0.25, 0.0),
            _ => (0.0, 0.0),
        };
        of_group[others] = 0.05;
        of_group[individuals] = if weighed.fellows > 0 { 0.05 } else { 0.0 };
        of_group[WHOLE] = if weighed.whole.is_some() { 0.2 } else { 0.0 };
        let rest = 1.0 - of_group.iter().sum::<f64>();
        of_group[..STRENGTHS.len()].fill(rest / STRENGTHS.len() as f64);
        let mut causes = [points; GROUPS];
        causes[one_pair] = pairs;
        causes[side] = 1.0;
        causes[others] = points * (points - 1.0) / 2.0;
        causes[individuals] = points * weighed.fellows as f64;
        causes[WHOLE] = WHOLES.len() as f64;
        Shares { of_group, causes: causes.map(|count| count.max(1.0)) }
    }

    /// Returns the share of one cause of a group.
    pub(super) fn of_one(&self, group: usize) -> f64 {
        self.of_group[group] / self.causes[group]
    }
}
