//! Huffman codes of baseline JPEG: tables and the reader of coded data.
//!
//! Takes the data of a scan, gives the quantised coefficients of one block after the
//! other. It never reads past the data: where they end, or a marker stands, it reads
//! zeros and says so ([`Reader::is_exhausted`]).
//!
//! # Source
//! ITU-T T.81, annex C (tables), F.2.2 (decoding).

use super::super::MediaError;

/// Bits that are looked up at once: nearly all codes of a photograph together with the
/// bits of their value.
const LOOKUP_BITS: u32 = 10;
/// Length in bits of the longest code.
const LONGEST: usize = 16;
/// Symbol of a run of zeros without a value; any other one without a value ends the block.
const SIXTEEN_ZEROS: u8 = 0xf0;

/// Index of a coefficient in its block by its place in the coded order (T.81, figure
/// 5). Runs that lead out of the block, which damage makes, end in the last one.
const ZIGZAG: [u8; 128] = {
    let order: [u8; 64] = [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27,
        20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
        58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];
    let mut padded = [63; 128];
    let mut at = 0;
    while at < 64 {
        padded[at] = order[at];
        at += 1;
    }
    padded
};

/// Returns the index in its block of the coefficient at a place of the coded order.
pub(super) fn natural(place: usize) -> usize {
    usize::from(ZIGZAG[place & 127])
}

/// Coefficients of a block, row by row, quantised.
pub(super) type Block = [i16; 64];

/// A Huffman table.
pub(super) struct Table {
    /// By the next [`LOOKUP_BITS`] bits, see [`Entry`].
    lookup: [Entry; 1 << LOOKUP_BITS],
    /// By the length of a code: the first code, in 16 bits, that is longer.
    limits: [u32; LONGEST + 1],
    /// By the length of a code: what to add to it to find its symbol.
    offsets: [i32; LONGEST + 1],
    symbols: [u8; 256],
}

/// What the next bits stand for.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// The value where its bits are among those looked at, else 0.
    value: i16,
    /// Length in bits: of code and value where the value is known, else of the code; 0
    /// for a longer code.
    bits: u8,
    /// Run of zeros before the value, and number of bits of the value: four bits each.
    symbol: u8,
}

impl Table {
    /// Builds a table from its segment: 16 numbers of codes by length, the symbols.
    ///
    /// `None` where there are more codes than their lengths allow, or too few symbols.
    pub(super) fn new(segment: &[u8]) -> Option<Table> {
        let (counts, listed) = segment.split_first_chunk::<LONGEST>()?;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let listed = listed.get(..total)?;
        let mut table = Table {
            lookup: [Entry::default(); 1 << LOOKUP_BITS],
            limits: [0; LONGEST + 1],
            offsets: [0; LONGEST + 1],
            symbols: [0; 256],
        };
        table.symbols.get_mut(..total)?.copy_from_slice(listed);
        let (mut code, mut first) = (0_u32, 0_usize);
        for (length, &count) in (1..).zip(counts) {
            table.offsets[length] = first as i32 - code as i32;
            for &symbol in &listed[first..first + usize::from(count)] {
                table.enter(code, length as u32, symbol);
                code += 1;
            }
            if code > 1 << length {
                return None;
            }
            first += usize::from(count);
            table.limits[length] = code << (LONGEST - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Enters a code for all continuations of it.
    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        let Some(free) = LOOKUP_BITS.checked_sub(length) else { return };
        let size = u32::from(symbol & 15);
        for rest in 0..1_u32 << free {
            let entry = if size > 0 && size <= free {
                let value = extend(rest >> (free - size), size);
                Entry { value: value as i16, bits: (length + size) as u8, symbol }
            } else {
                Entry { value: 0, bits: length as u8, symbol }
            };
            if let Some(place) = self.lookup.get_mut((code << free | rest) as usize) {
                *place = entry;
            }
        }
    }
}

/// Returns the value that `size` bits stand for, `size` at least 1.
///
/// # Source
/// T.81, F.2.2.1, figure F.12.
#[inline(always)]
fn extend(bits: u32, size: u32) -> i32 {
    // Values whose first bit is 0 are negative.
    let negative = (bits >> (size - 1)).wrapping_sub(1) as i32;
    bits as i32 + (negative & (1 - (1 << size)))
}

/// Reads coded data bit by bit.
pub(super) struct Reader<'a> {
    data: &'a [u8],
    /// Place of the next byte to take.
    at: usize,
    window: Window,
    /// Number of zeros that were put after the data.
    padding: u32,
}

/// The next bits of the data: small, so that it stays in registers.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// From the highest bit on; those beyond `count` may be any that follow.
    bits: u64,
    /// Number of bits that are taken into account.
    count: u32,
}

impl Window {
    /// Number of bits that are there after a refill at the least: a code and its value
    /// at their longest.
    const ENOUGH: u32 = 32;

    #[inline(always)]
    fn skip(&mut self, bits: u32) {
        self.bits <<= bits;
        self.count -= bits;
    }

    /// Takes a value of `size` bits, 1 to 15.
    #[inline(always)]
    fn value(&mut self, size: u32) -> i32 {
        let value = extend((self.bits >> (64 - size)) as u32, size);
        self.skip(size);
        value
    }

