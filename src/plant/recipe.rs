//! What is to be planted: the errors file. Takes its text, gives a checked [`Recipe`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The recipe where none is given.
const RECIPE: &str = include_str!("recipe.toml");
/// What each kind is where a recipe does not say otherwise.
const KINDS: &str = include_str!("kinds.toml");

/// Kind of a planted error, named as the findings of an audit are.
///
/// # Source
/// The first four after Ronchi & Perona, "Benchmarking and Error Diagnosis in Multi-Instance
/// Pose Estimation", ICCV 2017, section 3; `docs/planting.md` says where labelvet differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A keypoint and its partner exchanged: of the other side, or of another individual.
    Swap,
    /// A keypoint far from its place, and near no other.
    Miss,
    /// A keypoint near its place, but not on it.
    Jitter,
    /// A keypoint on the place of another of the same individual.
    Inversion,
    /// The labels of the previous labelled frame.
    CarryOver,
    /// A keypoint that is not labelled.
    Missing,
    /// A whole instance displaced.
    Shift,
    /// All left-right pairs of an instance exchanged at once.
    SideSwap,
    /// Part of the keypoints of one individual or frame, and the rest of another.
    Chimera,
    /// A keypoint near the place of the nearest other keypoint of the same individual.
    Neighbour,
    /// A keypoint on a strong edge of the image that is not its own.
    EdgeMiss,
    /// A keypoint moved along the limb that it belongs to, seldom far.
    LimbJitter,
    /// A keypoint put aside at an edge or corner of the image.
    Parked,
    /// A run of frames whose labels are each those of the frame before.
    OffByOne,
    /// All labels of a video displaced alike, as by one annotator with a habit.
    AnnotatorOffset,
    /// x and y of a frame exchanged.
    Transposed,
    /// All labels of a frame scaled, as if they had been made on another size of the image.
    Scaled,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [ErrorKind; 17] = [
        ErrorKind::Swap,
        ErrorKind::Miss,
        ErrorKind::Jitter,
        ErrorKind::Inversion,
        ErrorKind::CarryOver,
        ErrorKind::Missing,
        ErrorKind::Shift,
        ErrorKind::SideSwap,
        ErrorKind::Chimera,
        ErrorKind::Neighbour,
        ErrorKind::EdgeMiss,
        ErrorKind::LimbJitter,
        ErrorKind::Parked,
        ErrorKind::OffByOne,
        ErrorKind::AnnotatorOffset,
        ErrorKind::Transposed,
        ErrorKind::Scaled,
    ];

    /// Returns the word that files use.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Swap => "swap",
            ErrorKind::Miss => "miss",
            ErrorKind::Jitter => "jitter",
            ErrorKind::Inversion => "inversion",
            ErrorKind::CarryOver => "carry_over",
            ErrorKind::Missing => "missing",
            ErrorKind::Shift => "shift",
            ErrorKind::SideSwap => "side_swap",
            ErrorKind::Chimera => "chimera",
            ErrorKind::Neighbour => "neighbour",
            ErrorKind::EdgeMiss => "edge_miss",
            ErrorKind::LimbJitter => "limb_jitter",
            ErrorKind::Parked => "parked",
            ErrorKind::OffByOne => "off_by_one",
            ErrorKind::AnnotatorOffset => "annotator_offset",
            ErrorKind::Transposed => "transposed",
            ErrorKind::Scaled => "scaled",
        }
    }

    /// Returns whether it hits an instance as a whole, so that no keypoint is chosen.
    pub fn is_whole(self) -> bool {
        matches!(
            self,
            ErrorKind::CarryOver
                | ErrorKind::Shift
                | ErrorKind::SideSwap
                | ErrorKind::Chimera
                | ErrorKind::OffByOne
                | ErrorKind::Transposed
                | ErrorKind::Scaled
        )
    }

    /// Returns whether it copies labels from the labelled frame before a run, which then keeps
    /// its own.
    pub(super) fn copies_before(self) -> bool {
        matches!(self, ErrorKind::CarryOver | ErrorKind::OffByOne)
    }

    /// Returns whether left-right pairs are needed, given between what a swap exchanges.
    pub(super) fn needs_pairs(self, between: Between) -> bool {
        self == ErrorKind::SideSwap || self == ErrorKind::Swap && between == Between::Sides
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many keypoints (or pairs) of an instance are hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Points {
    /// So many; an instance that has fewer is passed over.
    Count(usize),
    /// All that can be.
    #[serde(serialize_with = "all")]
    All,
}

fn all<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("all")
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Points, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Count(usize),
            Word(String),
        }
        match Raw::deserialize(deserializer) {
            Ok(Raw::Count(count)) if count > 0 => Ok(Points::Count(count)),
            Ok(Raw::Word(word)) if word == "all" => Ok(Points::All),
            _ => Err(serde::de::Error::custom("points is a number from 1, or \"all\"")),
        }
    }
}

