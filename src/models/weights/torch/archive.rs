//! The format of `torch.save` since PyTorch 1.6 (2020): a zip archive, not compressed,
//! of one folder with a pickle, `data.pkl`, and a file for each storage, `data/KEY`.
//!
//! # Source
//! `_save` and `_load` in PyTorch's `torch/serialization.py`.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

use super::pickle::{Storage, load};
use super::{TorchError, state_dict, tensors};
use crate::models::weights::tensors::Tensors;

/// Name of the pickle in the archive's folder.
const PICKLE: &str = "/data.pkl";

/// Reads the bytes of a checkpoint.
pub(in crate::models::weights) fn read(bytes: &[u8]) -> Result<Tensors, TorchError> {
    // A checkpoint is not appended to anything. Left to detect whether it is, the crate
    // takes the second entry for the first where that one is 76 bytes long.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let zip = ZipArchive::with_config(config, Cursor::new(bytes))?;
    let mut archive = Archive { zip, left: bytes.len() };
    let names = archive.zip.file_names().collect::<Result<Vec<_>, _>>()?;
    let folder = names.iter().find_map(|name| Some(name.strip_suffix(PICKLE)?.to_string()));
    let folder = folder.ok_or(TorchError::Malformed("it has no data.pkl"))?;
    let order = format!("{folder}/byteorder");
    if archive.zip.index_for_name(&order).is_some() && archive.member(&order)? != b"little" {
        return Err(TorchError::Malformed("it was not written on a little-endian machine"));
    }
    let pickle = load(&archive.member(&format!("{folder}{PICKLE}"))?)?;
    tensors(state_dict(&pickle)?, |storage: &Storage| {
        let size = storage.len.saturating_mul(storage.stored.size());
        let values = archive.member(&format!("{folder}/data/{}", storage.key))?;
        if values.len() != size {
            return Err(TorchError::Storage { key: storage.key.to_string(), bytes: size });
        }
        Ok(storage.stored.decode(&values))
    })
}

struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be read: members that are stored as they are and do not
    /// overlap take no more than the archive.
    left: usize,
}

impl Archive<'_> {
    fn member(&mut self, name: &str) -> Result<Vec<u8>, TorchError> {
        let file = self.zip.by_name(name)?;
        let mut bytes = Vec::new();
        // One byte more tells a member that is as long as allowed from a longer one.
        let limit = self.left as u64 + 1;
        (file.take(limit).read_to_end(&mut bytes))
            .map_err(|source| TorchError::Member { member: name.into(), source })?;
        self.left = (self.left.checked_sub(bytes.len()))
            .ok_or(TorchError::Malformed("its members are larger than the archive"))?;
        Ok(bytes)
    }
}
