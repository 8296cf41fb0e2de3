//! Errors of single keypoints as people make them: on the part beside, on the wrong edge of the
//! picture, along the limb, put aside.

use super::{Hit, Move, TRIES, is_strong};
use crate::plant::distance;
use crate::plant::recipe::Points;

/// Scatter of a limb jitter across the limb, as a share of that along it: people see the sides
/// of a limb, and not where along it a joint lies.
const ACROSS: f64 = 0.25;

/// Distances from the border at which points are put aside, pixels: from where labels stay
/// inside the image to where a hand that drags a point into a corner lets go.
const INSET_PX: [f64; 2] = [1.0, 10.0];

impl Hit<'_, '_> {
    /// A′ = B + (N(0, sd), N(0, sd)), where B is the nearest keypoint that is not the other side
    /// of A, in each frame.
    pub(super) fn neighbour(&mut self) -> Option<Vec<Move>> {
        let sd = self.plan.sd.unwrap_or_default() * self.ground.body_px;
        let mut moves = self.scattered(|hit, member, kind| {
            let (_, to) = hit.nearest(member, kind)?;
            let from = hit.ground.place(member, kind)?;
            let off = [sd * hit.random.normal(), sd * hit.random.normal()];
            Some([0, 1].map(|axis| to[axis] - from[axis] + off[axis]))
        })?;
        for to in &mut moves {
            let other = self.nearest(to.instance, to.kind).map(|(kind, _)| kind);
            to.with =
                other.and_then(|kind| self.skeleton.keypoints.get(usize::from(kind)).cloned());
        }
        Some(moves)
    }

    /// Returns the nearest keypoint that is not the other side of one, and where it is.
    fn nearest(&self, member: u32, kind: u16) -> Option<(u16, [f64; 2])> {
        let own = self.ground.place(member, kind)?;
        let partner = self.skeleton.partner(kind);
        let others =
            self.ground.kinds(member).filter(|&other| other != kind && Some(other) != partner);
        let places = others.filter_map(|other| Some((other, self.ground.place(member, other)?)));
        places.min_by(|a, b| distance(a.1, own).total_cmp(&distance(b.1, own)))
    }

    /// A′ = the nearest place on a strong edge of the image that is as far as the strength asks
    /// and clear of all other keypoints, in each frame.
    pub(super) fn edge_miss(&mut self) -> Option<Vec<Move>> {
        let mut kinds = self.kinds();
        self.random.shuffle(&mut kinds);
        let mut missed = Vec::new();
        for kind in kinds {
            if self.plan.points == Points::Count(missed.len()) {
                break;
            }
            let place = |&member: &u32| self.on_edge(member, kind);
            missed.extend(self.members.iter().map(place).collect::<Option<Vec<Move>>>());
        }
        Some(self.take(missed)?.into_iter().flatten().collect())
    }

    fn on_edge(&self, member: u32, kind: u16) -> Option<Move> {
        let from = self.ground.place(member, kind)?;
        let edges = self.ground.edges(self.ground.instance(member).image);
        let mut near: Vec<(f64, [f64; 2])> = (edges.iter())
            .map(|edge| edge.map(f64::from))
            .map(|edge| (distance(edge, from), edge))
            .filter(|&(far, _)| is_strong(self.ground, self.plan, far))
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.into_iter().find_map(|(_, edge)| {
            let by = [edge[0] - from[0], edge[1] - from[1]];
            self.displaced(member, kind, by).filter(|to| self.is_clear(to))
        })
    }

    /// A′ = A + t·u + n·v: u along the limb, v across it, t of a Student distribution with 2
    /// degrees of freedom times sd, n normal with a quarter of sd; drawn anew for each frame.
    ///
    /// The limb leads to the nearest keypoint that the skeleton links with A, or to the nearest
    /// of all where it links none.
    pub(super) fn limb_jitter(&mut self) -> Option<Vec<Move>> {
        let sd = self.plan.sd.unwrap_or_default() * self.ground.body_px;
        self.scattered(|hit, member, kind| {
            let [ux, uy] = hit.limb(member, kind)?;
            // Z / √(χ²₂ / 2), and χ²₂ / 2 is exponential: −ln U, with U in (0, 1].
            let spread = (-(1.0 - hit.random.unit()).ln()).max(f64::MIN_POSITIVE).sqrt();
            let along = sd * hit.random.normal() / spread;
            let across = ACROSS * sd * hit.random.normal();
            Some([along * ux - across * uy, along * uy + across * ux])
        })
    }

    /// Returns the direction of a keypoint's limb, of length 1.
    fn limb(&self, member: u32, kind: u16) -> Option<[f64; 2]> {
        let own = self.ground.place(member, kind)?;
        let linked = |other: u16| {
            let ends = [[kind, other], [other, kind]];
            self.skeleton.edges.iter().any(|edge| ends.contains(edge))
        };
        let places = || {
            let others = self.ground.kinds(member).filter(|&other| other != kind);
            others.filter_map(|other| {
                let place = self.ground.place(member, other)?;
                let far = distance(place, own);
                (far > 0.0).then_some((other, place, far))
            })
        };
        let nearest = |a: &(u16, [f64; 2], f64), b: &(u16, [f64; 2], f64)| a.2.total_cmp(&b.2);
        let by_skeleton = places().filter(|(other, ..)| linked(*other)).min_by(nearest);
        let (_, to, far) = by_skeleton.or_else(|| places().min_by(nearest))?;
        Some([0, 1].map(|axis| (to[axis] - own[axis]) / far))
    }

    /// A′ = a few pixels from a corner, or straight towards an edge and a few pixels from it;
    /// the same corner or edge in every frame.
    pub(super) fn parked(&mut self) -> Option<Vec<Move>> {
        let mut kinds = self.kinds();
        self.random.shuffle(&mut kinds);
        let mut parked = Vec::new();
        for kind in kinds {
            if self.plan.points == Points::Count(parked.len()) {
                break;
            }
            let moves = (0..TRIES).find_map(|_| {
                // Per axis the low end, the high end, or as it is; one of them is an end.
                let ends: [u64; 2] = [self.random.below(3), self.random.below(3)];
                let inset = self.random.uniform(INSET_PX[0], INSET_PX[1]);
                if ends == [2, 2] {
                    return None;
                }
                let place = |&member: &u32| self.aside(member, kind, ends, inset);
                self.members.iter().map(place).collect::<Option<Vec<Move>>>()
            });
            parked.extend(moves);
        }
        Some(self.take(parked)?.into_iter().flatten().collect())
    }

    fn aside(&self, member: u32, kind: u16, ends: [u64; 2], inset_px: f64) -> Option<Move> {
        let from = self.ground.place(member, kind)?;
        let reach = self.ground.reach_px(self.ground.instance(member).image);
        let by = [0, 1].map(|axis| match ends[axis] {
            0 => inset_px - from[axis],
            1 => reach[axis] - inset_px - from[axis],
            _ => 0.0,
        });
        self.displaced(member, kind, by)
    }
}
