//! The segments of a JPEG file before its first scan.
//!
//! Takes the file's bytes, gives what they declare; decodes nothing. What a segment
//! lacks is found out by who asks for it.
//!
//! # Source
//! ITU-T T.81, annex B; T.871 (JFIF); Adobe technical note 5116 (colour transform).

use super::super::MediaError;

/// Start-of-frame marker of progressive pictures, lower half.
const PROGRESSIVE: u8 = 2;

/// What the segments before the first scan declare.
#[derive(Default)]
pub(super) struct Header<'a> {
    /// Width and height in pixels.
    pub(super) size_px: Option<[u32; 2]>,
    /// EXIF data, from their TIFF header on.
    pub(super) exif: Option<&'a [u8]>,
    /// Whether a run of zero bits may be flat blocks: the AC code of all zeros is
    /// the end of a block (or a run of zero coefficients).
    pub(super) zeros_are_flat: bool,
    /// Number of units between restart markers; 0 for no markers.
    pub(super) restart_interval: usize,
    /// Low half of the SOF marker: 0 baseline, 1 extended, 2 progressive, …
    process: u8,
    precision: u8,
    /// Components as the frame and the scan declare them.
    frame: &'a [u8],
    scan: &'a [u8],
    jfif: bool,
    /// Colour transform of the Adobe segment: 0 for RGB, 1 for YCbCr.
    transform: Option<u8>,
    /// By class (0 DC, 1 AC) and number: numbers of codes, then symbols.
    huffman: [[Option<&'a [u8]>; 4]; 2],
    /// By number: bytes per step, and the steps in the coded order.
    quantisation: [Option<(u8, &'a [u8])>; 4],
}

/// A component of a picture: brightness, or one of colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    /// Blocks per unit, across and down, 1 to 4.
    pub(super) sampling: [usize; 2],
    /// Number of its quantisation table.
    pub(super) quantisation: usize,
    /// Number of its DC table.
    pub(super) dc: usize,
    /// Number of its AC table.
    pub(super) ac: usize,
}

impl<'a> Header<'a> {
    /// Walks the segments; returns where the data of the first scan begin.
    pub(super) fn parse(&mut self, bytes: &'a [u8]) -> Result<usize, MediaError> {
        let early = || MediaError::truncated("the file ends within its header");
        let mut at = 2;
        loop {
            // Fill bytes and stray ones before a marker are skipped.
            at += bytes
                .get(at..)
                .and_then(|rest| rest.iter().position(|&b| b == 0xff))
                .ok_or_else(early)?;
            let marker = *bytes.get(at + 1).ok_or_else(early)?;
            if marker == 0 || marker == 0xff {
                at += 1;
                continue;
            }
            at += 2;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            if marker == 0xd9 {
                return Err(MediaError::corrupt("the file ends before any picture"));
            }
            let length = usize::from(u16::from_be_bytes([
                *bytes.get(at).ok_or_else(early)?,
                *bytes.get(at + 1).ok_or_else(early)?,
            ]));
            let body = bytes.get(at + 2..at + length.max(2)).ok_or_else(early)?;
            at += length.max(2);
            match marker {
                // SOF, but for DHT (c4), JPG (c8) and DAC (cc), which share the range.
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                    self.read_frame(marker, body);
                }
                0xc4 => self.read_huffman(body),
                0xdb => self.read_quantisation(body),
                0xdd => {
                    if let Some(interval) = body.first_chunk() {
                        self.restart_interval = usize::from(u16::from_be_bytes(*interval));
                    }
                }
                0xe0 if body.starts_with(b"JFIF\0") => self.jfif = true,
                0xe1 if self.exif.is_none() => self.exif = body.strip_prefix(b"Exif\0\0"),
                0xee if body.starts_with(b"Adobe") => self.transform = body.get(11).copied(),
                0xda => {
                    self.scan = body;
                    return Ok(at);
                }
                _ => {}
            }
        }
    }

    fn read_frame(&mut self, marker: u8, body: &'a [u8]) {
        if let [precision, h1, h0, w1, w0, _count, frame @ ..] = body {
            self.process = marker & 0x0f;
            self.precision = *precision;
            let side = |high: &u8, low: &u8| u32::from(u16::from_be_bytes([*high, *low]));
            self.size_px = Some([side(w1, w0), side(h1, h0)]);
            self.frame = frame;
        }
    }

    fn read_huffman(&mut self, mut body: &'a [u8]) {
        while let [class, rest @ ..] = body {
            let Some((counts, values)) = rest.split_at_checked(16) else { return };
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            // Codes are canonical (T.81, annex C), so the code of all zeros belongs to
            // the first symbol; an AC symbol whose lower half is 0 stands for zeros
            // only. The first AC table is that of brightness.
            if *class == 0x10 {
                self.zeros_are_flat = values.first().is_none_or(|symbol| symbol & 0x0f == 0);
            }
            let tables = self.huffman.get_mut(usize::from(class >> 4));
            if let Some(table) = tables.and_then(|t| t.get_mut(usize::from(class & 15))) {
                *table = Some(rest);
            }
            body = values.get(total..).unwrap_or_default();
        }
    }

    fn read_quantisation(&mut self, mut body: &'a [u8]) {
        while let [class, rest @ ..] = body {
            let bytes_per_step = 1 + (class >> 4).min(1);
            let Some((steps, others)) = rest.split_at_checked(64 * usize::from(bytes_per_step))
            else {
                return;
            };
            if let Some(table) = self.quantisation.get_mut(usize::from(class & 15)) {
                *table = Some((bytes_per_step, steps));
            }
            body = others;
        }
    }

    /// Refuses what no decoder here can decode.
    pub(super) fn check_process(&self) -> Result<(), MediaError> {
        let process = match self.process {
            0..=PROGRESSIVE => None,
            3 | 7 | 11 | 15 => Some("lossless"),
            5 | 6 | 13 | 14 => Some("hierarchical"),
            _ => Some("arithmetic-coded"),
        };
        match process {
            Some(process) => Err(MediaError::unsupported(format!("{process} JPEG"))),
            None if self.precision != 8 => {
                Err(MediaError::unsupported(format!("JPEG of {} bits per sample", self.precision)))
            }
            None => Ok(()),
        }
    }

    /// Returns whether the picture is progressive.
    pub(super) fn is_progressive(&self) -> bool {
        self.process == PROGRESSIVE
    }

    /// Returns whether the first scan holds whole blocks, coded one after the other.
    pub(super) fn is_sequential(&self) -> bool {
        self.process < PROGRESSIVE && self.precision == 8 && self.scan.ends_with(&[0, 63, 0])
    }

    /// Returns whether the picture is grey or in JPEG's own brightness and colour.
    ///
    /// Files that do not say are taken for what libjpeg takes them for.
    pub(super) fn is_ycbcr(&self) -> bool {
        let ids = self.frame.iter().step_by(3).take(3);
        match self.frame.len() / 3 {
            1 => true,
            3 => self.jfif || self.transform.map_or(!ids.eq(b"RGB"), |transform| transform == 1),
            _ => false,
        }
    }

    /// Returns the components of the first scan; none unless they are those of the
    /// frame, in its order.
    pub(super) fn components(&self) -> Vec<Component> {
        let Some((&count, rest)) = self.scan.split_first() else { return Vec::new() };
        let declared = self.frame.as_chunks::<3>().0;
        let scanned = rest.as_chunks::<2>().0.iter().take(usize::from(count));
        if declared.len() != usize::from(count) || scanned.len() != declared.len() {
            return Vec::new();
        }
        let component =
            |(&[id, sampling, quantisation], &[scanned, tables]): (&[u8; 3], &[u8; 2])| {
                let [across, down] = [sampling >> 4, sampling & 15].map(usize::from);
                let possible =
                    id == scanned && (1..=4).contains(&across) && (1..=4).contains(&down);
                possible.then_some(Component {
                    sampling: [across, down],
                    quantisation: usize::from(quantisation),
                    dc: usize::from(tables >> 4),
                    ac: usize::from(tables & 15),
                })
            };
        declared.iter().zip(scanned).map(component).collect::<Option<_>>().unwrap_or_default()
    }

    /// Returns a Huffman table of a class (0 DC, 1 AC): numbers of codes, symbols.
    pub(super) fn huffman(&self, class: usize, number: usize) -> Option<&'a [u8]> {
        *self.huffman.get(class)?.get(number)?
    }

    /// Returns the steps of a quantisation table in the coded order.
    pub(super) fn quantisation(&self, number: usize) -> Option<[u16; 64]> {
        let (bytes, steps) = (*self.quantisation.get(number)?)?;
        let step = |at: usize| match bytes {
            1 => u16::from(steps[at]),
            _ => u16::from_be_bytes([steps[2 * at], steps[2 * at + 1]]),
        };
        Some(std::array::from_fn(step))
    }
}
