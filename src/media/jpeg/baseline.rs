//! Baseline JPEG, the kind that cameras and exporters write: decoded to its own planes,
//! brightness at full and colour at stored resolution, which is what measures need.
//!
//! Takes a parsed header and the data of the only scan; refuses what is damaged.
//!
//! # Source
//! ITU-T T.81, annexes A, B and F; T.871 (JFIF).

use super::super::{MediaError, prepare};
use super::entropy::{Reader, Table};
use super::header::{Component as Declared, Header};
use super::idct::{self, SIDE, Steps, Waves};
use crate::pixels::{Layout, Picture};

/// How to decode a picture.
pub(super) struct Scan {
    size_px: [u32; 2],
    /// Number of units, across and down.
    units: [usize; 2],
    components: Vec<Component>,
    /// Number of units between two restart markers; 0 for no markers.
    interval: usize,
}

/// A component, how it is coded and how large its plane is.
struct Component {
    /// Blocks per unit, across and down.
    blocks: [usize; 2],
    /// Samples that belong to the picture, across and down.
    size: [usize; 2],
    /// Samples of whole units, across and down.
    padded: [usize; 2],
    steps: Steps,
    dc: Table,
    ac: Table,
}

impl Scan {
    /// Returns how to decode a picture; `None` for one that is not of this kind: not
    /// baseline, not grey or YCbCr, several scans, more colour than brightness, or
    /// without its tables.
    pub(super) fn new(header: &Header<'_>) -> Option<Scan> {
        let size_px = header.size_px?;
        let declared = header.components();
        let is_ours = header.is_sequential() && header.is_ycbcr() && !size_px.contains(&0);
        let (first, colours) = declared.split_first()?;
        if !is_ours || !matches!(colours.len(), 0 | 2) {
            return None;
        }
        // The only component of a picture has units of one block whatever it declares.
        let full = if colours.is_empty() { [1, 1] } else { first.sampling };
        let fits = |c: &Declared| {
            c.sampling == colours[0].sampling
                && c.sampling.iter().zip(full).all(|(n, all)| *n <= all)
        };
        if !colours.iter().all(fits) {
            return None;
        }
        let units = [0, 1].map(|axis| (size_px[axis] as usize).div_ceil(SIDE * full[axis]));
        let component = |declared: &Declared| {
            let blocks = if colours.is_empty() { full } else { declared.sampling };
            let size = |axis: usize| (size_px[axis] as usize * blocks[axis]).div_ceil(full[axis]);
            Some(Component {
                blocks,
                size: [0, 1].map(size),
                padded: [0, 1].map(|axis| units[axis] * blocks[axis] * SIDE),
                steps: Steps::new(&header.quantisation(declared.quantisation)?),
                dc: Table::new(header.huffman(0, declared.dc)?)?,
                ac: Table::new(header.huffman(1, declared.ac)?)?,
            })
        };
        let components = declared.iter().map(component).collect::<Option<_>>()?;
        Some(Scan { size_px, units, components, interval: header.restart_interval })
    }

    /// Decodes into `picture`; returns the number of bytes that are left over between
    /// the picture's data and the marker after them.
    pub(super) fn decode(&self, data: &[u8], picture: &mut Picture) -> Result<usize, MediaError> {
        let layout = match &self.components[..] {
            [_, colour, _] => Layout::YCbCr { chroma: colour.size.map(|side| side as u32) },
            _ => Layout::Grey,
        };
        let length = self.components.iter().map(Component::length).sum();
        prepare(picture, self.size_px, layout, length);
        let mut rest = &mut picture.samples[..];
        let mut planes = Vec::with_capacity(self.components.len());
        for component in &self.components {
            let (plane, others) = rest.split_at_mut(component.length());
            planes.push(plane);
            rest = others;
        }
        let unused = decode(self, data, &mut planes)?;
        self.crop(&mut picture.samples);
        Ok(unused)
    }

    /// Takes away the columns and rows that fill up the last units.
    fn crop(&self, samples: &mut Vec<u8>) {
        let (mut from, mut to) = (0, 0);
        for component in &self.components {
            let ([width, height], [stride, _]) = (component.size, component.padded);
            for row in 0..height {
                let start = from + row * stride;
                if start != to {
                    samples.copy_within(start..start + width, to);
                }
                to += width;
            }
            from += component.length();
        }
        samples.truncate(to);
    }
}

impl Component {
    /// Returns the number of samples of whole units.
    fn length(&self) -> usize {
        self.padded[0] * self.padded[1]
    }
}

/// Decodes all units; each plane takes its component's padded size.
#[multiversion::multiversion(targets(
    "x86_64+avx2+bmi1+bmi2",
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+bmi1+bmi2"
))]
fn decode(scan: &Scan, data: &[u8], planes: &mut [&mut [u8]]) -> Result<usize, MediaError> {
    let mut reader = Reader::new(data);
    let waves = Waves::new();
    let mut previous = [0_i16; 3];
    let mut block = [0_i16; SIDE * SIDE];
    let (mut left, mut restarts) = (scan.interval, 0);
    for unit_y in 0..scan.units[1] {
        for unit_x in 0..scan.units[0] {
            if scan.interval > 0 {
                if left == 0 {
                    restart(&mut reader, restarts)?;
                    restarts = (restarts + 1) % 8;
                    previous = [0; 3];
                    left = scan.interval;
                }
                left -= 1;
            }
            let components = scan.components.iter().zip(&mut *planes).zip(&mut previous);
            for ((component, plane), previous) in components {
                let ([across, down], [stride, _]) = (component.blocks, component.padded);
                for block_y in 0..down {
                    for block_x in 0..across {
                        block.fill(0);
                        let count =
                            reader.block(&component.dc, &component.ac, previous, &mut block)?;
                        let row = (unit_y * down + block_y) * SIDE;
                        let column = (unit_x * across + block_x) * SIDE;
                        let place = &mut plane[row * stride + column..];
                        idct::samples(&block, count, &component.steps, &waves, place, stride);
                    }
                }
            }
        }
        if reader.is_exhausted() {
            return Err(ends_early());
        }
    }
    Ok(reader.marker().0)
}

/// Goes on behind a restart marker.
#[cold]
fn restart(reader: &mut Reader<'_>, number: u8) -> Result<(), MediaError> {
    if reader.is_exhausted() {
        return Err(ends_early());
    }
    match reader.marker().1 {
        Some(marker) if marker == 0xd0 + number => Ok(()),
        _ => Err(MediaError::corrupt("a restart marker is missing")),
    }
}

fn ends_early() -> MediaError {
    MediaError::corrupt("the data end before the last row of the picture")
}
