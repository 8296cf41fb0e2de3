//! Which format a file is, by its first bytes; its name is not asked.

use image::ImageFormat;

/// A format and who decodes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    /// Name of the format, in lower case.
    pub(super) name: &'static str,
    /// Who decodes it.
    pub(super) decoder: Decoder,
}

/// Who decodes a format.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decoder {
    /// `jpeg.rs`.
    Jpeg,
    /// `png.rs`.
    Png,
    /// `other.rs`, through the image crate.
    Image(ImageFormat),
    /// Nobody, though it is an image or a film.
    None,
    /// Nobody: it is no image, such as the web page that a failed download left.
    NoImage,
}

/// Magic bytes at a place of the file.
struct Magic {
    at: usize,
    bytes: &'static [u8],
    content: Content,
}

/// Returns the format of a file's bytes, `None` where they fit none.
pub(super) fn of(bytes: &[u8]) -> Option<Content> {
    let known = MAGIC.iter().find(|magic| {
        bytes.get(magic.at..).is_some_and(|rest| rest.starts_with(magic.bytes))
            && (magic.content.name != "webp" || bytes.get(8..12) == Some(b"WEBP"))
    });
    known.map(|magic| magic.content).or_else(|| text(bytes))
}

/// Returns the name of a format as [`super::Encoded::content`] has it.
pub fn name(name: &str) -> Option<&'static str> {
    (MAGIC.iter().map(|magic| magic.content.name).chain(TEXT)).find(|known| *known == name)
}

/// Names of the formats that [`text`] recognises.
const TEXT: [&str; 3] = ["html", "svg", "xml"];

/// Recognises web pages and drawings, which stand where a download went wrong.
fn text(bytes: &[u8]) -> Option<Content> {
    let start = bytes[..bytes.len().min(512)].trim_ascii_start();
    let begins =
        |with: &[u8]| start.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    let [html, svg, xml] = TEXT;
    let name = if begins(b"<!doctype html") || begins(b"<html") {
        html
    } else if begins(b"<svg") {
        svg
    } else if begins(b"<?xml") {
        xml
    } else {
        return None;
    };
    let decoder = if name == svg { Decoder::None } else { Decoder::NoImage };
    Some(Content { name, decoder })
}

const fn magic(at: usize, bytes: &'static [u8], name: &'static str, decoder: Decoder) -> Magic {
    Magic { at, bytes, content: Content { name, decoder } }
}

/// The formats, the frequent ones first.
///
/// # Source
/// The formats' own specifications: PNG (ISO/IEC 15948, section 5.2), JPEG (ITU-T
/// T.81, B.1.1.3), GIF89a, TIFF 6.0 (section 2), BMP, RIFF/WebP (RFC 9649), Netpbm,
/// ISO base media brands (AVIF, HEIF), JPEG XL (ISO/IEC 18181-2), JPEG 2000 (ITU-T
/// T.800, I.5), DICOM (PS3.10, 7.1), HDF5, OpenEXR.
const MAGIC: &[Magic] = &[
    magic(0, b"\xff\xd8\xff", "jpeg", Decoder::Jpeg),
    magic(0, b"\x89PNG\r\n\x1a\n", "png", Decoder::Png),
    magic(0, b"RIFF", "webp", Decoder::Image(ImageFormat::WebP)),
    magic(0, b"II*\0", "tiff", Decoder::Image(ImageFormat::Tiff)),
    magic(0, b"MM\0*", "tiff", Decoder::Image(ImageFormat::Tiff)),
    magic(0, b"II+\0", "tiff", Decoder::Image(ImageFormat::Tiff)),
    magic(0, b"MM\0+", "tiff", Decoder::Image(ImageFormat::Tiff)),
    magic(0, b"GIF87a", "gif", Decoder::Image(ImageFormat::Gif)),
    magic(0, b"GIF89a", "gif", Decoder::Image(ImageFormat::Gif)),
    magic(0, b"BM", "bmp", Decoder::Image(ImageFormat::Bmp)),
    magic(0, b"P1", "pnm", Decoder::Image(ImageFormat::Pnm)),
    magic(0, b"P2", "pnm", Decoder::Image(ImageFormat::Pnm)),
    magic(0, b"P3", "pnm", Decoder::Image(ImageFormat::Pnm)),
    magic(0, b"P4", "pnm", Decoder::Image(ImageFormat::Pnm)),
    magic(0, b"P5", "pnm", Decoder::Image(ImageFormat::Pnm)),
    magic(0, b"P6", "pnm", Decoder::Image(ImageFormat::Pnm)),
    magic(0, b"P7", "pnm", Decoder::Image(ImageFormat::Pnm)),
    magic(4, b"ftypavif", "avif", Decoder::None),
    magic(4, b"ftypavis", "avif", Decoder::None),
    magic(4, b"ftyphei", "heic", Decoder::None),
    magic(4, b"ftyphev", "heic", Decoder::None),
    magic(4, b"ftypmif1", "heic", Decoder::None),
    magic(4, b"ftyp", "mp4", Decoder::None),
    magic(0, b"\xff\x0a", "jxl", Decoder::None),
    magic(0, b"\0\0\0\x0cJXL \r\n\x87\n", "jxl", Decoder::None),
    magic(0, b"\0\0\0\x0cjP  \r\n\x87\n", "jp2", Decoder::None),
    magic(0, b"\xff\x4f\xff\x51", "jp2", Decoder::None),
    magic(0, b"8BPS", "psd", Decoder::None),
    magic(0, b"\x76\x2f\x31\x01", "exr", Decoder::None),
    magic(0, b"#?RADIANCE", "hdr", Decoder::None),
    magic(0, b"qoif", "qoi", Decoder::None),
    magic(0, b"DDS ", "dds", Decoder::None),
    magic(0, b"\0\0\x01\0", "ico", Decoder::None),
    magic(0, b"SIMPLE  =", "fits", Decoder::None),
    magic(128, b"DICM", "dicom", Decoder::None),
    magic(0, b"\x89HDF\r\n\x1a\n", "hdf5", Decoder::NoImage),
    magic(0, b"\x93NUMPY", "npy", Decoder::NoImage),
    magic(0, b"%PDF", "pdf", Decoder::NoImage),
    magic(0, b"PK\x03\x04", "zip", Decoder::NoImage),
];

#[cfg(test)]
mod tests {
    use super::of;

    fn told(bytes: &[u8]) -> Option<&'static str> {
        of(bytes).map(|content| content.name)
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        assert_eq!(told(b"\xff\xd8\xff\xe0"), Some("jpeg"));
        assert_eq!(told(b"RIFF\x10\0\0\0WEBPVP8 "), Some("webp"));
        assert_eq!(told(b"RIFF\x10\0\0\0WAVEfmt "), None);
        assert_eq!(told(b"\0\0\0\x1cftypavif"), Some("avif"));
        assert_eq!(told(b"  <!DOCTYPE HTML><title>404"), Some("html"));
        assert_eq!(told(b""), None);
        assert_eq!(told(b"\xff\xd8"), None);
    }
}
