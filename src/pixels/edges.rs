//! Places on strong edges of a picture: where a hand that slips finds something to hold on to.
//! Takes a brightness plane, gives places; judges nothing.

use super::Luma;

/// Share of a picture's pixels whose gradient is weaker than a strong one's.
const WEAKER: f64 = 0.95;

/// Returns the places of strong edges, row by row, in pixels of the dataset's convention: the
/// centres of pixels whose gradient (Sobel, 3 × 3) is among the strongest 5 % of the picture and
/// no weaker than that of both neighbours across the edge. None of a flat picture.
///
/// # Source
/// Canny (1986), "A computational approach to edge detection", doi:10.1109/TPAMI.1986.4767851:
/// maxima of the gradient along its own direction, here one of four.
pub fn edges(luma: &Luma<'_>) -> Vec<[f32; 2]> {
    let (width, height) = (luma.width, luma.height);
    if width < 3 || height < 3 {
        return Vec::new();
    }
    let mut gradients = vec![[0_i32; 2]; width * height];
    for y in 1..height - 1 {
        let rows = [luma.row(y - 1), luma.row(y), luma.row(y + 1)];
        for x in 1..width - 1 {
            let at = |row: usize, column: usize| i32::from(rows[row][column]);
            let across = |row| at(row, x + 1) - at(row, x - 1);
            let down = |column| at(2, column) - at(0, column);
            gradients[y * width + x] =
                [across(0) + 2 * across(1) + across(2), down(x - 1) + 2 * down(x) + down(x + 1)];
        }
    }
    let squares: Vec<i32> = gradients.iter().map(|[x, y]| x * x + y * y).collect();
    let mut sorted = squares.clone();
    let at = (WEAKER * (sorted.len() - 1) as f64) as usize;
    let strong = (*sorted.select_nth_unstable(at).1).max(1);
    let mut places = Vec::new();
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let at = y * width + x;
            if squares[at] < strong {
                continue;
            }
            let step = across(gradients[at], width);
            if squares[at] >= squares[at - step] && squares[at] >= squares[at + step] {
                places.push([x as f32 + 0.5, y as f32 + 0.5]);
            }
        }
    }
    places
}

/// Returns how far the neighbour across an edge lies in the row of all pixels: that of the four
/// directions to which the gradient is nearest.
fn across([gx, gy]: [i32; 2], width: usize) -> usize {
    // tan 22.5° = 0.4142, as 29 / 70.
    if 70 * gy.abs() <= 29 * gx.abs() {
        1
    } else if 70 * gx.abs() <= 29 * gy.abs() {
        width
    } else if (gx > 0) == (gy > 0) {
        width + 1
    } else {
        width - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: usize, height: usize, value: impl Fn(usize, usize) -> u8) -> Luma<'static> {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let samples: Vec<u8> = pixels.map(|(x, y)| value(x, y)).collect();
        Luma { width, height, samples: samples.into(), grey: true }
    }

    #[test]
    fn an_edge_is_where_brightness_steps() {
        // A step between columns 19 and 20: both have the same gradient.
        let places = edges(&plane(40, 30, |x, _| if x < 20 { 40 } else { 200 }));
        assert_eq!(places.len(), 2 * 28);
        assert!(places.iter().all(|[x, _]| (*x - 20.0).abs() == 0.5), "{places:?}");
        // A ramp whose steepest columns are 23 and 24.
        let ramp = [0, 0, 10, 40, 80, 110, 120, 120];
        let slope = |x: usize, _| ramp[(x.max(20) - 20).min(7)];
        let places = edges(&plane(40, 30, slope));
        assert!(!places.is_empty());
        assert!(places.iter().all(|[x, _]| (*x - 24.0).abs() == 0.5), "{places:?}");
    }

    #[test]
    fn weak_edges_beside_strong_ones_are_none() {
        // A large square of strong contrast, and faint stripes elsewhere.
        let value = |x: usize, y: usize| match (10..40).contains(&x) && (10..40).contains(&y) {
            true => 250,
            false => 50 + 4 * (x / 4 % 2) as u8,
        };
        let places = edges(&plane(60, 60, value));
        let near = |at: f32| [10.0, 40.0].iter().any(|side: &f32| (side - at).abs() < 2.0);
        assert!(places.len() >= 100, "{}", places.len());
        assert!(places.iter().all(|[x, y]| near(*x) || near(*y)), "{} places", places.len());
    }

    #[test]
    fn flat_and_tiny_pictures_have_none() {
        assert!(edges(&plane(30, 30, |_, _| 90)).is_empty());
        assert!(edges(&plane(2, 30, |x, _| 200 * x as u8)).is_empty());
    }
}
