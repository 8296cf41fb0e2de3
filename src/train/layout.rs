//! Where each tensor lies in a flat vector that holds many.
//!
//! Takes names and shapes; gives rows. Tensors start at multiples of [`ROW`] elements, so that
//! views of them are aligned and a row belongs to one tensor alone.

use crate::onnx::{Shape, volume};

/// Elements in a row: 256 bytes, what CUDA aligns allocations to.
pub const ROW: usize = 64;
/// Rows are rounded up to a multiple of this, so that sums can be made in stages.
const BLOCK: usize = 256;

/// A tensor in a flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Name of the tensor.
    pub name: String,
    /// Its extents.
    pub shape: Shape,
    /// First row.
    pub row: usize,
}

impl Place {
    /// Returns the first element's index in the flat vector.
    pub fn start(&self) -> usize {
        self.row * ROW
    }

    /// Returns the number of elements.
    pub fn volume(&self) -> usize {
        volume(&self.shape)
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.volume().div_ceil(ROW)
    }
}

/// The places of several tensors in one flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    places: Vec<Place>,
    rows: usize,
}

impl Layout {
    /// Lays tensors one after the other.
    pub fn new(tensors: impl IntoIterator<Item = (String, Shape)>) -> Self {
        let mut row = 0;
        let mut places = Vec::new();
        for (name, shape) in tensors {
            let place = Place { name, shape, row };
            row += place.rows();
            places.push(place);
        }
        Layout { places, rows: row.next_multiple_of(BLOCK).max(BLOCK) }
    }

    /// Returns the tensors in the order in which they lie.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Returns the number of rows of the flat vector.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of elements of the flat vector.
    pub fn len(&self) -> usize {
        self.rows * ROW
    }

    /// Says whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the tensor of that name.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name == name)
    }

    /// Returns one number for each row, given one for each tensor; 0 behind the last.
    pub fn by_row(&self, numbers: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let mut rows = vec![0.0; self.rows];
        for (place, number) in self.places.iter().zip(numbers) {
            rows[place.row..place.row + place.rows()].fill(number);
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_start_at_rows_of_their_own() {
        let shapes = [("a", vec![3, 50]), ("b", vec![64]), ("c", vec![])];
        let layout = Layout::new(shapes.map(|(name, shape)| (name.to_owned(), shape)));
        let rows: Vec<usize> = layout.places().iter().map(|place| place.row).collect();
        assert_eq!(rows, [0, 3, 4]);
        assert_eq!(layout.rows(), 256);
        let numbers = layout.by_row([1.0, 2.0, 1.0]);
        assert_eq!(numbers[..6], [1.0, 1.0, 1.0, 2.0, 1.0, 0.0]);
    }
}
