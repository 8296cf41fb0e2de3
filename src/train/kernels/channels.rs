//! What the operators over the channels of `[N, C, H, W]` share: the planes of a channel, and
//! sums over them that stay accurate however many places there are.

use super::simd::{LANES, Lanes, total};

/// Elements that are summed in single precision, in 32 lanes: the rest in double precision.
pub(super) const BLOCK: usize = 4096;
/// Registers of lanes of a sum: four, so that additions do not wait for each other.
const REGISTERS: usize = 4;

/// Returns the planes of all channels: those of the first channel, in the order of the batch,
/// then those of the second. None where there are no elements.
pub(super) fn planes(elements: &[f32], channels: usize, places: usize) -> Vec<&[f32]> {
    let batch = elements.len() / (channels * places);
    let order = (0..channels).flat_map(|channel| (0..batch).map(move |n| n * channels + channel));
    order.map(|plane| &elements[plane * places..][..places]).collect()
}

/// Returns the planes of all channels in the order of [`planes`], to be written.
pub(super) fn planes_mut(elements: &mut [f32], channels: usize, places: usize) -> Vec<&mut [f32]> {
    let mut planes: Vec<Option<&mut [f32]>> = elements.chunks_exact_mut(places).map(Some).collect();
    let batch = planes.len() / channels;
    let order = (0..channels).flat_map(|channel| (0..batch).map(move |n| n * channels + channel));
    order.filter_map(|plane| planes[plane].take()).collect()
}

/// A sum of many numbers: in lanes, which are added up in double precision before they get long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    lanes: [Lanes; REGISTERS],
    pending: usize,
    total: f64,
}

impl Sum {
    /// Returns the empty sum.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Sum { lanes: [[0.0; LANES]; REGISTERS], pending: 0, total: 0.0 }
    }

    /// Adds `f(a, b)` of each pair from two slices of at most [`BLOCK`] elements and one length.
    #[inline(always)]
    pub(super) fn add(&mut self, a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
        let mut lanes = self.lanes;
        let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks(), b.as_chunks());
        let ((a_fours, a_chunks), (b_fours, b_chunks)) =
            (a_chunks.as_chunks::<REGISTERS>(), b_chunks.as_chunks::<REGISTERS>());
        for (a, b) in a_fours.iter().zip(b_fours) {
            for register in 0..REGISTERS {
                add_lanes(&mut lanes[register], &a[register], &b[register], &f);
            }
        }
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            add_lanes(&mut lanes[0], a, b, &f);
        }
        if !a_rest.is_empty() {
            let (a, b) = (filled_up(a_rest), filled_up(b_rest));
            let mut last = [0.0; LANES];
            add_lanes(&mut last, &a, &b, &f);
            for (lane, last) in last.into_iter().enumerate() {
                lanes[0][lane] += if lane < a_rest.len() { last } else { 0.0 };
            }
        }
        self.lanes = lanes;
        self.pending += a.len();
        if self.pending >= BLOCK {
            self.flush();
        }
    }

    /// Returns the sum.
    #[inline(always)]
    pub(super) fn total(mut self) -> f64 {
        self.flush();
        self.total
    }

    #[inline(always)]
    fn flush(&mut self) {
        for lanes in &mut self.lanes {
            self.total += total(lanes);
            *lanes = [0.0; LANES];
        }
        self.pending = 0;
    }
}

#[inline(always)]
fn add_lanes(sums: &mut Lanes, a: &Lanes, b: &Lanes, f: &impl Fn(f32, f32) -> f32) {
    for lane in 0..LANES {
        sums[lane] += f(a[lane], b[lane]);
    }
}

/// Returns the last elements, fewer than [`LANES`], filled up with zeros.
#[inline(always)]
fn filled_up(rest: &[f32]) -> Lanes {
    let mut lanes = [0.0; LANES];
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane = x);
    lanes
}