    #[inline(always)]
    fn look_up(self, table: &Table) -> Entry {
        table.lookup[(self.bits >> (64 - LOOKUP_BITS)) as usize]
    }

    /// Takes the symbol of a code whose value was not looked up; `None` where no code
    /// begins like the next bits.
    #[inline(always)]
    fn symbol(&mut self, table: &Table, entry: Entry) -> Option<u8> {
        if entry.bits > 0 {
            self.skip(u32::from(entry.bits));
            return Some(entry.symbol);
        }
        let code = (self.bits >> 48) as u32;
        let length = (LOOKUP_BITS as usize + 1..=LONGEST).find(|&n| code < table.limits[n])?;
        let at = (code >> (LONGEST - length)) as i32 + table.offsets[length];
        self.skip(length as u32);
        Some(table.symbols[at as usize & 255])
    }
}

impl<'a> Reader<'a> {
    /// Returns a reader of the data of a scan.
    pub(super) fn new(data: &'a [u8]) -> Reader<'a> {
        Reader { data, at: 0, window: Window::default(), padding: 0 }
    }

    /// Returns whether more bits were read than there are before the next marker.
    pub(super) fn is_exhausted(&self) -> bool {
        self.padding > self.window.count
    }

    /// Leaves the rest of the data before the next marker; returns how many whole bytes
    /// that were, and the marker.
    pub(super) fn marker(&mut self) -> (usize, Option<u8>) {
        let whole = self.window.count.saturating_sub(self.padding) / 8;
        let rest = self.data.get(self.at..).unwrap_or_default();
        let found =
            rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff));
        let skipped = found.unwrap_or(rest.len());
        let marker = found.map(|at| rest[at + 1]);
        self.at += found.map_or(rest.len(), |at| at + 2);
        (self.window, self.padding) = (Window::default(), 0);
        (whole as usize + skipped, marker)
    }

    /// Returns the window with at least [`Window::ENOUGH`] bits.
    #[inline(always)]
    fn refill(&mut self, mut window: Window) -> Window {
        if window.count >= Window::ENOUGH {
            return window;
        }
        if let Some(next) = self.data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let next = u64::from_be_bytes(*next);
            // Where no byte of the inverse is zero, there is nothing to unescape and no
            // marker.
            if (!next).wrapping_sub(0x0101_0101_0101_0101) & next & 0x8080_8080_8080_8080 == 0 {
                window.bits |= next >> window.count;
                let bytes = (63 - window.count) / 8;
                self.at += bytes as usize;
                window.count += 8 * bytes;
                return window;
            }
        }
        self.refill_by_byte(window)
    }

    #[cold]
    #[inline(never)]
    fn refill_by_byte(&mut self, mut window: Window) -> Window {
        while window.count <= 56 {
            let byte = match self.data.get(self.at..) {
                // A zero after 0xff says that it is data.
                Some([0xff, 0, ..]) => {
                    self.at += 2;
                    0xff
                }
                Some([0xff, ..] | []) | None => {
                    self.padding += 8;
                    0
                }
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            window.bits |= u64::from(byte) << (56 - window.count);
            window.count += 8;
        }
        window
    }

    /// Reads the coefficients of a block into `block`, which is all zeros before;
    /// `previous` is the first one of the block before in the same component. Returns
    /// the number of coefficients, in the coded order, after which all are zero.
    #[inline(always)]
    pub(super) fn block(
        &mut self,
        dc: &Table,
        ac: &Table,
        previous: &mut i16,
        block: &mut Block,
    ) -> Result<usize, MediaError> {
        let mut window = self.refill(self.window);
        let entry = window.look_up(dc);
        let difference = if entry.value != 0 {
            window.skip(u32::from(entry.bits));
            i32::from(entry.value)
        } else {
            match window.symbol(dc, entry) {
                Some(0) => 0,
                Some(size @ 1..=15) => window.value(u32::from(size)),
                _ => return Err(no_code()),
            }
        };
        *previous = previous.wrapping_add(difference as i16);
        block[0] = *previous;
        let mut place = 1;
        while place < 64 {
            window = self.refill(window);
            let entry = window.look_up(ac);
            let value = if entry.value != 0 {
                window.skip(u32::from(entry.bits));
                place += usize::from(entry.symbol >> 4);
                entry.value
            } else {
                let Some(symbol) = window.symbol(ac, entry) else { return Err(no_code()) };
                let size = u32::from(symbol & 15);
                if size == 0 {
                    if symbol == SIXTEEN_ZEROS {
                        place += 16;
                        continue;
                    }
                    self.window = window;
                    return Ok(place);
                }
                place += usize::from(symbol >> 4);
                window.value(size) as i16
            };
            block[natural(place) & 63] = value;
            place += 1;
        }
        self.window = window;
        if place > 64 {
            return Err(MediaError::corrupt("a block of the picture has too many coefficients"));
        }
        Ok(64)
    }
}

#[cold]
fn no_code() -> MediaError {
    MediaError::corrupt("the picture's data hold a code that its tables do not")
}
