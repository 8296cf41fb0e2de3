//! Names, edges and left-right pairs of a keypoint layout.

/// Describes a keypoint layout.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Skeleton {
    /// Name, empty where the dataset has only one.
    pub name: String,
    /// Keypoint names, in the label file's order.
    pub keypoints: Vec<String>,
    /// Edges (bones) as the dataset declares them, indices into the names.
    pub edges: Vec<[u16; 2]>,
    /// Left-right pairs, `[left, right]` where the sides are known.
    pub pairs: Vec<[u16; 2]>,
    /// Where the pairs come from.
    pub pair_source: PairSource,
    /// The permutation that a horizontal flip applies, as the dataset declares it.
    /// It may be wrong; rules judge it.
    pub flip_idx: Option<Vec<u16>>,
}

/// Says where left-right pairs come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PairSource {
    /// No pair is known.
    #[default]
    None,
    /// The user's settings.
    Settings,
    /// The dataset's own `flip_idx`.
    FlipIdx,
    /// The keypoint names.
    Names,
}

impl PairSource {
    /// Returns the words that reports use.
    pub fn label(self) -> &'static str {
        match self {
            PairSource::None => "none",
            PairSource::Settings => "settings",
            PairSource::FlipIdx => "flip_idx",
            PairSource::Names => "names",
        }
    }
}

impl Skeleton {
    /// Returns the index of a keypoint name.
    pub fn index(&self, name: &str) -> Option<u16> {
        self.keypoints.iter().position(|k| k == name).map(|at| at as u16)
    }

    /// Returns the other side of a keypoint that has one.
    pub fn partner(&self, kind: u16) -> Option<u16> {
        self.pairs.iter().find_map(|&[a, b]| match kind {
            k if k == a => Some(b),
            k if k == b => Some(a),
            _ => None,
        })
    }
}
