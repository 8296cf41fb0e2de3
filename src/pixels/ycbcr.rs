//! From JPEG's brightness and colour to RGB.

/// Returns interleaved RGB samples of planes of equal size.
///
/// # Source
/// ITU-T T.871, section 7: R = Y + 1.402 (Cr − 128), G = Y − 0.344136 (Cb − 128) −
/// 0.714136 (Cr − 128), B = Y + 1.772 (Cb − 128).
pub fn rgb(brightness: &[u8], blue: &[u8], red: &[u8]) -> Vec<u8> {
    let colours = blue.iter().zip(red);
    let pixel = |(&y, (&cb, &cr)): (&u8, (&u8, &u8))| {
        let [y, cb, cr] = [f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0];
        [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
            // A cast to u8 clips and cuts off, which with a half more is rounding.
            .map(|value| (value + 0.5) as u8)
    };
    brightness.iter().zip(colours).flat_map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_come_back() {
        // Red, blue and grey as T.871 converts them.
        assert_eq!(
            rgb(&[76, 29, 77], &[85, 255, 128], &[255, 107, 128]),
            [254, 0, 0, 0, 0, 254, 77, 77, 77]
        );
    }
}
