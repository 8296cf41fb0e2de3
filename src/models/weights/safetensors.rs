//! Safetensors, the format in which timm publishes weights: a length, a JSON header
//! with type, shape and place of each tensor, then their bytes.
//!
//! # Source
//! <https://github.com/huggingface/safetensors>, section "Format".

use std::borrow::Cow;
use std::collections::HashMap;

use ::safetensors::tensor::{Dtype, Metadata, View};

use super::tensors::{Data, Stored, Tensor, Tensors};

/// Bytes of the length before the header.
pub(super) const LENGTH: usize = 8;

/// Reads the bytes of a safetensors file.
pub(super) fn parse(bytes: &[u8]) -> Result<Tensors, SafetensorsError> {
    // The crate's own `deserialize` adds to offsets that it does not trust yet, which
    // panics in builds that check arithmetic. So header and data are taken apart here,
    // and the crate judges the header alone.
    let (length, rest) = bytes.split_first_chunk::<LENGTH>().ok_or(SafetensorsError::Truncated)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (header, data) = rest.split_at_checked(length).ok_or(SafetensorsError::Truncated)?;
    let metadata: Metadata = serde_json::from_slice(header)?;
    if metadata.data_len() != data.len() {
        return Err(SafetensorsError::Length { header: metadata.data_len(), file: data.len() });
    }
    let mut tensors = Tensors::default();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let Some(stored) = stored(info.dtype) else {
            return Err(SafetensorsError::Type { name, dtype: info.dtype.to_string() });
        };
        let (start, end) = info.data_offsets;
        // The crate has held the tensors to be contiguous and as long as their shapes say.
        let values = data.get(start..end).ok_or(SafetensorsError::Truncated)?;
        let tensor = Tensor::new(info.shape.clone(), stored.decode(values))
            .map_err(|_| SafetensorsError::Truncated)?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

fn stored(dtype: Dtype) -> Option<Stored> {
    Some(match dtype {
        Dtype::F64 => Stored::F64,
        Dtype::F32 => Stored::F32,
        Dtype::F16 => Stored::F16,
        Dtype::BF16 => Stored::Bf16,
        Dtype::I64 => Stored::I64,
        Dtype::I32 => Stored::I32,
        Dtype::I16 => Stored::I16,
        Dtype::I8 => Stored::I8,
        Dtype::U8 | Dtype::BOOL => Stored::U8,
        _ => return None,
    })
}

/// Returns the bytes of a safetensors file: floats in 32 bits, integers in 64.
///
/// # Errors
/// Fails when the header would be over 100 MB, the format's limit.
pub fn to_safetensors(tensors: &Tensors) -> Result<Vec<u8>, SafetensorsError> {
    // Readers that serve several frameworks look for this entry. A second one would
    // stand in an order that changes from run to run.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    Ok(::safetensors::serialize(tensors.iter().map(|(name, t)| (name, Row(t))), Some(metadata))?)
}

/// A tensor as the crate wants to see it.
struct Row<'a>(&'a Tensor);

impl View for Row<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.data() {
            Data::F32(_) => Dtype::F32,
            Data::I64(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.to_bytes().into()
    }

    fn data_len(&self) -> usize {
        match self.0.data() {
            Data::F32(values) => size_of_val(values.as_slice()),
            Data::I64(values) => size_of_val(values.as_slice()),
        }
    }
}

/// Why bytes are not a safetensors file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// The file ends before its header does.
    #[error("the safetensors file is cut short")]
    Truncated,
    /// The header is not JSON, or its offsets, shapes and types contradict each other.
    #[error("the header of the safetensors file makes no sense")]
    Header(#[from] serde_json::Error),
    /// The header describes more or fewer bytes than there are.
    #[error("the safetensors file holds {file} bytes of tensors where its header says {header}")]
    Length {
        /// Bytes that the header describes.
        header: usize,
        /// Bytes that follow the header.
        file: usize,
    },
    /// A type of number that no network here uses.
    #[error("tensor {name} is of type {dtype}, which is not read")]
    Type {
        /// Name of the tensor.
        name: String,
        /// Its type as the format writes it.
        dtype: String,
    },
    /// The tensors cannot be written.
    #[error(transparent)]
    Write(#[from] ::safetensors::SafeTensorError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn some() -> Tensors {
        let tensor = |shape: &[usize], data| Tensor::new(shape.to_vec(), data).unwrap();
        [
            ("bn1.num_batches_tracked".to_string(), tensor(&[], Data::I64(vec![-3]))),
            ("bn1.weight".to_string(), tensor(&[2], Data::F32(vec![1.5, f32::MIN_POSITIVE]))),
            ("empty".to_string(), tensor(&[0, 4], Data::F32(vec![]))),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = to_safetensors(&some()).unwrap();
        assert_eq!(parse(&bytes).unwrap(), some());
        assert_eq!(to_safetensors(&some()).unwrap(), bytes, "the same tensors, the same bytes");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = to_safetensors(&some()).unwrap();
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).is_err(), "cut after {end} bytes");
        }
    }

    #[test]
    fn every_flipped_bit_is_survived() {
        let bytes = to_safetensors(&some()).unwrap();
        for place in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[place / 8] ^= 1 << (place % 8);
            let _ = parse(&flipped);
        }
    }

    /// Offsets so near the end of the address space that adding the header's length
    /// to them goes beyond it.
    #[test]
    fn offsets_at_the_end_of_the_address_space_are_an_error() {
        let size = (1_u64 << 61) - 1;
        let tensor = |i: u64, len: u64| {
            let (start, end) = (i * size, i * size + len);
            format!(r#""t{i}":{{"dtype":"U8","shape":[{len}],"data_offsets":[{start},{end}]}}"#)
        };
        let mut tensors: Vec<String> = (0..8).map(|i| tensor(i, size)).collect();
        tensors.push(tensor(8, u64::MAX - 8 * size));
        let header = format!("{{{}}}", tensors.join(","));
        assert!(matches!(parse(&file(&header, b"")), Err(SafetensorsError::Length { .. })));
    }

    #[test]
    fn a_type_that_is_not_read_is_named() {
        let header = r#"{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#;
        let error = parse(&file(header, b"\0")).unwrap_err().to_string();
        assert_eq!(error, "tensor w is of type F8_E4M3, which is not read");
    }
}
