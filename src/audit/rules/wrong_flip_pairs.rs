//! Flip permutations and left-right pairs that contradict themselves, the names of the
//! keypoints, or the geometry of the poses.

use crate::audit::models::poses::{Pose, Poses, REFERENCES, distance, pose};
use crate::audit::{Hit, Settings, Subject};
use crate::dataset::{Skeleton, infer_pairs};
use crate::facts::Facts;
use crate::stats::robust;

pub(in crate::audit) fn find(facts: &Facts, settings: &Settings) -> Vec<Hit> {
    let dataset = &facts.dataset;
    let mut hits = Vec::new();
    for skeleton in &dataset.skeletons {
        let flaws = match &skeleton.flip_idx {
            Some(flip) => {
                let flaws = structure(skeleton, flip);
                if flaws.is_empty() { names(skeleton, flip) } else { flaws }
            }
            None => Vec::new(),
        };
        hits.extend(flaws.into_iter().map(|flaw| flaw.hit(skeleton)));
    }
    for poses in Poses::by_skeleton(dataset) {
        let rows: Vec<Pose> = (poses.sample(REFERENCES).into_iter())
            .map(|at| pose(dataset, &dataset.instances[at as usize]))
            .collect();
        let skeleton = &dataset.skeletons[poses.skeleton];
        hits.extend(geometry(skeleton, &rows, settings).into_iter().map(|f| f.hit(skeleton)));
    }
    hits
}

/// What is wrong with the pairs of a skeleton.
struct Flaw {
    /// Tells it apart in the fingerprint.
    about: String,
    score: f64,
    message: String,
    /// Keypoint names.
    related: Vec<String>,
}

impl Flaw {
    fn hit(self, skeleton: &Skeleton) -> Hit {
        let about = format!("{}:{}", skeleton.name, self.about);
        Hit::new(Subject::Dataset(about), self.score, self.message).related(self.related)
    }
}

/// Checks that a permutation is one, and undoes itself.
fn structure(skeleton: &Skeleton, flip: &[u16]) -> Vec<Flaw> {
    let kinds = skeleton.keypoints.len();
    let fact = |about: &str, message: String, related: Vec<String>| Flaw {
        about: about.into(),
        score: 1.0,
        message,
        related,
    };
    if flip.len() != kinds {
        let message =
            format!("flip_idx has {} entries, but there are {kinds} keypoints", flip.len());
        return vec![fact("length", message, Vec::new())];
    }
    if let Some(at) = flip.iter().position(|&to| usize::from(to) >= kinds) {
        let message = format!(
            "flip_idx sends {} to {}, which does not exist",
            skeleton.keypoints[at], flip[at]
        );
        return vec![fact("range", message, vec![skeleton.keypoints[at].clone()])];
    }
    let lost: Vec<String> = (0..kinds)
        .filter(|&at| usize::from(flip[usize::from(flip[at])]) != at)
        .map(|at| skeleton.keypoints[at].clone())
        .collect();
    if lost.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "flip_idx applied twice does not lead back for {}, so a flipped image has wrong labels",
        lost.join(", ")
    );
    vec![fact("involution", message, lost)]
}

/// Compares a sound permutation with what the names of the keypoints say.
fn names(skeleton: &Skeleton, flip: &[u16]) -> Vec<Flaw> {
    let name = |kind: u16| skeleton.keypoints[usize::from(kind)].clone();
    (infer_pairs(skeleton).into_iter())
        .filter(|&[left, right]| flip[usize::from(left)] != right)
        .map(|[left, right]| {
            let to = flip[usize::from(left)];
            let does = if to == left {
                format!("leaves {} where it is", name(left))
            } else {
                format!("exchanges {} with {}", name(left), name(to))
            };
            Flaw {
                about: format!("names:{}", name(left)),
                score: BY_NAME,
                message: format!(
                    "flip_idx {does}, but by their names {} and {} are a pair",
                    name(left),
                    name(right)
                ),
                related: vec![name(left), name(right)],
            }
        })
        .collect()
}

