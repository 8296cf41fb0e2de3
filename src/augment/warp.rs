//! Moves pictures, points and boxes from a stored image to an output, all by one map: an affine
//! one and, where the plan says so, a ripple on top of it.
//!
//! A picture is resampled once, whatever the number of transforms. What lies outside of the
//! stored image is black ([`FILL`]).

use super::affine::Affine;
use super::elastic::Ripple;
use super::scratch::Scratch;
use crate::dataset::BBox;
use crate::pixels::{Layout, Picture};

/// Sample value outside of the stored image, as in DeepLabCut, whose padding is 0.
pub const FILL: u8 = 0;
/// Source pixels per output pixel above which the source is shrunk to half before it is
/// resampled: bilinear interpolation sees two pixels, and what it steps over shows as grain.
const COARSEST: f64 = 1.6;
/// Steps of the fixed-point iteration that inverts a ripple. Each takes the error to at most a
/// third or so of what it was ([`Ripple`] does not fold), so it ends far below a pixel.
const INVERSIONS: usize = 24;
/// Fractions of a source pixel that interpolation tells apart, as a power of two.
const FRACTION_BITS: i32 = 8;
const ONE: i32 = 1 << FRACTION_BITS;
/// Half of a grey level after interpolation along both axes.
const HALF: i32 = 1 << (2 * FRACTION_BITS - 1);

/// What an output shows of stored images, before augmentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Width and height of the output in pixels.
    pub size: [u32; 2],
    /// From pixels of the stored image to pixels of the output.
    pub frame: Affine,
}

impl View {
    /// Returns the middle of the output.
    pub(super) fn centre(&self) -> [f64; 2] {
        self.size.map(|side| f64::from(side) / 2.0)
    }

    /// Returns the output's pixels per pixel of the stored image.
    pub fn magnification(&self) -> f64 {
        self.frame.magnification()
    }
}

/// A map from a stored image to an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Warp {
    size: [u32; 2],
    to_output: Affine,
    to_stored: Affine,
    ripple: Option<Ripple>,
}

impl Warp {
    pub(super) fn new(size: [u32; 2], to_output: Affine, ripple: Option<Ripple>) -> Self {
        Warp { size, to_output, to_stored: to_output.inverse(), ripple }
    }

    /// Returns where a point of the stored image lies in the output.
    pub fn point(&self, stored: [f64; 2]) -> [f64; 2] {
        let flat = self.to_output.point(stored);
        let Some(ripple) = &self.ripple else { return flat };
        // The ripple says for places of the output where their content was before it; p is
        // sought with p + ripple(p) = flat.
        (0..INVERSIONS).fold(flat, |[x, y], _| {
            let [dx, dy] = ripple.at([x, y]);
            [flat[0] - dx, flat[1] - dy]
        })
    }

    /// Returns the smallest box in the output that holds the corners of a box of the stored
    /// image. It may leave the output.
    pub fn bbox(&self, stored: &BBox) -> BBox {
        let BBox { x, y, width, height } = *stored;
        let corners = [[x, y], [x + width, y], [x, y + height], [x + width, y + height]];
        let corners = corners.map(|corner| self.point(corner));
        let [left, top] =
            [0, 1].map(|at| corners.map(|c| c[at]).into_iter().fold(f64::MAX, f64::min));
        let [right, bottom] =
            [0, 1].map(|at| corners.map(|c| c[at]).into_iter().fold(f64::MIN, f64::max));
        BBox { x: left, y: top, width: right - left, height: bottom - top }
    }

    /// Draws the output.
    ///
    /// `source` is in [`Layout::Rgb`] and shows a stored image of width and height `stored`, at
    /// that size or shrunk. `output` is made `[height, width, 3]`.
    ///
    /// # Panics
    /// Panics when `source` has fewer samples than its size says.
    pub fn picture(
        &self,
        source: &Picture,
        stored: [u32; 2],
        output: &mut Picture,
        scratch: &mut Scratch,
    ) {
        let [width, height] = self.size;
        (output.width, output.height, output.layout) = (width, height, Layout::Rgb);
        output.samples.resize(width as usize * height as usize * 3, FILL);
        let shrunk = [(source.width, stored[0]), (source.height, stored[1])]
            .map(|(of, stored)| f64::from(of) / f64::from(stored));
        let mut map = self.to_stored.then(Affine::scale(shrunk[0], shrunk[1]));
        let Scratch { halves, row, .. } = scratch;
        let [next, last] = halves;
        let mut source = source;
        if map.magnification() > COARSEST {
            map = halve(source, next).then_after(map);
            while map.magnification() > COARSEST {
                map = halve(next, last).then_after(map);
                std::mem::swap(next, last);
            }
            source = next;
        }
        let source = Source::of(source);
        row.prepare(width as usize, self.ripple.as_ref());
        let rows = output.samples.chunks_exact_mut(width as usize * 3);
        for (y, pixels) in rows.enumerate() {
            row.fill(&map, self.ripple.as_ref(), y);
            sample(source, &row.places, pixels);
        }
    }
}

