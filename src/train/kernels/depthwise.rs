//! What the depthwise operators share: attributes, shapes, and planes laid out for wide loads.

use std::cell::RefCell;

use super::operator::{Attributes, sizes};
use super::simd::LANES;
use crate::onnx::ops::Conv;

/// Reads the attributes `strides`, `pads` (top, left, bottom, right) and `dilations`.
pub(super) fn read_window(attributes: &dyn Attributes) -> Result<Conv, String> {
    let window = Conv {
        strides: sizes(attributes, "strides")?,
        pads: sizes(attributes, "pads")?,
        dilations: sizes(attributes, "dilations")?,
        groups: 1,
    };
    match window.strides.contains(&0) || window.dilations.contains(&0) {
        true => Err("strides and dilations start at 1".to_owned()),
        false => Ok(window),
    }
}

/// Images and weights of a depthwise operator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents {
    /// `N`.
    pub(super) batch: usize,
    /// `C`.
    pub(super) channels: usize,
    /// `[H, W]` of the images.
    pub(super) size: [usize; 2],
    /// `[k, k']` of the weights `[C, 1, k, k']`.
    pub(super) kernel: [usize; 2],
}

/// Takes the extents apart, of which none may be 0.
pub(super) fn extents(images: &[usize], weights: &[usize]) -> Result<Extents, String> {
    let (&[batch, channels, h, w], &[outputs, 1, k, k2]) = (images, weights) else {
        return Err("takes images [N, C, H, W] and weights [C, 1, k, k]".to_owned());
    };
    if images.contains(&0) || weights.contains(&0) {
        return Err("an extent is 0".to_owned());
    }
    match outputs == channels {
        true => Ok(Extents { batch, channels, size: [h, w], kernel: [k, k2] }),
        false => Err(format!("{outputs} kernels do not fit {channels} channels")),
    }
}

/// Rows of an output that are filled together.
pub(super) const ROWS: usize = 4;

/// Kernels that have loops of their own: square, and as far apart in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// 3×3, stride 1.
    Three1,
    /// 3×3, stride 2.
    Three2,
    /// 5×5, stride 1.
    Five1,
    /// 5×5, stride 2.
    Five2,
    /// Any other.
    Other,
}

impl Shape {
    /// Returns the shape of a kernel with its strides and dilations.
    pub(super) fn of(window: &Conv, kernel: [usize; 2]) -> Self {
        match (kernel, window.strides, window.dilations) {
            ([3, 3], [1, 1], [1, 1]) => Shape::Three1,
            ([3, 3], [2, 2], [1, 1]) => Shape::Three2,
            ([5, 5], [1, 1], [1, 1]) => Shape::Five1,
            ([5, 5], [2, 2], [1, 1]) => Shape::Five2,
            _ => Shape::Other,
        }
    }
}

/// A plane with zeros around it, laid out so that what the places of one output row see
/// through one tap of the kernel lies side by side: each row has its columns sorted by their
/// phase, the remainder by the stride.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Rows, with those of zeros.
    pub(super) rows: usize,
    /// Columns of one phase. Loads of `2·LANES` from any chunk of the output stay inside.
    pub(super) length: usize,
    /// Number of phases: the stride across.
    pub(super) phases: usize,
    /// Rows of zeros above; below zero where rows are left out.
    pub(super) top: isize,
    /// Columns of zeros before; below zero where columns are left out.
    pub(super) left: isize,
}

impl Frame {
    /// Returns the frame of an input of a convolution that gives `output` places.
    pub(super) fn of_input(window: &Conv, kernel: [usize; 2], output: [usize; 2]) -> Self {
        let [reach, across] = reach(window, kernel);
        let rows = output[0].next_multiple_of(ROWS);
        Frame {
            rows: (rows - 1) * window.strides[0] + reach,
            length: output[1].next_multiple_of(LANES)
                + LANES.max((across - 1) / window.strides[1] + 1),
            phases: window.strides[1],
            top: window.pads[0] as isize,
            left: window.pads[1] as isize,
        }
    }

    /// Elements of one row, all phases.
    pub(super) fn row(&self) -> usize {
        self.length * self.phases
    }

