//! Memory that a thread uses again from picture to picture.

use super::warp::Row;
use crate::pixels::Picture;

/// Buffers of the resampling and of the filters. What they hold has no meaning between calls.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// A source at half its size, and at half of that.
    pub(super) halves: [Picture; 2],
    /// Where the pixels of a row come from.
    pub(super) row: Row,
    /// The picture with a border, which filters read.
    pub(super) padded: Vec<u8>,
    /// Sums of a row of a filter.
    pub(super) sums: Vec<i32>,
}
