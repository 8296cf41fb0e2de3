//! Checkpoints that `torch.save` wrote, read without Python and without executing
//! anything in them.
//!
//! A checkpoint is a pickle, in which tensors are views of storages, and the
//! storages' bytes. [`archive`] and [`legacy`] know where these lie in a file of today
//! and of before 2020; what they have in common is here: which tensors count, and
//! how a view becomes a tensor in row-major order.

mod archive;
mod legacy;
mod machine;
mod pickle;

use std::collections::BTreeMap;

use super::tensors::{Data, Tensor, Tensors};
pub(super) use archive::read as read_archive;
pub(super) use legacy::read as read_legacy;
pub use pickle::PickleError;
use pickle::{Object, Pickle, Storage, Value, View};

/// Entries of a checkpoint that hold a state dict, in the order in which timm looks.
const STATE_DICTS: [&str; 4] = ["state_dict_ema", "model_ema", "state_dict", "model"];

/// How many times all values of a file may appear in tensors. Tensors that share a
/// storage are common, tensors that share one many times over are an attack on memory.
const MAX_REUSE: usize = 4;

/// Why a checkpoint of PyTorch is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// The pickle is damaged or asks for more than is on the list.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// The zip archive is damaged.
    #[error("the zip archive of the checkpoint is damaged")]
    Zip(#[from] zip::result::ZipError),
    /// A member of the zip archive cannot be read.
    #[error("failed to read {member} in the zip archive of the checkpoint")]
    Member {
        /// Name of the member.
        member: String,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The parts of the file do not fit together.
    #[error("the checkpoint makes no sense: {0}")]
    Malformed(&'static str),
    /// A storage is absent or not as long as the pickle says.
    #[error("the checkpoint lacks values: storage {key} should hold {bytes} bytes")]
    Storage {
        /// Name of the storage within the file.
        key: String,
        /// Bytes that it should have.
        bytes: usize,
    },
    /// A tensor reaches beyond its storage.
    #[error("tensor {name} of shape {shape:?} reaches beyond the values stored for it")]
    Bounds {
        /// Name of the tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Tensors repeat the values of the file too often.
    #[error("the tensors hold more than {MAX_REUSE} times the values of the file")]
    Reuse,
    /// The checkpoint holds no dictionary of tensors.
    #[error("the checkpoint holds no dictionary of tensors; save the model's state_dict")]
    NoStateDict,
    /// An entry of the state dict is no tensor.
    #[error("{name} in the state dict is no tensor")]
    NotATensor {
        /// Name of the entry.
        name: String,
    },
}

/// Returns the tensors of a checkpoint as views, sorted by name.
fn state_dict(pickle: &Pickle) -> Result<BTreeMap<String, View>, TorchError> {
    let dict = |value: &Value| match value {
        Value::Object(index) => match pickle.objects.get(*index) {
            Some(Object::Dict(items)) => Some(items),
            _ => None,
        },
        _ => None,
    };
    let root = dict(&pickle.root).ok_or(TorchError::NoStateDict)?;
    let entry = |wanted: &str| {
        let named = |(key, _): &&(Value, Value)| matches!(key, Value::Text(k) if &**k == wanted);
        root.iter().rev().find(named).and_then(|(_, value)| dict(value))
    };
    let items = STATE_DICTS.into_iter().find_map(entry).unwrap_or(root);
    let mut views = BTreeMap::new();
    for (key, value) in items {
        let Value::Text(name) = key else { return Err(TorchError::NoStateDict) };
        let object = match value {
            Value::Object(index) => pickle.objects.get(*index),
            _ => None,
        };
        match object {
            Some(Object::View(view)) => views.insert(name.to_string(), view.clone()),
            _ => return Err(TorchError::NotATensor { name: name.to_string() }),
        };
    }
    if views.is_empty() { Err(TorchError::NoStateDict) } else { Ok(views) }
}

/// Makes tensors of views, each storage being read once.
fn tensors(
    views: BTreeMap<String, View>,
    mut read: impl FnMut(&Storage) -> Result<Data, TorchError>,
) -> Result<Tensors, TorchError> {
    let mut storages: BTreeMap<String, (Storage, Data)> = BTreeMap::new();
    for View { storage, .. } in views.values() {
        match storages.get(&*storage.key) {
            Some((known, _)) if known == storage => {}
            Some(_) => return Err(TorchError::Malformed("a storage is described in two ways")),
            None => {
                let data = read(storage)?;
                storages.insert(storage.key.to_string(), (storage.clone(), data));
            }
        }
    }
    let stored: usize = storages.values().map(|(_, data)| data.len()).sum();
    let mut left = stored.saturating_mul(MAX_REUSE);
    let mut tensors = Tensors::default();
    for (name, view) in views {
        let Some((_, data)) = storages.get(&*view.storage.key) else {
            return Err(TorchError::Malformed("a storage was not read"));
        };
        let Some(count) = count_within(&view, data.len()) else {
            return Err(TorchError::Bounds { name, shape: view.shape });
        };
        left = left.checked_sub(count).ok_or(TorchError::Reuse)?;
        let data = match data {
            Data::F32(values) => Data::F32(gather(values, &view, count)),
            Data::I64(values) => Data::I64(gather(values, &view, count)),
        };
        let tensor = Tensor::new(view.shape, data)
            .map_err(|_| TorchError::Malformed("a tensor does not fill its shape"))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// Returns the number of values of a view, if all of them lie within `len` values.
fn count_within(view: &View, len: usize) -> Option<usize> {
    let count = view.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))?;
    if count == 0 {
        return Some(0);
    }
    let mut last = view.offset;
    for (&size, &stride) in view.shape.iter().zip(&view.strides) {
        last = last.checked_add(stride.checked_mul(size - 1)?)?;
    }
    (last < len).then_some(count)
}

/// Collects the values of a view in row-major order.
///
/// The view lies within the values, as [`count_within`] has found.
fn gather<T: Copy>(values: &[T], view: &View, count: usize) -> Vec<T> {
    if count == 0 {
        return Vec::new();
    }
    // An axis of one value is never walked along, and its stride may be anything.
    let axes = view.shape.iter().zip(&view.strides).filter(|&(&size, _)| size > 1);
    let axes: Vec<(usize, usize)> = axes.map(|(&size, &stride)| (size, stride)).collect();
    let mut index = vec![0; axes.len()];
    let mut place = view.offset;
    let mut gathered = Vec::with_capacity(count);
    for _ in 0..count {
        gathered.push(values[place]);
        for (index, &(size, stride)) in index.iter_mut().zip(&axes).rev() {
            *index += 1;
            place += stride;
            if *index < size {
                break;
            }
            place -= stride * size;
            *index = 0;
        }
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::weights::tensors::Stored;

    fn view(offset: usize, shape: &[usize], strides: &[usize]) -> View {
        let storage = Storage { stored: Stored::F32, key: "0".into(), len: 0 };
        View { storage, offset, shape: shape.to_vec(), strides: strides.to_vec() }
    }

    #[test]
    fn strides_are_honoured() {
        let values: Vec<u32> = (0..12).collect();
        let gathered = |view: &View| {
            let count = count_within(view, values.len()).unwrap();
            gather(&values, view, count)
        };
        assert_eq!(gathered(&view(0, &[2, 3], &[3, 1])), [0, 1, 2, 3, 4, 5]);
        // The transpose of a [3, 4].
        assert_eq!(gathered(&view(0, &[4, 3], &[1, 4])), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        // A window, an expanded axis, an axis of one with a senseless stride, a scalar.
        assert_eq!(gathered(&view(5, &[2, 2], &[4, 1])), [5, 6, 9, 10]);
        assert_eq!(gathered(&view(7, &[3], &[0])), [7, 7, 7]);
        assert_eq!(gathered(&view(1, &[2, 1], &[2, usize::MAX])), [1, 3]);
        assert_eq!(gathered(&view(11, &[], &[])), [11]);
        assert_eq!(gathered(&view(99, &[0, 5], &[5, 1])), Vec::<u32>::new());
    }

    #[test]
    fn views_beyond_their_storage_are_refused() {
        assert_eq!(count_within(&view(0, &[3, 4], &[4, 1]), 12), Some(12));
        assert_eq!(count_within(&view(1, &[3, 4], &[4, 1]), 12), None);
        assert_eq!(count_within(&view(0, &[2], &[usize::MAX]), 12), None);
        assert_eq!(count_within(&view(usize::MAX, &[2], &[1]), 12), None);
        assert_eq!(count_within(&view(0, &[usize::MAX, 2], &[0, 0]), 12), None);
        assert_eq!(count_within(&view(0, &[], &[]), 0), None);
    }
}