/// Between what a swap exchanges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Between {
    /// The left and the right of one individual.
    #[default]
    Sides,
    /// The same keypoint of two individuals of an image.
    Individuals,
}

/// One kind of error, how often and how strong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorPlan {
    /// The kind.
    pub kind: ErrorKind,
    /// Share of the labelled frames that it hits, above 0, at most 1.
    pub rate: f64,
    /// Least and greatest distance in body lengths that a keypoint is moved by; for whole
    /// instances, that the keypoint is moved by that is moved most.
    pub strength: [f64; 2],
    /// Keypoints per instance that are hit; pairs for a swap between sides.
    pub points: Points,
    /// Names of the keypoints that may be hit; `None` for all. A pair needs both.
    pub keypoints: Option<Vec<String>>,
    /// Consecutive labelled frames of a video that it hits alike, from 1.
    pub runs: usize,
    /// Between what a swap exchanges.
    pub between: Between,
    /// Standard deviation of a jitter along each axis, of a limb jitter's core along the limb,
    /// and of what lies on a neighbour around that; body lengths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// What a miss keeps away from other keypoints, body lengths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear: Option<f64>,
    /// Least and greatest factor, above 1, by which a frame is scaled up or down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<[f64; 2]>,
}

/// The errors that are to be planted, in the order in which frames are drawn for them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recipe {
    /// The errors; one at least.
    #[serde(rename = "error")]
    pub errors: Vec<ErrorPlan>,
}

/// Says why a text is no recipe.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// It is no TOML, or has keys that do not exist.
    #[error("{0}")]
    Toml(String),
    /// It has no error to plant.
    #[error("expected one [[error]] at least, found none")]
    Empty,
    /// A value of an error makes no sense.
    #[error("error {row} ({kind}): {message}")]
    Value {
        /// Which `[[error]]`, counted from 1.
        row: usize,
        /// Its kind.
        kind: ErrorKind,
        /// What was expected and found.
        message: String,
    },
    /// More frames are to be hit than there are.
    #[error("the rates add up to {sum}, but a frame has one error at most; expected 1 or less")]
    Rates {
        /// The sum.
        sum: f64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    error: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: ErrorKind,
    rate: f64,
    strength: Option<[f64; 2]>,
    points: Option<Points>,
    keypoints: Option<Vec<String>>,
    runs: Option<usize>,
    between: Option<Between>,
    sd: Option<f64>,
    clear: Option<f64>,
    factor: Option<[f64; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    strength: [f64; 2],
    points: Points,
    sd: Option<f64>,
    clear: Option<f64>,
    factor: Option<[f64; 2]>,
    runs: Option<usize>,
}

impl Recipe {
    /// Parses an errors file and fills in what it leaves out.
    ///
    /// # Errors
    /// Fails on what is no TOML, on keys that do not exist, and on values that make no sense.
    pub fn parse(text: &str) -> Result<Recipe, RecipeError> {
        let toml = |error: toml::de::Error| RecipeError::Toml(error.to_string().trim().into());
        let file: File = toml::from_str(text).map_err(toml)?;
        let kinds: BTreeMap<ErrorKind, Defaults> = toml::from_str(KINDS).map_err(toml)?;
        let mut errors = Vec::new();
        for (at, entry) in file.error.into_iter().enumerate() {
            let kind = entry.kind;
            let wrong = |message| RecipeError::Value { row: at + 1, kind, message };
            let defaults = kinds.get(&kind).ok_or_else(|| wrong("it has no defaults".into()))?;
            check(&entry).map_err(wrong)?;
            errors.push(ErrorPlan {
                kind,
                rate: entry.rate,
                strength: entry.strength.unwrap_or(defaults.strength),
                points: entry.points.unwrap_or(defaults.points),
                keypoints: entry.keypoints,
                runs: entry.runs.or(defaults.runs).unwrap_or(1),
                between: entry.between.unwrap_or_default(),
                sd: defaults.sd.map(|sd| entry.sd.unwrap_or(sd)),
                clear: defaults.clear.map(|clear| entry.clear.unwrap_or(clear)),
                factor: defaults.factor.map(|factor| entry.factor.unwrap_or(factor)),
            });
        }
        if errors.is_empty() {
            return Err(RecipeError::Empty);
        }
        let sum: f64 = errors.iter().map(|error| error.rate).sum();
        // Ten tenths add up to a little more or less than one.
        if sum > 1.0 + 1e-9 {
            return Err(RecipeError::Rates { sum });
        }
        Ok(Recipe { errors })
    }

    /// Returns whether strong edges of the images have to be known, see
    /// [`Scope::edges`](super::Scope::edges).
    pub fn needs_edges(&self) -> bool {
        self.errors.iter().any(|error| error.kind == ErrorKind::EdgeMiss)
    }

    /// Returns the text of the recipe where none is given: swaps and misses, 5 % each.
    pub fn default_text() -> &'static str {
        RECIPE
    }
}

