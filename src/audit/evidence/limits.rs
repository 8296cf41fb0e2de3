//! Bounds of what one piece of evidence may say.

use super::piece::Piece;

/// Least and greatest logarithm of a likelihood ratio that one piece of evidence may give: models
/// are wrong in their tails, so none may decide alone against all others.
const LIMITS: [f64; 2] = [-8.0, 15.0];
/// Greatest of a prediction and of frames beside: about one in a hundred poses is predicted with head
/// and tail, or left and right, exchanged, however sure the model is, and a wrong label may have
/// neighbours of its kind. So they tip the balance, and do not outweigh what is seen.
const MOST_OF_HINTS: f64 = 4.6;

/// Returns the logarithm of a likelihood ratio within the bounds of its piece of evidence.
pub(super) fn within(piece: Piece, log_ratio: f64) -> f64 {
    log_ratio.clamp(LIMITS[0], most(piece))
}

/// Returns what speaks for an exchange within bounds: those of two points, or one for hints, whose
/// two sides are wrong together. The same both ways, since exchanging again is the reverse.
pub(super) fn within_exchange(piece: Piece, log_ratio: f64) -> f64 {
    let most = match piece {
        Piece::Pose | Piece::Picture => 2.0 * LIMITS[1],
        Piece::Prediction | Piece::Time => MOST_OF_HINTS,
    };
    log_ratio.clamp(-most, most)
}

/// Returns the greatest logarithm of a likelihood ratio that a piece of evidence may give.
pub(super) fn most(piece: Piece) -> f64 {
    match piece {
        Piece::Pose | Piece::Picture => LIMITS[1],
        Piece::Prediction | Piece::Time => MOST_OF_HINTS,
    }
}