/// How much smaller a picture has become, along x and y.
struct Halved([f64; 2]);

impl Halved {
    fn then_after(self, map: Affine) -> Affine {
        map.then(Affine::scale(self.0[0], self.0[1]))
    }
}

/// Fills `half` with means of 2 × 2 pixels. A last odd row or column is left out, and the
/// others stay where they were: the map becomes exactly half of itself.
fn halve(picture: &Picture, half: &mut Picture) -> Halved {
    let [width, height] = [picture.width, picture.height].map(|side| (side as usize / 2).max(1));
    (half.width, half.height, half.layout) = (width as u32, height as u32, Layout::Rgb);
    half.samples.resize(width * height * 3, 0);
    let stride = picture.width as usize * 3;
    for (y, out) in half.samples.chunks_exact_mut(width * 3).enumerate() {
        let top = &picture.samples[2 * y * stride..][..stride];
        // A picture one pixel high is its own neighbour.
        let below = (2 * y + 1).min(picture.height as usize - 1);
        let bottom = &picture.samples[below * stride..][..stride];
        if stride < 6 {
            out.copy_from_slice(&top[..3]);
            continue;
        }
        let pairs = top.chunks_exact(6).zip(bottom.chunks_exact(6));
        for (out, (top, bottom)) in out.chunks_exact_mut(3).zip(pairs) {
            for channel in 0..3 {
                let sum = [top[channel], top[channel + 3], bottom[channel], bottom[channel + 3]]
                    .into_iter()
                    .map(u16::from)
                    .sum::<u16>();
                out[channel] = ((sum + 2) / 4) as u8;
            }
        }
    }
    let half = |side: u32| if side > 1 { 0.5 } else { 1.0 };
    Halved([half(picture.width), half(picture.height)])
}

/// Where the pixels of a row of the output come from, in [`ONE`]ths of a source pixel, from the
/// corner of the source.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    places: Places,
    shifts: super::elastic::Shifts,
}

/// Places of pixels along x and along y.
#[derive(Debug, Clone, Default)]
struct Places {
    u: Vec<i32>,
    v: Vec<i32>,
}

impl Row {
    fn prepare(&mut self, width: usize, ripple: Option<&Ripple>) {
        self.places.u.resize(width, 0);
        self.places.v.resize(width, 0);
        if let Some(ripple) = ripple {
            self.shifts.prepare(ripple, width);
        }
    }

    /// Finds the places of row `y`.
    fn fill(&mut self, map: &Affine, ripple: Option<&Ripple>, y: usize) {
        if let Some(ripple) = ripple {
            self.shifts.fill(ripple, y);
        }
        let [x_start, y_start] = map.point([0.5, y as f64 + 0.5]);
        let shifts = self.shifts.row();
        let line = |places: &mut [i32], [by_x, by_y, _]: [f64; 3], start: f64| {
            let [start, by_x, by_y] =
                [start, by_x, by_y].map(|value| (value * f64::from(ONE)) as f32);
            match ripple {
                None => straight(places, start, by_x),
                Some(_) => rippled(places, start, [by_x, by_y], shifts),
            }
        };
        line(&mut self.places.u, map.x, x_start);
        line(&mut self.places.v, map.y, y_start);
    }
}

/// Fills places of a row along a line: `start`, and `step` for each pixel.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn straight(places: &mut [i32], start: f32, step: f32) {
    // Numbers of 32 bits become floating point many at a time, larger ones do not.
    for (x, place) in (0_i32..).zip(places) {
        *place = (start + step * x as f32).round_ties_even() as i32;
    }
}