    /// Fills `buffer` with the frame of a plane of `[h, w]`.
    pub(super) fn fill(&self, buffer: &mut Vec<f32>, plane: &[f32], size: [usize; 2]) {
        buffer.resize(self.rows * self.row(), 0.0);
        fill(self, buffer, plane, size);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn fill(frame: &Frame, buffer: &mut [f32], plane: &[f32], [h, w]: [usize; 2]) {
    let before = (-frame.left).max(0) as usize;
    let start = frame.left.max(0) as usize;
    for (row, target) in buffer.chunks_exact_mut(frame.row()).enumerate() {
        let row = row.checked_add_signed(-frame.top).filter(|&row| row < h);
        let seen = row.and_then(|row| plane[row * w..][..w].get(before..));
        target.fill(0.0);
        let Some(seen) = seen else { continue };
        match frame.phases {
            1 => {
                let count = seen.len().min(frame.length.saturating_sub(start));
                if let Some(target) = target.get_mut(start..start + count) {
                    target.copy_from_slice(&seen[..count]);
                }
            }
            2 => {
                let (even, odd) = target.split_at_mut(frame.length);
                by_parity(seen, start, even, odd);
            }
            phases => {
                for (column, &x) in seen.iter().enumerate() {
                    let (index, phase) = ((start + column) / phases, (start + column) % phases);
                    if index < frame.length {
                        target[phase * frame.length + index] = x;
                    }
                }
            }
        }
    }
}

/// Sorts a row whose first element has column `start` by the parity of columns.
#[inline(always)]
fn by_parity(row: &[f32], start: usize, even: &mut [f32], odd: &mut [f32]) {
    let mut row = row;
    let index = start.div_ceil(2);
    if start % 2 == 1
        && let Some((first, rest)) = row.split_first()
    {
        if let Some(place) = odd.get_mut(start / 2) {
            *place = *first;
        }
        row = rest;
    }
    let (pairs, last) = row.as_chunks::<2>();
    let even = even.get_mut(index..).unwrap_or(&mut []);
    let odd = odd.get_mut(index..).unwrap_or(&mut []);
    let count = pairs.len().min(even.len()).min(odd.len());
    let (even, after) = even.split_at_mut(count);
    for ((pair, even), odd) in pairs[..count].iter().zip(even).zip(&mut odd[..count]) {
        *even = pair[0];
        *odd = pair[1];
    }
    if let ([last], Some(place)) = (last, after.first_mut())
        && count == pairs.len()
    {
        *place = *last;
    }
}

/// Returns what a kernel covers, down and across.
pub(super) fn reach(window: &Conv, kernel: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|axis| window.dilations[axis] * (kernel[axis] - 1) + 1)
}

/// Runs `body` with buffers that the thread keeps.
pub(super) fn with_buffers<T>(body: impl FnOnce(&mut [Vec<f32>; 2]) -> T) -> T {
    thread_local! {
        static BUFFERS: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
    }
    BUFFERS.with(|buffers| match buffers.try_borrow_mut() {
        Ok(mut buffers) => body(&mut buffers),
        // Only a kernel within a kernel would come here; it is served all the same.
        Err(_) => body(&mut [Vec::new(), Vec::new()]),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Batch, channels, input size, kernel, stride, pads, dilation of cases that between them
    /// have every loop, odd sizes, and padding beyond the kernel's reach.
    pub(in crate::train::kernels) fn cases() -> Vec<(Extents, Conv)> {
        let case = |size: [usize; 2], kernel: [usize; 2], stride: [usize; 2], pads, dilation| {
            let extents = Extents { batch: 2, channels: 3, size, kernel };
            (extents, Conv { strides: stride, pads, dilations: [dilation; 2], groups: 1 })
        };
        vec![
            case([7, 7], [3, 3], [1, 1], [1; 4], 1),
            case([9, 19], [3, 3], [1, 1], [0, 2, 1, 1], 1),
            case([16, 24], [3, 3], [1, 1], [1; 4], 1),
            case([9, 11], [3, 3], [1, 1], [4, 3, 3, 4], 1),
            case([14, 14], [5, 5], [1, 1], [2; 4], 1),
            case([6, 33], [5, 5], [1, 1], [2, 1, 3, 0], 1),
            case([12, 12], [3, 3], [2, 2], [0, 0, 1, 1], 1),
            case([13, 21], [3, 3], [2, 2], [1; 4], 1),
            case([12, 14], [5, 5], [2, 2], [1, 1, 2, 2], 1),
            case([15, 37], [5, 5], [2, 2], [2; 4], 1),
            case([8, 16], [3, 3], [2, 2], [0, 1, 0, 2], 1),
            case([11, 10], [3, 3], [1, 1], [2; 4], 2),
            case([11, 10], [3, 5], [2, 1], [1; 4], 1),
            case([17, 13], [3, 2], [3, 3], [1; 4], 2),
            case([7, 7], [7, 7], [1, 1], [3; 4], 1),
            case([5, 5], [1, 1], [2, 2], [0; 4], 1),
            case([1, 1], [3, 3], [1, 1], [1; 4], 1),
        ]
    }

    /// Calls `visit` with the indices of output, weight and input of each product in one plane.
    pub(in crate::train::kernels) fn products(
        extents: &Extents,
        window: &Conv,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        let [h, w] = extents.size;
        let [k, k2] = extents.kernel;
        let [rows, columns] = window.output_size(extents.size, extents.kernel).expect("fits");
        for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            for (u, v) in (0..k).flat_map(|u| (0..k2).map(move |v| (u, v))) {
                let y = (i * window.strides[0] + u * window.dilations[0])
                    .checked_sub(window.pads[0])
                    .filter(|&y| y < h);
                let x = (j * window.strides[1] + v * window.dilations[1])
                    .checked_sub(window.pads[1])
                    .filter(|&x| x < w);
                if let (Some(y), Some(x)) = (y, x) {
                    visit(i * columns + j, u * k2 + v, y * w + x);
                }
            }
        }
    }
}
