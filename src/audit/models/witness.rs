//! Witnesses: small predictors that say where a keypoint should be, each from no more
//! than two other keypoints of the same pose.
//!
//! Many small predictors instead of one large regression, because a wrong point then
//! spoils only the predictors that use it, a missing point costs only those, and
//! twenty frames are enough to fit each.

use super::belief::{LEAST_FREEDOM, Usual};
use super::poses::{Point, Pose, distance};
use crate::stats::robust;

/// Says where a keypoint should be, given others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Witness {
    basis: Basis,
    /// Where the keypoint should be, in the basis' own coordinates.
    centre: Point,
    /// Scatter along both axes of these coordinates; positive.
    sd: Point,
    /// How its standard deviations are to be taken.
    usual: Usual,
    /// Median over the poses of the area of one standard deviation, px²; the smaller,
    /// the more a witness knows.
    pub(super) area_px2: f64,
}

/// The coordinates in which a witness measures.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Basis {
    /// Those of the image: for an animal that is held in place.
    Image,
    /// Those of the image, from one other keypoint: for views that do not rotate, and
    /// for one animal seen in two mirrors.
    From { origin: usize },
    /// From one keypoint, turned with the vector to another: for animals that turn.
    Turned {
        origin: usize,
        towards: usize,
        unit: Unit,
        /// Below this length of that vector in pixels its direction means nothing.
        least_px: f64,
    },
}

/// The unit of length of turned coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    /// Pixels: a head that is seen at an angle does not make the body shorter.
    Pixel,
    /// The length of the vector: for animals that differ in size.
    Vector,
}

/// What a witness says about a labelled point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Testimony {
    /// Distance of the label from where it should be, in standard deviations.
    pub(super) z: f64,
    /// Where it should be.
    pub(super) at: Point,
    /// Standard deviation of that, pixels: geometric mean of both axes.
    pub(super) sd_px: f64,
}

/// Chooses the witnesses of each keypoint.
///
/// `least_sd_px` is how exactly anyone can label; no witness is trusted beyond it.
pub(super) fn choose(poses: &[Pose], kinds: usize, least_sd_px: f64) -> Vec<Vec<Witness>> {
    (0..kinds)
        .map(|kind| {
            let fit = |basis| Witness::fit(poses, kind, basis, least_sd_px);
            let mut near: Vec<(f64, usize)> = (0..kinds)
                .filter(|&origin| origin != kind)
                .filter_map(|origin| Some((fit(Basis::From { origin })?.area_px2, origin)))
                .collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            near.truncate(NEIGHBOURS);
            let mut bases = vec![Basis::Image];
            for (at, &(_, origin)) in near.iter().enumerate() {
                bases.push(Basis::From { origin });
                for &(_, towards) in &near[at + 1..] {
                    let mut lengths: Vec<f64> = (poses.iter())
                        .filter_map(|pose| Some(distance(pose[origin]?, pose[towards]?)))
                        .collect();
                    let Some(typical) = robust::median(&mut lengths) else { continue };
                    let least_px = (SHORT * typical).max(least_sd_px);
                    for unit in [Unit::Pixel, Unit::Vector] {
                        bases.push(Basis::Turned { origin, towards, unit, least_px });
                    }
                }
            }
            best(bases.into_iter().filter_map(fit).collect(), kinds)
        })
        .collect()
}

/// Other keypoints from which pairs are formed: enough for five times the witnesses.
const NEIGHBOURS: usize = 9;
/// Witnesses per keypoint, at most: an odd number for a clear middle, and more gain
/// little since they share keypoints.
const WITNESSES: usize = 7;
/// How much larger than the best witness' area another's may be. A witness of thrice
/// the standard deviation weighs a ninth in the best linear combination.
const WORST_AREA: f64 = 9.0;
/// Share of its usual length below which a vector has lost its direction.
const SHORT: f64 = 0.25;
/// Poses that a witness must be fitted to, at least: the standard error of a median of
/// fifteen values is 32 % of their standard deviation.
pub(super) const MIN_POSES: usize = 15;

/// Picks the witnesses that know most, none of them relying too much on one keypoint:
/// one wrong keypoint must not be able to spoil half of them.
fn best(mut candidates: Vec<Witness>, kinds: usize) -> Vec<Witness> {
    candidates.sort_by(|a, b| a.area_px2.total_cmp(&b.area_px2));
    let Some(least) = candidates.first().map(|witness| witness.area_px2) else {
        return Vec::new();
    };
    let mut uses = vec![0; kinds];
    let mut chosen: Vec<Witness> = Vec::new();
    for witness in candidates {
        if chosen.len() == WITNESSES || witness.area_px2 > WORST_AREA * least {
            break;
        }
        let used: Vec<usize> = witness.keypoints().collect();
        if used.iter().all(|&kind| uses[kind] < WITNESSES / 3) {
            used.iter().for_each(|&kind| uses[kind] += 1);
            chosen.push(witness);
        }
    }
    chosen
}

