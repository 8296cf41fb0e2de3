//! Named tensors in memory: what every reader gives and every writer takes.

use std::collections::BTreeMap;
use std::collections::btree_map;

/// Tensors by name, sorted by it.
///
/// Names are timm's: `conv_stem.weight`, `blocks.1.0.bn2.running_var`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensors(BTreeMap<String, Tensor>);

impl Tensors {
    /// Returns a tensor.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Adds a tensor, and returns the one that had this name before.
    pub fn insert(&mut self, name: String, tensor: Tensor) -> Option<Tensor> {
        self.0.insert(name, tensor)
    }

    /// Keeps the tensors that a predicate holds for.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Tensor) -> bool) {
        self.0.retain(|name, tensor| keep(name, tensor));
    }

    /// Iterates over names and tensors, sorted by name.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Tensor> {
        self.0.iter()
    }

    /// Returns the number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Tensor)> for Tensors {
    /// Collects tensors; of several with one name the last counts.
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Tensors {
        Tensors(tensors.into_iter().collect())
    }
}

impl IntoIterator for Tensors {
    type Item = (String, Tensor);
    type IntoIter = btree_map::IntoIter<String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Tensors {
    type Item = (&'a String, &'a Tensor);
    type IntoIter = btree_map::Iter<'a, String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Values with a shape, in row-major order: the last axis varies fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// The values of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Parameters and statistics. Files with 16 or 64 bits a value are read as these.
    F32(Vec<f32>),
    /// Counters, as `num_batches_tracked`. Files with any integers are read as these.
    I64(Vec<i64>),
}

impl Data {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::I64(values) => values.len(),
        }
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Tensor {
    /// Makes a tensor of values in row-major order. An empty shape means one value.
    ///
    /// # Errors
    /// Fails when the number of values is not the product of the shape.
    pub fn new(shape: Vec<usize>, data: Data) -> Result<Tensor, LengthError> {
        let needed = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        if needed != Some(data.len()) {
            return Err(LengthError { shape, found: data.len() });
        }
        Ok(Tensor { shape, data })
    }

    /// Returns the size of each axis.
    ///
    /// # Shapes
    /// A convolution's weight: `[output channels, input channels / groups, height,
    /// width]`; a dense layer's: `[outputs, inputs]`; batch norm's: `[channels]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the values in row-major order.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Returns the values in row-major order, if they are not integers.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            Data::I64(_) => None,
        }
    }

    /// Returns the values as they stand in a file: little-endian, row-major.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.data {
            Data::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }
}

/// A shape that does not fit the number of values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} values do not fill the shape {shape:?}")]
pub struct LengthError {
    /// The shape.
    pub shape: Vec<usize>,
    /// The number of values.
    pub found: usize,
}

/// How a file stores one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
}

impl Stored {
    /// Returns the bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Stored::F64 | Stored::I64 => 8,
            Stored::F32 | Stored::I32 => 4,
            Stored::F16 | Stored::Bf16 | Stored::I16 => 2,
            Stored::I8 | Stored::U8 => 1,
        }
    }

    /// Decodes little-endian values; bytes that do not fill one are left out.
    ///
    /// Every value keeps its meaning but for 64-bit floats, which are rounded to the
    /// nearest of 32 bits.
    pub(super) fn decode(self, bytes: &[u8]) -> Data {
        match self {
            #[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
            Stored::F64 => Data::F32(each(bytes, |b| f64::from_le_bytes(b) as f32)),
            Stored::F32 => Data::F32(each(bytes, f32::from_le_bytes)),
            Stored::F16 => Data::F32(each(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
            Stored::Bf16 => Data::F32(each(bytes, |b| half::bf16::from_le_bytes(b).to_f32())),
            Stored::I64 => Data::I64(each(bytes, i64::from_le_bytes)),
            Stored::I32 => Data::I64(each(bytes, |b| i32::from_le_bytes(b).into())),
            Stored::I16 => Data::I64(each(bytes, |b| i16::from_le_bytes(b).into())),
            Stored::I8 => Data::I64(each(bytes, |b| i8::from_le_bytes(b).into())),
            Stored::U8 => Data::I64(each(bytes, |[b]: [u8; 1]| b.into())),
        }
    }
}

fn each<const N: usize, T>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&chunk| decode(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_values_must_fit() {
        assert!(Tensor::new(vec![], Data::I64(vec![7])).is_ok());
        assert!(Tensor::new(vec![0, 3], Data::F32(vec![])).is_ok());
        assert!(Tensor::new(vec![2, 3], Data::F32(vec![0.0; 5])).is_err());
        assert!(Tensor::new(vec![usize::MAX, 2], Data::F32(vec![])).is_err());
    }

    #[test]
    fn every_stored_type_keeps_its_values() {
        let f32s = |values: &[f32]| Data::F32(values.to_vec());
        assert_eq!(Stored::F64.decode(&(-0.1_f64).to_le_bytes()), f32s(&[-0.1]));
        assert_eq!(Stored::F32.decode(&1.0e-45_f32.to_le_bytes()), f32s(&[1.0e-45]));
        // The greatest half-precision number; and one and a half in bfloat16.
        assert_eq!(Stored::F16.decode(&[0xff, 0x7b]), f32s(&[65504.0]));
        assert_eq!(Stored::Bf16.decode(&[0xc0, 0x3f]), f32s(&[1.5]));
        assert_eq!(Stored::I64.decode(&i64::MIN.to_le_bytes()), Data::I64(vec![i64::MIN]));
        assert_eq!(Stored::I32.decode(&(-2_i32).to_le_bytes()), Data::I64(vec![-2]));
        assert_eq!(Stored::I16.decode(&(-2_i16).to_le_bytes()), Data::I64(vec![-2]));
        assert_eq!(Stored::I8.decode(&[0xff, 1]), Data::I64(vec![-1, 1]));
        assert_eq!(Stored::U8.decode(&[0xff, 1]), Data::I64(vec![255, 1]));
        // A payload of NaN survives bit for bit.
        let Data::F32(nan) = Stored::F32.decode(&0x7fc0_1234_u32.to_le_bytes()) else {
            panic!("floats are read as floats")
        };
        assert_eq!(nan[0].to_bits(), 0x7fc0_1234);
    }
}
