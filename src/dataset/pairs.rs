//! Left-right pairs of a skeleton, from its flip permutation or its names.

use std::collections::BTreeMap;

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
///
/// Two names are a pair when they differ only in their side, and no other name of
/// the skeleton does so. A name such as `tail` or `rear` tells no side unless its
/// counterpart (`tair`, `lear`) exists. Sides are looked for in this order:
///
/// 1. the words `left` and `right`: `leftear`, `ear_left`, `RightEar`;
/// 2. `l` and `r` by themselves: `ear_L`, `eyeR`, `forelegL1`, `wing.l`;
/// 3. `l` and `r` at either end of a word: `paw_LF`, `rhip`;
/// 4. the same without regard to digits, since a numbering may run across both sides:
///    `paw1LH` and `paw4RH`.
pub fn infer_pairs(skeleton: &Skeleton) -> Vec<[u16; 2]> {
    let names: Vec<Vec<String>> = skeleton.keypoints.iter().map(|name| words(name)).collect();
    let mut paired = vec![false; names.len()];
    let mut pairs = Vec::new();
    for digits in [Digits::Kept, Digits::Dropped] {
        for clue in [Clue::Word, Clue::Letter, Clue::EndOfWord] {
            let mut sides: BTreeMap<String, [Vec<usize>; 2]> = BTreeMap::new();
            for (at, words) in names.iter().enumerate().filter(|(at, _)| !paired[*at]) {
                for (side, rest) in mentions(words, clue, digits) {
                    sides.entry(rest).or_default()[side].push(at);
                }
            }
            for sides in sides.values() {
                if let [[left], [right]] = sides.each_ref().map(Vec::as_slice)
                    && !paired[*left]
                    && !paired[*right]
                {
                    paired[*left] = true;
                    paired[*right] = true;
                    pairs.push([*left as u16, *right as u16]);
                }
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

/// Where in a name its side is looked for.
#[derive(Clone, Copy)]
enum Clue {
    Word,
    Letter,
    EndOfWord,
}

/// Whether digits count when the rests of two names are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Digits {
    Kept,
    Dropped,
}

/// Stands for the side in the rest of a name.
const SIDE: char = '\u{1}';

/// Returns every side (0 is left) that a name may tell, with the rest of the name.
fn mentions(words: &[String], clue: Clue, digits: Digits) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let mut add = |side: usize, before: &str, after: &str| {
            let mut rest = words[..at].concat();
            rest.extend([before, SIDE.encode_utf8(&mut [0; 4]), after]);
            rest.push_str(&words[at + 1..].concat());
            if digits == Digits::Dropped {
                rest.retain(|letter| !letter.is_ascii_digit());
            }
            found.push((side, rest));
        };
        for (side, (name, letter)) in [("left", "l"), ("right", "r")].into_iter().enumerate() {
            match clue {
                Clue::Word => {
                    for (start, _) in word.match_indices(name) {
                        add(side, &word[..start], &word[start + name.len()..]);
                    }
                }
                Clue::Letter if word == letter => add(side, "", ""),
                Clue::Letter => {}
                Clue::EndOfWord => {
                    if let Some(rest) = word.strip_prefix(letter) {
                        add(side, "", rest);
                    }
                    if let Some(rest) = word.strip_suffix(letter) {
                        add(side, rest, "");
                    }
                }
            }
        }
    }
    found
}

/// Splits a name into words in lower case: at anything that is no letter or digit,
/// between letters and digits, and before a capital that begins a word, so that
/// `foreLegL1` is `fore`, `leg`, `l`, `1`.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for (at, &letter) in letters.iter().enumerate() {
        if !letter.is_alphanumeric() {
            inside = false;
            continue;
        }
        let before = at.checked_sub(1).map(|before| letters[before]);
        let begins = before.is_none_or(|before| {
            let next_is_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
            before.is_numeric() != letter.is_numeric()
                || (letter.is_uppercase()
                    && (before.is_lowercase() || (before.is_uppercase() && next_is_small)))
        });
        match words.last_mut() {
            Some(word) if inside && !begins => word.extend(letter.to_lowercase()),
            _ => words.push(letter.to_lowercase().collect()),
        }
        inside = true;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skeleton(names: &[&str]) -> Skeleton {
        Skeleton { keypoints: names.iter().map(|n| n.to_string()).collect(), ..Skeleton::default() }
    }

    /// Returns the pairs as names.
    fn pairs(names: &[&str]) -> Vec<[String; 2]> {
        let pairs = infer_pairs(&skeleton(names));
        pairs.iter().map(|pair| pair.map(|at| names[usize::from(at)].to_string())).collect()
    }

    #[test]
    fn every_style_of_names_is_understood() {
        for [left, right] in [
            ["leftear", "rightear"],
            ["earleft", "earright"],
            ["left_ear", "right_ear"],
            ["ear left", "ear right"],
            ["LeftEar", "RightEar"],
            ["earLeft", "earRight"],
            ["LEFT-EAR", "RIGHT-EAR"],
            ["front_left_paw", "front_right_paw"],
            ["forepawleft2", "forepawright2"],
            ["ear_L", "ear_R"],
            ["ear_l", "ear_r"],
            ["L_ear", "R_ear"],
            ["l.ear", "r.ear"],
            ["wing.l", "wing.r"],
            ["eyeL", "eyeR"],
            ["LEar", "REar"],
            ["forelegL1", "forelegR1"],
            ["ear2_L", "ear2_R"],
            ["L", "R"],
            ["Left", "right"],
            ["lhip", "rhip"],
            ["Lpaw", "Rpaw"],
            ["hipl", "hipr"],
            ["paw_LF", "paw_RF"],
            ["LFpaw", "RFpaw"],
            ["HLpaw", "HRpaw"],
            ["paw1LH", "paw4RH"],
            ["paw2LF_top", "paw3RF_top"],
            ["KneeÉL", "KneeÉR"],
        ] {
            let expected = [[left.to_string(), right.to_string()]];
            assert_eq!(pairs(&["nose", right, "tailbase", left]), expected, "{left}, {right}");
        }
    }

    #[test]
    fn names_that_merely_hold_an_l_or_r_are_no_pair() {
        let mouse = ["tail", "ear", "leg", "collar", "tailbase", "rear", "lower", "snout", "right"];
        assert!(pairs(&mouse).is_empty());
        assert!(pairs(&["ear_L", "paw_R", "leftear", "rightpaw"]).is_empty());
        assert!(pairs(&["spine1", "spine2", "L1", "2"]).is_empty());
        assert!(pairs(&[]).is_empty());
        assert!(pairs(&["", "", "_", "l", "l", "r"]).is_empty());
    }

    #[test]
    fn views_and_limbs_are_kept_apart() {
        let mirror = [
            "paw1LH_top",
            "paw2LF_top",
            "paw3RF_top",
            "paw4RH_top",
            "tailBase_top",
            "tailMid_top",
            "nose_top",
            "obs_top",
            "paw1LH_bot",
            "paw2LF_bot",
            "paw3RF_bot",
            "paw4RH_bot",
            "tailBase_bot",
            "tailMid_bot",
            "nose_bot",
            "obsHigh_bot",
            "obsLow_bot",
        ];
        let found = infer_pairs(&skeleton(&mirror));
        assert_eq!(found, [[0, 3], [1, 2], [8, 11], [9, 10]]);
        let wheels = pairs(&["FL", "FR", "RL", "RR"]);
        assert_eq!(wheels, [["FL", "FR"], ["RL", "RR"]]);
        // A limb that is numbered alike on both sides goes before one that is not.
        let legs = pairs(&["legL1", "legL2", "legR2", "legR3"]);
        assert_eq!(legs, [["legL1", "legR3"], ["legL2", "legR2"]]);
    }

    #[test]
    fn names_of_public_datasets_are_understood() {
        let coco = [
            "nose",
            "left_eye",
            "right_eye",
            "left_ear",
            "right_ear",
            "left_shoulder",
            "right_shoulder",
            "left_elbow",
            "right_elbow",
            "left_wrist",
            "right_wrist",
            "left_hip",
            "right_hip",
            "left_knee",
            "right_knee",
            "left_ankle",
            "right_ankle",
        ];
        let expected: Vec<[u16; 2]> = (0..8).map(|k| [2 * k + 1, 2 * k + 2]).collect();
        assert_eq!(infer_pairs(&skeleton(&coco)), expected);
        // Names of DeepPoseKit's fly, locust and zebra.
        let limbs = |side: &str, limbs: &[&str]| -> Vec<String> {
            let leg =
                |limb: &&str| (1..=4).map(|at| format!("{limb}{side}{at}")).collect::<Vec<_>>();
            limbs.iter().flat_map(leg).collect()
        };
        let legs = ["foreleg", "midleg", "hindleg"];
        let count = |names: Vec<String>| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let found = pairs(&names);
            assert!(found.iter().all(|[l, r]| l.replace('L', "R") == *r), "{found:?}");
            found.len()
        };
        let own = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
        let fly = [
            own(&["head", "eyeL", "eyeR", "neck", "thorax", "abdomen"]),
            limbs("R", &legs),
            limbs("L", &legs),
            own(&["wingL", "wingR"]),
        ];
        assert_eq!(count(fly.concat()), 14);
        let locust = [
            own(&["head", "neck", "thorax", "abdomen1", "abdomen2", "anttipL", "antbaseL", "eyeL"]),
            limbs("L", &legs),
            own(&["anttipR", "antbaseR", "eyeR"]),
            limbs("R", &legs),
        ];
        assert_eq!(count(locust.concat()), 15);
        let zebra = own(&[
            "snout",
            "head",
            "neck",
            "forelegL1",
            "forelegR1",
            "hindlegL1",
            "hindlegR1",
            "tailbase",
            "tailtip",
        ]);
        assert_eq!(count(zebra), 2);
    }

    #[test]
    fn flip_idx_goes_first_when_it_undoes_itself() {
        let mut body = skeleton(&["nose", "ear_r", "ear_l", "tail"]);
        body.flip_idx = Some(vec![0, 2, 1, 3]);
        pair_up(&mut body);
        assert_eq!((body.pairs, body.pair_source), (vec![[2, 1]], PairSource::FlipIdx));
        for (flip, source) in [
            (vec![1, 2, 0, 3], PairSource::Names),
            (vec![0, 1, 2, 3], PairSource::Names),
            (vec![0, 2, 1], PairSource::Names),
            (vec![9, 9, 9, 9], PairSource::Names),
        ] {
            let mut body = skeleton(&["nose", "ear_l", "ear_r", "tail"]);
            body.flip_idx = Some(flip);
            pair_up(&mut body);
            assert_eq!((body.pairs, body.pair_source), (vec![[1, 2]], source));
        }
        let mut body = skeleton(&["nose"]);
        pair_up(&mut body);
        assert_eq!(body.pair_source, PairSource::None);
    }
}
