//! Facts of images that were measured before, so that a second audit decodes none.
//!
//! One small file per image and set of windows, named by a hash of everything that
//! the facts depend on: the content of the image file, the windows, the version of
//! the measures, the decoders. Files are written under another name and renamed, so
//! any number of processes may share a folder. A file that is damaged, cut short or
//! of another version is as good as none. Files that no audit used for
//! [`KEPT_DAYS`] days are deleted.
//!
//! Trouble with the folder never stops a scan; it is told once.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::measure::{Measured, Windows};
use super::{ImageFacts, Status};
use crate::media;
use crate::pixels::{LocalFacts, PixelFacts, Preview, Window};

/// Version of the measures: to be raised whenever a measure changes its values. The
/// test `measures_are_those_of_their_version` notices when that is forgotten.
pub const VERSION: u32 = 4;

/// Days after which a file that was not used is deleted.
const KEPT_DAYS: u64 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// First bytes of a file of the cache.
const MAGIC: &[u8; 8] = b"lvfacts1";

/// A folder of facts.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    /// What the system said when it first refused.
    trouble: Mutex<Option<String>>,
}

impl Cache {
    /// Opens a folder, which is made when something is written.
    pub(super) fn open(folder: &Path) -> Cache {
        Cache { folder: folder.join("facts"), trouble: Mutex::new(None) }
    }

    /// Returns the place of the facts of an image file with windows.
    pub(super) fn entry(&self, sha256: &[u8; 32], windows: &Windows) -> Entry<'_> {
        let mut hash = Sha256::new();
        hash.update(VERSION.to_le_bytes());
        hash.update(media::DECODERS);
        hash.update(sha256);
        let mut add = |window: &Window| {
            for number in [window.x, window.y, window.width, window.height] {
                hash.update(number.to_le_bytes());
            }
        };
        // An instance without a box takes part as a window that no box can be.
        let none = Window { x: f64::NAN, y: 0.0, width: 0.0, height: 0.0 };
        windows.instances.iter().for_each(|window| add(window.as_ref().unwrap_or(&none)));
        add(&none);
        windows.keypoints.iter().for_each(add);
        hash.update([u8::from(windows.preview)]);
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Entry { cache: self, path: self.folder.join(&name[..2]).join(&name[2..]) }
    }

    /// Returns what kept facts from being written, if anything did.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn note(&self, error: &std::io::Error) {
        let mut trouble = self.trouble.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        trouble.get_or_insert_with(|| format!("{}: {error}", self.folder.display()));
    }

    /// Deletes files that were not used for long; looks at most once a day.
    pub(super) fn trim(&self) {
        let stamp = self.folder.join("trimmed");
        let now = SystemTime::now();
        let older = |time: SystemTime, age| now.duration_since(time).is_ok_and(|past| past > age);
        match fs::metadata(&stamp).and_then(|data| data.modified()) {
            Ok(time) if !older(time, DAY) => return,
            _ => {}
        }
        if fs::write(&stamp, "").is_err() {
            return;
        }
        let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
        for shard in entries(&self.folder) {
            for entry in entries(&shard.path()) {
                let used = entry.metadata().and_then(|data| data.modified());
                if used.is_ok_and(|time| older(time, DAY * KEPT_DAYS as u32)) {
                    // Another process may have been faster.
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }
}

/// The place of one image's facts.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    cache: &'a Cache,
    path: PathBuf,
}

impl Entry<'_> {
    /// Returns what is kept; size and hash of the file are not.
    pub(super) fn get(&self) -> Option<Measured> {
        let mut file = File::open(&self.path).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let measured = decode(&bytes)?;
        let used = file.metadata().and_then(|data| data.modified());
        if used.is_ok_and(|time| time.elapsed().is_ok_and(|past| past > DAY)) {
            // Without the right to do so it is deleted early, which only costs time.
            let _ = file.set_modified(SystemTime::now());
        }
        Some(measured)
    }

    /// Keeps facts, unless the system refuses.
    pub(super) fn put(&self, measured: &Measured) {
        let write = || {
            let folder = self.path.parent().unwrap_or(&self.cache.folder);
            let mut file = match tempfile::NamedTempFile::new_in(folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    fs::create_dir_all(folder)?;
                    tempfile::NamedTempFile::new_in(folder)?
                }
                made => made?,
            };
            file.write_all(&encode(measured))?;
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        };
        if let Err(error) = write() {
            self.cache.note(&error);
        }
    }
}

/// Returns the bytes of a file: magic, checksum of the rest, the rest.
fn encode(measured: &Measured) -> Vec<u8> {
    let mut body = Vec::new();
    let Measured { image, instances, keypoints } = measured;
    // Size and hash of the file are known before the cache is asked.
    let ImageFacts {
        status,
        reason,
        size_px,
        orientation,
        content,
        pixels,
        preview,
        bytes: _,
        sha256: _,
    } = image;
    let place = Status::ALL.iter().position(|known| known == status).unwrap_or_default();
    (place as u8).write(&mut body);
    reason.write(&mut body);
    size_px.write(&mut body);
    orientation.write(&mut body);
    content.map(String::from).write(&mut body);
    pixels.write(&mut body);
    preview.write(&mut body);
    instances.write(&mut body);
    keypoints.write(&mut body);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(xxh3_64(&body).to_le_bytes());
    bytes.append(&mut body);
    bytes
}

