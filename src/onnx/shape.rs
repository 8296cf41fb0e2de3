//! Types of tensors: an element type and a static shape.
//!
//! Takes shapes, gives shapes; knows nothing of operators.

use std::fmt;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point (IEEE 754 half).
    F16,
    /// Signed 64-bit integer, of shapes and indices.
    I64,
    /// Truth value.
    Bool,
}

impl DType {
    /// Returns the name that ONNX's type constraints use: `float`, `float16`, `int64`, `bool`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "float",
            DType::F16 => "float16",
            DType::I64 => "int64",
            DType::Bool => "bool",
        }
    }

    /// Returns the size of one element in bytes.
    pub fn bytes(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F16 => 2,
            DType::I64 => 8,
            DType::Bool => 1,
        }
    }
}

/// Extents of a tensor, outermost first; empty for a scalar.
pub type Shape = Vec<usize>;

/// Element type and static shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Shape,
}

impl TensorType {
    /// Returns the type of a 32-bit floating-point tensor.
    pub fn f32(shape: &[usize]) -> Self {
        TensorType { dtype: DType::F32, shape: shape.to_vec() }
    }

    /// Returns this element type with another shape.
    pub fn with_shape(&self, shape: &[usize]) -> Self {
        TensorType { dtype: self.dtype, shape: shape.to_vec() }
    }

    /// Returns the number of elements.
    pub fn volume(&self) -> usize {
        volume(&self.shape)
    }

    /// Returns the number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype.name(), self.shape)
    }
}

/// Returns the number of elements of a shape: 1 for a scalar.
pub fn volume(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Returns the shape of an elementwise operator's result, or `None` where the shapes do not
/// fit together: axes are aligned at the end, and an extent of 1 is repeated.
///
/// # Source
/// ONNX, "Multidirectional broadcasting".
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], axis: usize| {
        (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis])
    };
    (0..rank)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// Returns the axes over which a tensor of `shape` was repeated to give `whole`, as axes of
/// `whole`: what its gradient is summed over.
pub fn repeated_axes(shape: &[usize], whole: &[usize]) -> Vec<usize> {
    let lead = whole.len() - shape.len();
    (0..whole.len())
        .filter(|&axis| axis < lead || (shape[axis - lead] == 1 && whole[axis] != 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_aligned_at_the_end() {
        assert_eq!(broadcast(&[2, 3, 4], &[3, 1]), Some(vec![2, 3, 4]));
        assert_eq!(broadcast(&[], &[5]), Some(vec![5]));
        assert_eq!(broadcast(&[2], &[3]), None);
        assert_eq!(repeated_axes(&[3, 1], &[2, 3, 4]), [0, 2]);
        assert_eq!(repeated_axes(&[], &[2, 3]), [0, 1]);
        assert_eq!(repeated_axes(&[1, 3], &[1, 3]), [0_usize; 0]);
    }
}
