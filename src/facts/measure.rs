//! Opens every image once, decodes it once and measures it, on all cores.
//!
//! Takes a [`Dataset`], gives [`Facts`]. A file that cannot be read is a fact about
//! it, never an error. Memory is bounded by the number of threads: each works in
//! buffers of its own, taken from a pool and given back.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::Digest as _;

use super::cache::Cache;
use super::{Facts, ImageFacts, Status};
use crate::dataset::Dataset;
use crate::media::{self, Fault, MediaError};
use crate::pixels::{self, LocalFacts, Luma, Picture, Preview, Window};
use crate::stats::random::SplitMix64;

/// Half the side, in pixels, of the window around a keypoint: wide enough to hold
/// edges to judge sharpness by, narrow enough to be about that body part in frames
/// of 400 to 1000 px, the usual size of labelled pose frames.
pub const KEYPOINT_WINDOW_HALF_PX: f64 = 16.0;

/// Images with a [`Preview`], at most: as many as evidence about poses is fitted to, and less than
/// 200 MB.
pub const PREVIEWS: usize = 2000;

/// Size in bytes above which a read buffer is not kept for the next file.
const KEEP_BYTES: usize = 64 << 20;

/// Says what to measure and where to keep it.
#[derive(Default)]
pub struct MeasureOptions<'a> {
    /// Whether image files are opened at all.
    pub pixels: Pixels,
    /// Folder of the cache; `None` measures everything and keeps nothing.
    pub cache: Option<PathBuf>,
    /// Called after each image, from any thread.
    pub progress: Option<&'a (dyn Fn() + Sync)>,
}

/// Whether image files are opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pixels {
    /// Open and measure every image.
    #[default]
    Measure,
    /// Open none.
    Skip,
}

/// Measures a dataset. Never fails: a file that cannot be read is a fact.
///
/// Uses the current rayon pool; memory is bounded by its threads, not by the images.
/// The result does not depend on the number of threads.
pub fn measure(dataset: Dataset, options: &MeasureOptions<'_>) -> Facts {
    if options.pixels == Pixels::Skip {
        let images = vec![ImageFacts::default(); dataset.images.len()];
        return Facts { dataset, images, ..Facts::default() };
    }
    let cache = options.cache.as_deref().map(Cache::open);
    let instances = dataset.instances_by_image();
    let scan = Scan {
        shown: shown(&dataset, &instances),
        instances,
        dataset: &dataset,
        cache: cache.as_ref(),
        buffers: Mutex::default(),
        decoded: AtomicUsize::new(0),
    };
    let measured: Vec<Measured> = (0..dataset.images.len())
        .into_par_iter()
        .map(|image| {
            let measured = scan.image(image);
            if let Some(progress) = options.progress {
                progress();
            }
            measured
        })
        .collect();
    let mut facts = Facts {
        images: Vec::with_capacity(measured.len()),
        instances: vec![None; dataset.instances.len()],
        keypoints: vec![None; dataset.keypoints.len()],
        measured: true,
        measured_now: scan.decoded.load(Ordering::Relaxed),
        cache_trouble: cache.as_ref().and_then(Cache::trouble),
        ..Facts::default()
    };
    for (measured, of_image) in measured.into_iter().zip(&scan.instances) {
        facts.images.push(measured.image);
        let mut keypoints = measured.keypoints.into_iter();
        for (instance, local) in of_image.clone().zip(measured.instances) {
            facts.instances[instance] = local;
            let labelled = &dataset.instances[instance];
            let first = labelled.first as usize;
            for at in first..first + usize::from(labelled.len) {
                facts.keypoints[at] = keypoints.next().flatten();
            }
        }
    }
    if let Some(cache) = cache {
        cache.trim();
    }
    facts.dataset = dataset;
    facts
}

/// Chooses the images that have a preview: those with labelled keypoints, and of many always the
/// same ones, by a hash of their path.
fn shown(dataset: &Dataset, instances: &[std::ops::Range<usize>]) -> Vec<bool> {
    let posed = |range: &std::ops::Range<usize>| {
        dataset.instances[range.clone()].iter().any(|instance| instance.len > 0)
    };
    let mut drawn: Vec<(u64, usize)> = (instances.iter().enumerate())
        .filter(|(_, range)| posed(range))
        .map(|(image, _)| (SplitMix64::named(&dataset.images[image].path, 0).word(), image))
        .collect();
    if drawn.len() > PREVIEWS {
        drawn.select_nth_unstable(PREVIEWS);
        drawn.truncate(PREVIEWS);
    }
    let mut shown = vec![false; instances.len()];
    drawn.iter().for_each(|&(_, image)| shown[image] = true);
    shown
}

/// What was measured of one image and of what is labelled in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measured {
    pub(super) image: ImageFacts,
    /// One per instance of the image, in the order of the dataset.
    pub(super) instances: Vec<Option<LocalFacts>>,
    /// One per keypoint of those instances.
    pub(super) keypoints: Vec<Option<LocalFacts>>,
}

/// What to take of one image, besides measures of the whole.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// One per instance; `None` for one without a box.
    pub(super) instances: Vec<Option<Window>>,
    /// One per keypoint of those instances.
    pub(super) keypoints: Vec<Window>,
    /// Whether a preview is kept.
    pub(super) preview: bool,
}

/// A scan over the images of a dataset.
struct Scan<'a> {
    dataset: &'a Dataset,
    instances: Vec<std::ops::Range<usize>>,
    /// Whether each image has a preview.
    shown: Vec<bool>,
    cache: Option<&'a Cache>,
    /// Buffers that no thread is using.
    buffers: Mutex<Vec<Buffers>>,
    /// Number of images that were decoded, or that a decoder refused.
    decoded: AtomicUsize,
}