/// Reads a file's bytes, `None` where they are not exactly what was written.
fn decode(bytes: &[u8]) -> Option<Measured> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (checksum, mut body) = rest.split_first_chunk()?;
    if xxh3_64(body) != u64::from_le_bytes(*checksum) {
        return None;
    }
    let from = &mut body;
    let image = ImageFacts {
        status: *Status::ALL.get(usize::from(u8::read(from)?))?,
        reason: Stored::read(from)?,
        size_px: Stored::read(from)?,
        orientation: Stored::read(from)?,
        content: match Option::<String>::read(from)? {
            Some(name) => Some(media::content_name(&name)?),
            None => None,
        },
        pixels: Stored::read(from)?,
        preview: Stored::read(from)?,
        ..ImageFacts::default()
    };
    let measured =
        Measured { image, instances: Stored::read(from)?, keypoints: Stored::read(from)? };
    from.is_empty().then_some(measured)
}

/// A value that is written to bytes, little-endian, and read again.
trait Stored: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! stored_numbers {
    ($($number:ty)*) => {$(
        impl Stored for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(<$number>::from_le_bytes(*bytes))
            }
        }
    )*};
}
stored_numbers!(u8 u32 u64 f32);

/// Stores a struct field by field. A field that is not listed does not compile.
macro_rules! stored_struct {
    ($name:ident: $($field:ident)*) => {
        impl Stored for $name {
            fn write(&self, out: &mut Vec<u8>) {
                let $name { $($field),* } = self;
                $($field.write(out);)*
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                Some($name { $($field: Stored::read(from)?),* })
            }
        }
    };
}
stored_struct!(LocalFacts: blur_px sharpness brightness contrast);
stored_struct!(PixelFacts: pixel_hash perceptual_hash thumbnail grey brightness brightness_mean
    clipped_frac contrast entropy_bits noise detail_frac blur_px sharpness laplacian_var
    motion_blur motion_angle_deg);

stored_struct!(Preview: factor width height samples);

impl Stored for Arc<[u8]> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        out.extend_from_slice(self);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(u64::read(from)?).ok()?;
        let (bytes, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(bytes.into())
    }
}

impl Stored for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(u8::read(from)? == 1)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(from)? { Some(T::read(from)?) } else { None })
    }
}

impl<T: Stored + Default + Copy, const N: usize> Stored for [T; N] {
    fn write(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.write(out));
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut values = [T::default(); N];
        for value in &mut values {
            *value = T::read(from)?;
        }
        Some(values)
    }
}

impl<T: Stored> Stored for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (**self).write(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        T::read(from).map(Box::new)
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        self.iter().for_each(|value| value.write(out));
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = u64::read(from)?;
        // A value takes at least a byte, so a length that cannot be is not reserved.
        (0..length).map(|_| T::read(from)).collect()
    }
}

impl Stored for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_bytes().to_vec().write(out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        String::from_utf8(Stored::read(from)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Measured {
        let local = LocalFacts { sharpness: 0.25, brightness: 0.5, ..LocalFacts::default() };
        let pixels =
            PixelFacts { pixel_hash: 7, grey: true, blur_px: Some(1.5), ..Default::default() };
        let preview = Preview { factor: 2, width: 2, height: 1, samples: [3, 4].into() };
        Measured {
            image: ImageFacts {
                status: Status::Decoded,
                reason: Some("a reason".into()),
                size_px: Some([640, 480]),
                orientation: 6,
                content: media::content_name("png"),
                pixels: Some(pixels),
                preview: Some(preview),
                ..ImageFacts::default()
            },
            instances: vec![Some(local), None],
            keypoints: vec![None, Some(local)],
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path());
        let windows = Windows::default();
        let entry = cache.entry(&[1; 32], &windows);
        assert_eq!(entry.get(), None);
        entry.put(&measured());
        assert_eq!(entry.get(), Some(measured()));
        assert_eq!(cache.trouble(), None);
        assert_eq!(cache.entry(&[2; 32], &windows).get(), None, "another file");
        let shown = Windows { preview: true, ..Windows::default() };
        assert_eq!(cache.entry(&[1; 32], &shown).get(), None, "with a preview");
        let moved = Windows { keypoints: vec![Window::around(1.0, 2.0, 3.0)], ..windows };
        assert_eq!(cache.entry(&[1; 32], &moved).get(), None, "other windows");
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let good = encode(&measured());
        assert_eq!(decode(&good), Some(measured()));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(decode(&bad), None, "byte {at}");
            assert_eq!(decode(&good[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_is_told_not_fatal() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("a file");
        let cache = Cache::open(&file);
        cache.entry(&[1; 32], &Windows::default()).put(&measured());
        assert!(cache.trouble().is_some());
        cache.trim();
    }

    #[test]
    fn what_was_not_used_for_long_is_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path());
        let [old, new] = [1, 2].map(|byte| cache.entry(&[byte; 32], &Windows::default()));
        old.put(&measured());
        new.put(&measured());
        let long_ago = SystemTime::now() - DAY * (KEPT_DAYS as u32 + 1);
        File::options()
            .append(true)
            .open(&old.path)
            .and_then(|f| f.set_modified(long_ago))
            .expect("old");
        cache.trim();
        assert_eq!(old.get(), None);
        assert!(new.get().is_some());
    }
}
