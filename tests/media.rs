//! Image files: every kind of trouble has its status, and nothing stops the scan.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, RgbImage};
use labelvet::dataset::{Dataset, Image};
use labelvet::facts::{self, Facts, ImageFacts, MeasureOptions, Status};

/// A picture with detail everywhere, drawn by formula.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let value = |a: u32, b: u32| ((x * a + y * b + x * y / 7) % 256) as u8;
        image::Rgb([value(3, 5), value(5, 3), value(1, 9)])
    })
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(picture(200, 160)).write_to(&mut bytes, format).expect("an image");
    bytes.into_inner()
}

/// Measures files of a folder, all that are in it.
fn measure(root: &Path, paths: &[&str], cache: Option<PathBuf>) -> Facts {
    let image = |path: &&str| {
        let file = root.join(path);
        Image { path: path.to_string(), file: file.exists().then_some(file), ..Image::default() }
    };
    let images = paths.iter().map(image).collect();
    let dataset = Dataset { root: root.into(), images, ..Dataset::default() };
    facts::measure(dataset, &MeasureOptions { cache, ..MeasureOptions::default() })
}

/// Measures one file of the given bytes.
fn of_bytes(bytes: &[u8]) -> ImageFacts {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("image"), bytes).expect("a file");
    measure(folder.path(), &["image"], None).images.remove(0)
}

#[test]
fn every_format_is_decoded_to_the_same_size() {
    for (format, content) in [
        (ImageFormat::Png, "png"),
        (ImageFormat::Jpeg, "jpeg"),
        (ImageFormat::Bmp, "bmp"),
        (ImageFormat::Gif, "gif"),
        (ImageFormat::Tiff, "tiff"),
        (ImageFormat::WebP, "webp"),
        (ImageFormat::Pnm, "pnm"),
    ] {
        let known = of_bytes(&encoded(format));
        assert_eq!(known.status, Status::Decoded, "{content}: {:?}", known.reason);
        assert_eq!((known.content, known.size_px), (Some(content), Some([200, 160])));
        assert_eq!(known.orientation, 1);
    }
}

#[test]
fn samples_of_other_kinds_become_8_bit_grey_or_rgb() {
    let small = picture(40, 30);
    let dynamic = DynamicImage::from(small.clone());
    let write = |image: DynamicImage| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).expect("an image");
        of_bytes(&bytes.into_inner()).pixels.expect("decoded")
    };
    let rgb = write(dynamic.clone());
    assert!(!rgb.grey);
    assert_eq!(write(dynamic.to_rgba8().into()), rgb, "alpha is dropped");
    assert_eq!(write(dynamic.to_rgb16().into()), rgb, "16 bits become 8");
    let grey = write(dynamic.to_luma8().into());
    assert!(grey.grey);
    assert_eq!(write(dynamic.to_luma_alpha8().into()), grey);
}

#[test]
fn a_file_that_ends_early_is_truncated_wherever_it_ends() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff] {
        let bytes = encoded(format);
        for percent in [10, 30, 50, 80, 97] {
            let known = of_bytes(&bytes[..bytes.len() * percent / 100]);
            // A TIFF's directory may stand at its end: without it, it is no image.
            let fits = match format {
                ImageFormat::Tiff => known.status != Status::Decoded,
                _ => known.status == Status::Truncated,
            };
            assert!(fits, "{format:?} cut at {percent} %: {:?} {:?}", known.status, known.reason);
        }
    }
}

#[test]
fn damage_within_a_file_is_corrupt() {
    let jpeg = encoded(ImageFormat::Jpeg);
    let third = jpeg.len() / 3;
    let zeroed = [&jpeg[..third], &vec![0; third], &jpeg[2 * third..]].concat();
    assert_eq!(of_bytes(&zeroed).status, Status::Corrupt);
    let mut png = encoded(ImageFormat::Png);
    let middle = png.len() / 2;
    png[middle] ^= 1;
    assert_eq!(of_bytes(&png).status, Status::Corrupt, "a checksum does not fit");
}

#[test]
fn what_follows_a_picture_is_harmless() {
    for format in [ImageFormat::Jpeg, ImageFormat::Png] {
        let bytes = [encoded(format), b"trailing bytes of a camera".to_vec()].concat();
        assert_eq!(of_bytes(&bytes).status, Status::Decoded, "{format:?}");
    }
}

#[test]
fn what_is_no_image_has_its_own_status() {
    let random: Vec<u8> =
        (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(of_bytes(&random).status, Status::Corrupt);
    assert_eq!(of_bytes(b"<!doctype html><title>404</title>").status, Status::Corrupt);
    assert_eq!(of_bytes(b"\0\0\0\x1cftypavif\0\0\0\0").status, Status::Unsupported);
    let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 1\n");
    let known = of_bytes(pointer.as_bytes());
    assert_eq!((known.status, known.sha256.map(|h| h[0])), (Status::LfsPointer, Some(0x4d)));
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("empty.png"), "").expect("a file");
    fs::write(folder.path().join("tracked.png.dvc"), "outs:\n- path: tracked.png\n")
        .expect("a file");
    let facts = measure(folder.path(), &["empty.png", "tracked.png", "none.png"], None);
    let statuses: Vec<Status> = facts.images.iter().map(|image| image.status).collect();
    assert_eq!(statuses, [Status::Empty, Status::DvcPointer, Status::Missing]);
    assert_eq!(facts.measured_now, 0);
}