/// What a thread works in.
#[derive(Default)]
struct Buffers {
    bytes: Vec<u8>,
    picture: Picture,
}

impl Scan<'_> {
    fn image(&self, image: usize) -> Measured {
        let pool = || self.buffers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut buffers = pool().pop().unwrap_or_default();
        let measured = self.image_in(image, &mut buffers);
        if buffers.bytes.capacity() > KEEP_BYTES {
            buffers.bytes = Vec::new();
        }
        pool().push(buffers);
        measured
    }

    fn image_in(&self, image: usize, buffers: &mut Buffers) -> Measured {
        let Buffers { bytes, picture } = buffers;
        let labelled = &self.dataset.images[image];
        let windows = self.windows(image);
        let nothing = |known: ImageFacts| Measured {
            image: known,
            instances: vec![None; windows.instances.len()],
            keypoints: vec![None; windows.keypoints.len()],
        };
        let file = match &labelled.file {
            Some(file) => media::read(file, bytes),
            None => Err(MediaError { fault: Fault::Missing, reason: "no such file".into() }),
        };
        match file {
            Ok(()) => {}
            Err(error) if error.fault == Fault::Missing => {
                return nothing(self.absent(&labelled.path, labelled.file.as_deref(), error));
            }
            Err(error) => {
                let known = ImageFacts { bytes: bytes.len() as u64, ..ImageFacts::default() };
                return nothing(failed(known, error));
            }
        }
        let sha256: [u8; 32] = sha2::Sha256::digest(&bytes).into();
        let known =
            ImageFacts { bytes: bytes.len() as u64, sha256: Some(sha256), ..ImageFacts::default() };
        let entry = self.cache.map(|cache| cache.entry(&sha256, &windows));
        if let Some(kept) = entry.as_ref().and_then(|entry| entry.get()) {
            // The file is the same byte by byte, so all but its hash is what was kept.
            let image = ImageFacts { bytes: known.bytes, sha256: known.sha256, ..kept.image };
            return Measured { image, ..kept };
        }
        self.decoded.fetch_add(1, Ordering::Relaxed);
        let (encoded, outcome) = media::decode(bytes, picture);
        let known = ImageFacts {
            size_px: encoded.size_px,
            orientation: encoded.orientation,
            content: encoded.content,
            ..known
        };
        let measured = match outcome {
            Err(error) => nothing(failed(known, error)),
            Ok(()) => measure_picture(known, picture, &windows),
        };
        if let Some(entry) = entry {
            entry.put(&measured);
        }
        measured
    }

    /// Returns the windows to measure in an image.
    fn windows(&self, image: usize) -> Windows {
        let instances = &self.dataset.instances[self.instances[image].clone()];
        Windows {
            instances: (instances.iter())
                .map(|instance| {
                    instance.bbox.map(|b| Window {
                        x: b.x,
                        y: b.y,
                        width: b.width,
                        height: b.height,
                    })
                })
                .collect(),
            keypoints: (instances.iter())
                .flat_map(|instance| self.dataset.keypoints_of(instance))
                .map(|point| Window::around(point.x, point.y, KEYPOINT_WINDOW_HALF_PX))
                .collect(),
            preview: self.shown[image],
        }
    }

    /// Returns the facts of an image that is not there.
    fn absent(&self, path: &str, file: Option<&Path>, error: MediaError) -> ImageFacts {
        let root = &self.dataset.root;
        let expected = file.map_or_else(|| root.join(path), Path::to_path_buf);
        if media::dvc_pointer(root, &expected) {
            let reason = "DVC tracks it, and it was not fetched; `dvc pull` fetches the image";
            let error = MediaError { fault: Fault::DvcPointer, reason: reason.into() };
            return failed(ImageFacts::default(), error);
        }
        failed(ImageFacts::default(), error)
    }
}

/// Measures a picture and the windows of it.
fn measure_picture(known: ImageFacts, picture: &Picture, windows: &Windows) -> Measured {
    let luma = Luma::of(picture);
    let whole = pixels::measure(picture, &luma);
    let local = |window: Window| pixels::local(&luma, whole.noise, window);
    Measured {
        instances: windows.instances.iter().map(|window| window.and_then(local)).collect(),
        keypoints: windows.keypoints.iter().map(|&window| local(window)).collect(),
        image: ImageFacts {
            status: Status::Decoded,
            size_px: Some([picture.width, picture.height]),
            pixels: Some(whole),
            preview: if windows.preview { Preview::of(&luma) } else { None },
            ..known
        },
    }
}

/// Returns the facts of an image that could not be decoded.
fn failed(known: ImageFacts, error: MediaError) -> ImageFacts {
    let (status, sha256) = match error.fault {
        Fault::Missing => (Status::Missing, None),
        Fault::Empty => (Status::Empty, Some(sha2::Sha256::digest([]).into())),
        Fault::Truncated => (Status::Truncated, known.sha256),
        Fault::Corrupt => (Status::Corrupt, known.sha256),
        Fault::Unsupported => (Status::Unsupported, known.sha256),
        Fault::Bomb => (Status::Bomb, known.sha256),
        Fault::LfsPointer(oid) => (Status::LfsPointer, Some(oid)),
        Fault::DvcPointer => (Status::DvcPointer, None),
        Fault::Unreadable => (Status::Unreadable, None),
    };
    ImageFacts { status, sha256, reason: Some(error.reason), ..known }
}