/// Fills places of a row whose pixels are shifted; a pixel to the right and one down move the
/// place by `by_x` and `by_y`.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn rippled(places: &mut [i32], start: f32, [by_x, by_y]: [f32; 2], shifts: &[[f32; 2]]) {
    for (x, (place, [dx, dy])) in (0_i32..).zip(places.iter_mut().zip(shifts)) {
        *place = (start + by_x * (x as f32 + dx) + by_y * dy).round_ties_even() as i32;
    }
}

/// Samples that are read from.
#[derive(Clone, Copy)]
struct Source<'a> {
    samples: &'a [u8],
    width: i32,
    height: i32,
}

impl<'a> Source<'a> {
    fn of(picture: &'a Picture) -> Self {
        let (width, height) = (picture.width as i32, picture.height as i32);
        let samples = &picture.samples[..width as usize * height as usize * 3];
        Source { samples, width, height }
    }

    /// Interpolates on the outer half of border pixels, where a neighbour is missing; outside of
    /// the picture lies [`FILL`].
    #[cold]
    fn border(&self, [u, v]: [i32; 2]) -> [u8; 3] {
        let outside = |at: i32, side: i32| at < 0 || at >= side << FRACTION_BITS;
        if outside(u, self.width) || outside(v, self.height) {
            return [FILL; 3];
        }
        let axis = |at: i32, side: i32| {
            let last = side - 1;
            let at = (at - ONE / 2).clamp(0, last << FRACTION_BITS);
            let low = at >> FRACTION_BITS;
            (low as usize, (low + 1).min(last) as usize, at & (ONE - 1))
        };
        let ((left, right, fx), (top, bottom, fy)) = (axis(u, self.width), axis(v, self.height));
        std::array::from_fn(|channel| {
            let get = |x: usize, y: usize| {
                i32::from(self.samples[(y * self.width as usize + x) * 3 + channel])
            };
            let row = |y: usize| get(left, y) * (ONE - fx) + get(right, y) * fx;
            ((row(top) * (ONE - fy) + row(bottom) * fy + HALF) >> (2 * FRACTION_BITS)) as u8
        })
    }
}

/// Interpolates between the centres of four pixels for each of the output's row.
///
/// A load of eight bytes has a pixel and its neighbour: r g b r' g' b' and two more. Every second
/// byte, with room for 16 bits each, is interpolated between rows by one multiplication.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn sample(source: Source<'_>, Places { u, v }: &Places, pixels: &mut [u8]) {
    const EVERY_SECOND: u64 = 0x00ff_00ff_00ff_00ff;
    let stride = source.width as usize * 3;
    // Places from which the pixels to the right and below are in the picture, too.
    let (inner_x, inner_y) = ((source.width - 1) as u32, (source.height - 1) as u32);
    for ((&u, &v), pixel) in u.iter().zip(v).zip(pixels.as_chunks_mut::<3>().0) {
        // From corners to centres of pixels; what is negative becomes large as unsigned.
        let (x, y) = (u - ONE / 2, v - ONE / 2);
        let (left, top) = ((x >> FRACTION_BITS) as u32, (y >> FRACTION_BITS) as u32);
        let at = top as usize * stride + left as usize * 3;
        let load = |at| Some(u64::from_le_bytes(*source.samples.get(at..)?.first_chunk()?));
        // The last pixel but one has no eight bytes behind it.
        let (true, Some(above), Some(below)) =
            (left < inner_x && top < inner_y, load(at), load(at + stride))
        else {
            *pixel = source.border([u, v]);
            continue;
        };
        let (fx, fy) = ((x & (ONE - 1)) as u64, (y & (ONE - 1)) as u64);
        let (gx, gy) = (ONE as u64 - fx, ONE as u64 - fy);
        let mix =
            |above: u64, below: u64| (above & EVERY_SECOND) * gy + (below & EVERY_SECOND) * fy;
        // r b g' and g r' b'.
        let (even, odd) = (mix(above, below), mix(above >> 8, below >> 8));
        let value = |left: u64, right: u64| {
            let sum = (left & 0xffff) * gx + (right & 0xffff) * fx + HALF as u64;
            (sum >> (2 * FRACTION_BITS)) as u8
        };
        *pixel = [value(even, odd >> 16), value(odd, even >> 32), value(even >> 16, odd >> 32)];
    }
}