/// Looks for two pairs whose poses are far more symmetric with their ends exchanged:
/// the mirror image of a body has the same distances.
fn geometry(skeleton: &Skeleton, poses: &[Pose], settings: &Settings) -> Vec<Flaw> {
    let kinds = skeleton.keypoints.len();
    let pairs: Vec<[usize; 2]> = (skeleton.pairs.iter())
        .map(|pair| pair.map(usize::from))
        .filter(|&[a, b]| a != b && a.max(b) < kinds)
        .collect();
    let usual = Usual::learn(poses, kinds);
    let mut flaws = Vec::new();
    for (at, &[a, b]) in pairs.iter().enumerate() {
        for &[c, d] in &pairs[at + 1..] {
            let Some(declared) = usual.asymmetry([a, b], [c, d], &pairs) else { continue };
            let others = [([a, c], [b, d]), ([a, d], [b, c])];
            let Some((cost, one, two)) = (others.into_iter())
                .filter_map(|(one, two)| Some((usual.asymmetry(one, two, &pairs)?, one, two)))
                .min_by(|x, y| x.0.total_cmp(&y.0))
            else {
                continue;
            };
            if declared < settings.get("min_asymmetry")
                || cost > settings.get("max_rest") * declared
            {
                continue;
            }
            let name = |kind: usize| skeleton.keypoints[kind].clone();
            flaws.push(Flaw {
                about: format!("geometry:{}:{}", name(a), name(c)),
                score: BY_GEOMETRY,
                message: format!(
                    "{}/{} and {}/{} are declared as pairs, but the poses are symmetric if {}/{} \
                     and {}/{} are",
                    name(a),
                    name(b),
                    name(c),
                    name(d),
                    name(one[0]),
                    name(one[1]),
                    name(two[0]),
                    name(two[1]),
                ),
                related: [a, b, c, d].map(name).to_vec(),
            });
        }
    }
    flaws
}

/// Median distances between keypoints, natural logarithm of pixels.
struct Usual {
    kinds: usize,
    log_px: Vec<Option<f64>>,
}

impl Usual {
    fn learn(poses: &[Pose], kinds: usize) -> Usual {
        let mut log_px = vec![None; kinds * kinds];
        for a in 0..kinds {
            for b in (0..kinds).filter(|&b| b != a) {
                let mut all: Vec<f64> = (poses.iter())
                    .filter_map(|pose| Some(distance(pose[a]?, pose[b]?).max(1.0).ln()))
                    .collect();
                if all.len() >= LEAST_POSES {
                    log_px[a * kinds + b] = robust::median(&mut all);
                }
            }
        }
        Usual { kinds, log_px }
    }

    /// Returns how unlike the distances of two pairs are to those of their mirror image:
    /// the mean difference of logarithms over distances between them, and from them to
    /// keypoints without a pair. `None` where there are fewer than two to compare.
    fn asymmetry(
        &self,
        [a, b]: [usize; 2],
        [c, d]: [usize; 2],
        pairs: &[[usize; 2]],
    ) -> Option<f64> {
        let middle = (0..self.kinds).filter(|kind| pairs.iter().flatten().all(|end| end != kind));
        let across = [((a, c), (b, d)), ((a, d), (b, c))];
        let along = middle.flat_map(|kind| [((a, kind), (b, kind)), ((c, kind), (d, kind))]);
        let differences: Vec<f64> = (across.into_iter().chain(along))
            .filter_map(|(one, other)| {
                let log = |(i, j): (usize, usize)| self.log_px[i * self.kinds + j];
                Some((log(one)? - log(other)?).abs())
            })
            .collect();
        (differences.len() >= 4).then(|| differences.iter().sum::<f64>() / differences.len() as f64)
    }
}

/// Poses that a distance must be known from.
const LEAST_POSES: usize = 20;
/// Names lie rarely: `l` and `r` may once mean something else.
const BY_NAME: f64 = 0.9;
/// Animals are seen at angles, so distances prove less.
const BY_GEOMETRY: f64 = 0.7;