impl Witness {
    /// Fits location and scatter, `None` of too few poses.
    fn fit(poses: &[Pose], kind: usize, basis: Basis, least_sd_px: f64) -> Option<Witness> {
        let mut along = Vec::with_capacity(poses.len());
        let mut across = Vec::with_capacity(poses.len());
        let mut units = Vec::with_capacity(poses.len());
        for pose in poses {
            let Some(point) = pose[kind] else { continue };
            let Some(frame) = basis.frame(pose) else { continue };
            let [a, b] = frame.enter(point);
            along.push(a);
            across.push(b);
            units.push(frame.unit_px());
        }
        if along.len() < MIN_POSES {
            return None;
        }
        let unit = robust::median(&mut units)?;
        let (along, across) = (robust::robust(&mut along)?, robust::robust(&mut across)?);
        let sd = [along.sd, across.sd].map(|sd| sd.max(least_sd_px / unit));
        let area_px2 = sd[0] * sd[1] * unit * unit;
        let centre = [along.median, across.median];
        let plain = Usual { scale: 1.0, freedom: LEAST_FREEDOM };
        let mut witness = Witness { basis, centre, sd, usual: plain, area_px2 };
        let distances = poses.iter().filter_map(|pose| Some(witness.testify(pose, pose[kind]?)?.z));
        witness.usual = Usual::of(&mut distances.collect::<Vec<f64>>());
        area_px2.is_finite().then_some(witness)
    }

    /// Returns what it says about a point, `None` where its keypoints are not labelled.
    pub(super) fn testify(&self, pose: &Pose, point: Point) -> Option<Testimony> {
        let frame = self.basis.frame(pose)?;
        let [a, b] = frame.enter(point);
        let z = ((a - self.centre[0]) / self.sd[0]).hypot((b - self.centre[1]) / self.sd[1]);
        Some(Testimony {
            z,
            at: frame.leave(self.centre),
            sd_px: (self.sd[0] * self.sd[1]).sqrt() * frame.unit_px(),
        })
    }

    /// Returns the natural logarithm of the density, per px², with which it expects a keypoint at a
    /// place; `None` where its keypoints are not labelled.
    pub(super) fn log_density(&self, pose: &Pose, point: Point) -> Option<f64> {
        let Testimony { z, sd_px, .. } = self.testify(pose, point)?;
        Some(self.usual.log_density(z, sd_px))
    }

    /// Returns the keypoints that it relies on.
    pub(super) fn keypoints(&self) -> impl Iterator<Item = usize> + use<> {
        let (a, b) = match self.basis {
            Basis::Image => (None, None),
            Basis::From { origin } => (Some(origin), None),
            Basis::Turned { origin, towards, .. } => (Some(origin), Some(towards)),
        };
        a.into_iter().chain(b)
    }
}

impl Basis {
    fn frame(self, pose: &Pose) -> Option<Frame> {
        match self {
            Basis::Image => Some(Frame { origin: [0.0; 2], axis: [1.0, 0.0] }),
            Basis::From { origin } => Some(Frame { origin: pose[origin]?, axis: [1.0, 0.0] }),
            Basis::Turned { origin, towards, unit, least_px } => {
                let (a, b) = (pose[origin]?, pose[towards]?);
                let length = distance(a, b);
                let unit_px = match unit {
                    Unit::Pixel => length,
                    Unit::Vector => 1.0,
                };
                let axis = [0, 1].map(|axis| (b[axis] - a[axis]) / unit_px);
                (length >= least_px).then_some(Frame { origin: a, axis })
            }
        }
    }
}

/// Coordinates of a plane: complex numbers `(p - origin) / axis`.
struct Frame {
    origin: Point,
    axis: Point,
}

impl Frame {
    fn enter(&self, point: Point) -> Point {
        let [x, y] = [point[0] - self.origin[0], point[1] - self.origin[1]];
        let [u, v] = self.axis;
        let square = u * u + v * v;
        [(x * u + y * v) / square, (y * u - x * v) / square]
    }

    fn leave(&self, [a, b]: Point) -> Point {
        let [u, v] = self.axis;
        [self.origin[0] + a * u - b * v, self.origin[1] + a * v + b * u]
    }

    /// Pixels per unit.
    fn unit_px(&self) -> f64 {
        self.axis[0].hypot(self.axis[1])
    }
}
