//! How two pictures that look alike differ, in words.

use crate::audit::words::listed;

/// What was done to one of two pictures to make the other; nothing where one was encoded
/// again or where nothing moved between two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::audit) struct Relation {
    /// Left and right are exchanged.
    pub(in crate::audit) mirrored: bool,
    /// A margin was cut off.
    pub(in crate::audit) cropped: bool,
    /// Brightness, contrast or gamma was changed.
    pub(in crate::audit) brightness: bool,
    /// The numbers of pixels differ, and not because of a crop.
    pub(in crate::audit) resized: bool,
}

impl Relation {
    /// Returns the relation over a third picture.
    pub(in crate::audit) fn then(self, next: Relation) -> Relation {
        Relation {
            // What is mirrored twice is not.
            mirrored: self.mirrored != next.mirrored,
            cropped: self.cropped || next.cropped,
            brightness: self.brightness || next.brightness,
            resized: self.resized || next.resized,
        }
    }

    /// Returns the changes as words that follow "is".
    pub(in crate::audit) fn words(self) -> String {
        let changes = [
            (self.mirrored, "mirrored"),
            (self.cropped, "cropped"),
            (self.resized, "resized"),
            (self.brightness, "of another brightness"),
        ];
        let words: Vec<&str> =
            changes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word).collect();
        match words.is_empty() {
            true => "the same but for encoding and noise".into(),
            false => listed(&words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_every_change() {
        let none = Relation::default();
        assert_eq!(none.words(), "the same but for encoding and noise");
        let cropped = Relation { cropped: true, ..none };
        assert_eq!(cropped.words(), "cropped");
        let mirrored = Relation { mirrored: true, brightness: true, ..none };
        assert_eq!(mirrored.words(), "mirrored and of another brightness");
        let all = mirrored.then(Relation { resized: true, ..cropped });
        assert_eq!(all.words(), "mirrored, cropped, resized and of another brightness");
    }

    #[test]
    fn what_is_mirrored_twice_is_not() {
        let mirrored = Relation { mirrored: true, ..Relation::default() };
        assert_eq!(mirrored.then(mirrored), Relation::default());
    }
}