#[test]
fn a_bomb_is_not_unpacked() {
    // A PNG whose header declares 100,000 × 100,000 pixels, its checksum right.
    let mut png = encoded(ImageFormat::Png);
    png[16..20].copy_from_slice(&100_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&100_000_u32.to_be_bytes());
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let known = of_bytes(&png);
    assert_eq!(known.status, Status::Bomb, "{:?}", known.reason);
    assert_eq!(known.size_px, Some([100_000, 100_000]));
}

/// CRC-32 as PNG has it (ISO/IEC 15948, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_second_measuring_decodes_nothing_and_gives_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.jpg"), encoded(ImageFormat::Jpeg)).expect("a file");
    fs::write(folder.path().join("b.png"), encoded(ImageFormat::Png)).expect("a file");
    fs::write(folder.path().join("c.png"), &encoded(ImageFormat::Png)[..900]).expect("a file");
    let paths = ["a.jpg", "b.png", "c.png"];
    let measure = || measure(folder.path(), &paths, Some(cache.path().into()));
    let [first, second] = [measure(), measure()];
    assert_eq!([first.measured_now, second.measured_now], [3, 0]);
    assert_eq!(first.images, second.images);
    fs::write(folder.path().join("a.jpg"), encoded(ImageFormat::Png)).expect("a file");
    assert_eq!(measure().measured_now, 0, "the content is known from b.png");
}

/// The cache trusts that equal versions measure alike: whoever changes a measure
/// raises `VERSION` in `src/facts/cache.rs` and copies the new line from the failure.
#[test]
fn measures_are_those_of_their_version() {
    let pixels = of_bytes(&encoded(ImageFormat::Png)).pixels.expect("decoded");
    let round = |value: f32| f64::from((value * 1e3).round()) / 1e3;
    let measured = format!(
        "{} {:016x} {:016x} {} {:?} {:?}",
        facts::VERSION,
        pixels.pixel_hash,
        pixels.perceptual_hash,
        pixels.grey,
        pixels.brightness.map(round),
        [
            pixels.brightness_mean,
            pixels.clipped_frac,
            pixels.contrast,
            pixels.entropy_bits,
            pixels.noise,
            pixels.detail_frac,
            pixels.blur_px.unwrap_or(-1.0),
            pixels.sharpness,
            pixels.motion_blur,
        ]
        .map(round),
    );
    assert_eq!(
        measured,
        "4 16eaafc7eb4fd8ba 4f014f00015f5ffe false [0.098, 0.18, 0.498, 0.82, 0.894] \
         [0.5, 0.0, 0.195, 7.637, 0.031, 1.0, 0.0, 1.0, 0.0]"
    );
}

/// Real data beside the repository; `None`, and a note, where there are none.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    if !path.is_dir() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn orientations_are_read_of_jpeg_and_webp() {
    let folders = ["exif-orientation", "exif-orientation-webp-jpg/Tests/images"];
    for root in folders.into_iter().filter_map(shared) {
        let mut paths: Vec<String> = (fs::read_dir(&root).expect("a folder"))
            .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
            .filter(|name| name.ends_with(".jpg") || name.ends_with(".webp"))
            .collect();
        paths.sort();
        let names: Vec<&str> = paths.iter().map(String::as_str).collect();
        for (path, known) in paths.iter().zip(measure(&root, &names, None).images) {
            let stem = path.rsplit_once('.').expect("a suffix").0;
            let expected: u8 =
                stem.rsplit_once('_').expect("a number").1.parse().expect("a number");
            assert_eq!(known.orientation, expected.max(1), "{path}");
            assert_eq!(known.status, Status::Decoded, "{path}");
        }
    }
}

/// The statuses of the files of a public collection of broken images, beside what
/// Pillow says of each: `docs/reviews/broken-images.csv`. `UPDATE=1` writes statuses
/// and reasons; remarks are kept.
#[test]
fn broken_images_have_their_known_status() {
    let Some(root) = shared("broken-images") else { return };
    let list = fs::read_to_string(root.join("PILLOW_STATUS.tsv")).expect("a list");
    let rows: Vec<Vec<&str>> =
        list.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let paths: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let facts = measure(&root, &paths, None);
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reviews/broken-images.csv");
    let mut remarks: BTreeMap<String, String> = BTreeMap::new();
    if let Ok(mut present) = csv::Reader::from_path(&table) {
        for row in present.records().map(|row| row.expect("a row of the table")) {
            remarks.insert(row[0].to_string(), row[5].to_string());
        }
    }
    let mut written = csv::Writer::from_writer(Vec::new());
    written
        .write_record(["file", "pillow", "labelvet", "agrees", "reason", "remark"])
        .expect("a row");
    for (row, known) in rows.iter().zip(&facts.images) {
        let readable = known.status == Status::Decoded;
        let pillow = row[2].split_once(':').map_or(row[2], |(kind, _)| kind);
        let agrees = readable != row[2].starts_with("error");
        let remark = remarks.remove(row[0]).unwrap_or_default();
        assert!(agrees || !remark.is_empty() || std::env::var_os("UPDATE").is_some(), "{}", row[0]);
        written
            .write_record([
                row[0],
                pillow,
                known.status.label(),
                if agrees { "yes" } else { "no" },
                known.reason.as_deref().unwrap_or_default(),
                &remark,
            ])
            .expect("a row");
    }
    let written = String::from_utf8(written.into_inner().expect("a table")).expect("text");
    assert!(crate::generated::hold("docs/reviews/broken-images.csv", &written), "statuses differ");
}