/// Returns names as a list of words.
fn names(kinds: &[ErrorKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

/// Says what of an entry makes no sense.
fn check(entry: &Entry) -> Result<(), String> {
    let kind = entry.kind;
    let only = |given: bool, name: &str, whose: &[ErrorKind]| match given && !whose.contains(&kind)
    {
        true => Err(format!("`{name}` belongs to {}, not to {kind}", names(whose))),
        false => Ok(()),
    };
    only(entry.between.is_some(), "between", &[ErrorKind::Swap])?;
    let scattered = [ErrorKind::Jitter, ErrorKind::LimbJitter, ErrorKind::Neighbour];
    only(entry.sd.is_some(), "sd", &scattered)?;
    only(entry.clear.is_some(), "clear", &[ErrorKind::Miss, ErrorKind::EdgeMiss])?;
    only(entry.factor.is_some(), "factor", &[ErrorKind::Scaled])?;
    if kind == ErrorKind::AnnotatorOffset && entry.runs.is_some() {
        return Err(format!("a {kind} hits whole videos; leave out `runs`"));
    }
    if !(entry.rate > 0.0 && entry.rate <= 1.0) {
        return Err(format!("`rate` is above 0 and at most 1, not {}", entry.rate));
    }
    if let Some([least, most]) = entry.strength {
        if kind == ErrorKind::Missing {
            return Err("a missing keypoint is nowhere, and has no `strength`".into());
        }
        if !(least >= 0.0 && most >= least && most > 0.0 && least.is_finite()) {
            return Err(format!(
                "`strength` is [least, greatest] in body lengths, from 0, not [{least}, {most}]"
            ));
        }
        let drawn = [ErrorKind::Miss, ErrorKind::Shift, ErrorKind::AnnotatorOffset];
        if !most.is_finite() && drawn.contains(&kind) {
            return Err(format!("the greatest `strength` of a {kind} is a number"));
        }
    }
    for (name, value) in [("sd", entry.sd), ("clear", entry.clear)] {
        let fits =
            |value: f64| value.is_finite() && value >= 0.0 && (name == "clear" || value > 0.0);
        if value.is_some_and(|value| !fits(value)) {
            return Err(format!("`{name}` is a length in body lengths, not {value:?}"));
        }
    }
    if let Some([least, most]) = entry.factor
        && !(least > 1.0 && most >= least && most.is_finite())
    {
        return Err(format!("`factor` is [least, greatest] above 1, not [{least}, {most}]"));
    }
    if entry.runs == Some(0) {
        return Err("`runs` is a number of frames from 1".into());
    }
    if kind.is_whole() && (entry.keypoints.is_some() || entry.points.is_some()) {
        return Err(format!(
            "a {kind} hits the whole instance; leave out `keypoints` and `points`"
        ));
    }
    match &entry.keypoints {
        Some(names) if names.is_empty() => Err("`keypoints` names one at least".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Recipe::parse(text).expect_err("it makes no sense").to_string()
    }

    #[test]
    fn defaults_exist_for_every_kind() {
        for kind in ErrorKind::ALL {
            let text = format!("[[error]]\nkind = \"{kind}\"\nrate = 0.1\n");
            let recipe = Recipe::parse(&text).expect("a recipe");
            let [plan] = &recipe.errors[..] else { panic!("one error") };
            let runs = if kind == ErrorKind::OffByOne { 3 } else { 1 };
            assert_eq!((plan.kind, plan.runs), (kind, runs));
            assert!(plan.strength[0] < plan.strength[1]);
            let scattered = [ErrorKind::Jitter, ErrorKind::LimbJitter, ErrorKind::Neighbour];
            assert_eq!(plan.sd.is_some(), scattered.contains(&kind));
            let clear = [ErrorKind::Miss, ErrorKind::EdgeMiss];
            assert_eq!(plan.clear.is_some(), clear.contains(&kind));
            assert_eq!(plan.factor.is_some(), kind == ErrorKind::Scaled);
        }
        let default = Recipe::parse(Recipe::default_text()).expect("a recipe");
        let rates: Vec<_> = default.errors.iter().map(|plan| (plan.kind, plan.rate)).collect();
        assert_eq!(rates, [(ErrorKind::Swap, 0.05), (ErrorKind::Miss, 0.05)]);
        assert!(default.errors[1].strength[0] >= 0.3);
    }

    #[test]
    fn what_is_said_overrides_the_defaults() {
        let text = "[[error]]\nkind = \"swap\"\nrate = 0.2\npoints = \"all\"\nruns = 4\n\
                    between = \"individuals\"\nkeypoints = [\"a\", \"b\"]\nstrength = [0.1, inf]\n";
        let plan = &Recipe::parse(text).expect("a recipe").errors[0];
        assert_eq!((plan.points, plan.runs), (Points::All, 4));
        assert_eq!(plan.between, Between::Individuals);
        assert_eq!(plan.strength, [0.1, f64::INFINITY]);
        assert_eq!(plan.keypoints.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(message(""), RecipeError::Empty.to_string());
        let one = |rest: &str| message(&format!("[[error]]\nkind = \"miss\"\n{rest}\n"));
        assert!(one("rate = 0.0").contains("error 1 (miss): `rate`"));
        assert!(one("rate = nan").contains("`rate`"));
        assert!(one("rate = 0.1\nstrength = [0.5, 0.2]").contains("`strength`"));
        assert!(one("rate = 0.1\nstrength = [0.5, inf]").contains("is a number"));
        assert!(one("rate = 0.1\nstrength = [-1, 1]").contains("from 0"));
        assert!(one("rate = 0.1\npoints = 0").contains("from 1"));
        assert!(one("rate = 0.1\nruns = 0").contains("`runs`"));
        assert!(one("rate = 0.1\nsd = 0.1").contains("belongs to jitter"));
        assert!(one("rate = 0.1\nkeypoints = []").contains("one at least"));
        assert!(one("rate = 0.1\nsize = 3").contains("unknown field `size`"));
        assert!(message("[[error]]\nkind = \"smear\"\nrate = 0.1\n").contains("smear"));
        let shift = "[[error]]\nkind = \"shift\"\nrate = 0.1\npoints = 2\n";
        assert!(message(shift).contains("whole instance"));
        let offset = "[[error]]\nkind = \"annotator_offset\"\nrate = 0.1\nruns = 2\n";
        assert!(message(offset).contains("whole videos"));
        let scaled = "[[error]]\nkind = \"scaled\"\nrate = 0.1\nfactor = [0.5, 2]\n";
        assert!(message(scaled).contains("above 1"));
        let two = "[[error]]\nkind = \"miss\"\nrate = 0.6\n";
        assert!(message(&two.repeat(2)).contains("1.2"));
    }
}
