//! What the operators over the channels of `[N, C, H, W]` share: the planes of a channel, and
//! sums over them that stay accurate however many places there are.

use super::simd::{LANES, total};

/// Elements that are summed in single precision, 32 lanes of them: the rest in double precision.
pub(super) const BLOCK: usize = 4096;
/// Lanes of a sum: four registers, so that additions do not wait for each other.
const WIDE: usize = 32;

/// Returns for each channel its planes of the batch; none where there are no elements.
pub(super) fn planes(elements: &[f32], channels: usize, places: usize) -> Vec<Vec<&[f32]>> {
    by_channel(elements.chunks_exact(places), channels)
}

/// Returns for each channel its planes of the batch, to be written.
pub(super) fn planes_mut(
    elements: &mut [f32],
    channels: usize,
    places: usize,
) -> Vec<Vec<&mut [f32]>> {
    by_channel(elements.chunks_exact_mut(places), channels)
}

fn by_channel<T>(planes: impl ExactSizeIterator<Item = T>, channels: usize) -> Vec<Vec<T>> {
    let batch = planes.len() / channels;
    let mut sorted: Vec<Vec<T>> = (0..channels).map(|_| Vec::with_capacity(batch)).collect();
    for (index, plane) in planes.enumerate() {
        sorted[index % channels].push(plane);
    }
    sorted
}

/// A sum of many numbers: in lanes, which are added up in double precision before they get long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    lanes: [f32; WIDE],
    pending: usize,
    total: f64,
}

impl Sum {
    /// Returns the empty sum.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Sum { lanes: [0.0; WIDE], pending: 0, total: 0.0 }
    }

    /// Adds `f(a, b)` of each pair from two slices of at most [`BLOCK`] elements and one length.
    #[inline(always)]
    pub(super) fn add(&mut self, a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
        let length = a.len();
        let mut lanes = self.lanes;
        let ((a_chunks, a), (b_chunks, b)) = (a.as_chunks::<WIDE>(), b.as_chunks::<WIDE>());
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for lane in 0..WIDE {
                lanes[lane] += f(a[lane], b[lane]);
            }
        }
        let ((a_chunks, a), (b_chunks, b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for lane in 0..LANES {
                lanes[lane] += f(a[lane], b[lane]);
            }
        }
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += f(a, b);
        }
        self.lanes = lanes;
        self.pending += length;
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
        self.total += total(&self.lanes);
        self.lanes = [0.0; WIDE];
        self.pending = 0;
    }
}
