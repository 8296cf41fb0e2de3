//! Pieces of evidence, and what they say together.

use std::collections::BTreeSet;

use crate::stats::robust;

/// What speaks for or against a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::audit) enum Piece {
    /// The rest of the pose.
    Pose,
    /// What lies around the place.
    Picture,
    /// Where a model sees the keypoint that was not trained on the label.
    Prediction,
    /// Where the keypoint is labelled in the frames before and after.
    Time,
}

/// Number of pieces.
pub(super) const PIECES: usize = 4;

impl Piece {
    pub(super) const ALL: [Piece; PIECES] =
        [Piece::Pose, Piece::Picture, Piece::Prediction, Piece::Time];
}

/// What each piece says, in the order of [`Piece::ALL`]: logarithms of likelihood ratios, positive
/// where it looks wrong; `None` where there is no such piece.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Evidence(pub(super) [Option<f64>; PIECES]);

impl Evidence {
    /// Returns what all pieces say together, each counting once.
    pub(super) fn total(&self) -> f64 {
        self.0.iter().flatten().sum()
    }

    /// Returns what pieces say beyond what others say, which must be the same pieces.
    pub(super) fn less(&self, other: &Evidence) -> Evidence {
        self.with_each(other, |said, other| said - other)
    }

    /// Returns what two say together, which must be the same pieces.
    pub(super) fn plus(&self, other: &Evidence) -> Evidence {
        self.with_each(other, |said, other| said + other)
    }

    fn with_each(&self, other: &Evidence, both: impl Fn(f64, f64) -> f64) -> Evidence {
        Evidence(std::array::from_fn(|piece| Some(both(self.0[piece]?, other.0[piece]?))))
    }

    /// Returns the same with another piece in the place of one, where there is that piece.
    pub(super) fn with(mut self, piece: Piece, said: f64) -> Evidence {
        let place = &mut self.0[piece as usize];
        *place = place.map(|_| said);
        self
    }

    /// Returns the pieces that speak against the label.
    pub(super) fn against(&self) -> Vec<Piece> {
        let said = Piece::ALL.into_iter().zip(self.0);
        said.filter(|&(_, said)| said.is_some_and(|said| said > 0.0)).map(|(of, _)| of).collect()
    }

    /// Returns which pieces there are.
    pub(super) fn view(&self) -> View {
        View(self.0.map(|piece| piece.is_some()))
    }

    /// Returns the medians of several, piece by piece, of those that all have.
    pub(super) fn median(all: &[Evidence]) -> Evidence {
        Evidence(std::array::from_fn(|piece| {
            let said: Option<Vec<f64>> = all.iter().map(|evidence| evidence.0[piece]).collect();
            said.and_then(|mut said| robust::median(&mut said))
        }))
    }
}

/// Which pieces of evidence there are, in the order of [`Piece::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct View(pub(super) [bool; PIECES]);

impl View {
    /// Returns the view of what all of some views have; `None` of none.
    pub(super) fn common(views: &BTreeSet<View>) -> Option<View> {
        let both = |a: View, b: View| View(std::array::from_fn(|at| a.0[at] && b.0[at]));
        views.iter().copied().reduce(both)
    }

    /// Returns the number of pieces.
    pub(super) fn pieces(self) -> usize {
        self.0.iter().filter(|&&has| has).count()
    }

    /// Returns whether another has all pieces that this one has.
    pub(super) fn is_within(self, other: View) -> bool {
        self.0.iter().zip(other.0).all(|(&has, other)| other || !has)
    }

    /// Returns evidence as this view sees it, `None` where it lacks a piece.
    pub(super) fn of(self, evidence: &Evidence) -> Option<Evidence> {
        let lacks = self.0.iter().zip(&evidence.0).any(|(&wanted, has)| wanted && has.is_none());
        let seen = |piece: usize| evidence.0[piece].filter(|_| self.0[piece]);
        (!lacks).then(|| Evidence(std::array::from_fn(seen)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_takes_what_it_has_and_refuses_what_lacks_it() {
        let blind = View([true, false, false, false]);
        let seeing = View([true, true, false, false]);
        let both = Evidence([Some(1.0), Some(-2.0), None, None]);
        let pose = Evidence([Some(3.0), None, None, None]);
        assert_eq!((both.view(), pose.view()), (seeing, blind));
        assert_eq!(blind.of(&both), Some(Evidence([Some(1.0), None, None, None])));
        assert_eq!(seeing.of(&both), Some(both));
        assert_eq!(seeing.of(&pose), None);
        assert!(blind.is_within(seeing) && !seeing.is_within(blind));
        assert_eq!(View::common(&[seeing, blind].into()), Some(blind));
        assert_eq!(View::common(&BTreeSet::new()), None);
        assert_eq!((blind.pieces(), seeing.pieces()), (1, 2));
        assert_eq!(both.with(Piece::Pose, 7.0).0[0], Some(7.0));
        assert_eq!(both.with(Piece::Time, 7.0), both);
        assert_eq!(both.total(), -1.0);
        assert_eq!(both.against(), [Piece::Pose]);
    }

    #[test]
    fn medians_are_of_pieces_that_all_have() {
        let of = |pose, look| Evidence([Some(pose), look, None, None]);
        let all = [of(1.0, Some(4.0)), of(2.0, Some(5.0)), of(9.0, Some(0.0))];
        assert_eq!(Evidence::median(&all), of(2.0, Some(4.0)));
        let all = [of(1.0, Some(4.0)), of(2.0, None), of(9.0, Some(0.0))];
        assert_eq!(Evidence::median(&all), of(2.0, None));
    }
}
