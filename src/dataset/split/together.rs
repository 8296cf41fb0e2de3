//! Images that look alike stay on one side of a division.

use super::{Part, Split, SplitError};

/// Takes training images out that look like a test image: they go to the gap. `groups` are the
/// images that look alike, by index; an image may be in several. Returns how many went.
///
/// # Errors
/// [`SplitError::AllAlike`] where nothing would be left to train with; the split is then as it
/// was.
pub fn keep_together(split: &mut Split, groups: &[Vec<u32>]) -> Result<usize, SplitError> {
    let mut parts = split.parts.clone();
    let part = |image: u32| split.parts.get(image as usize).copied().flatten();
    for group in groups {
        if !group.iter().any(|&image| part(image) == Some(Part::Test)) {
            continue;
        }
        for &image in group.iter().filter(|&&image| part(image) == Some(Part::Train)) {
            parts[image as usize] = Some(Part::Gap);
        }
    }
    let changed = Split { parts };
    let moved = split.count(Part::Train) - changed.count(Part::Train);
    if moved > 0 && changed.count(Part::Train) == 0 {
        return Err(SplitError::AllAlike);
    }
    *split = changed;
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_test_image_is_not_trained_with() {
        let [train, test, gap] = Part::ALL.map(Some);
        let mut split = Split { parts: vec![train, train, test, train, gap, None, train, test] };
        let groups = [vec![0, 2, 4], vec![1, 6], vec![3, 5], vec![2, 7], vec![3, 7], vec![99]];
        assert_eq!(keep_together(&mut split, &groups), Ok(2));
        assert_eq!(split.parts, [gap, train, test, gap, gap, None, train, test]);
        assert_eq!(keep_together(&mut split, &groups), Ok(0));
        let before = split.clone();
        let all = [vec![1, 6, 7]];
        assert_eq!(keep_together(&mut split, &all), Err(SplitError::AllAlike));
        assert_eq!(split, before);
    }
}
