//! One label file: a line per instance, in shares of the image's width and height.

use rustc_hash::FxHashMap;

use crate::dataset::{BBox, Oddity, Visibility};

/// The instances of a label file, and what could not be read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Labels {
    pub(super) rows: Vec<Row>,
    pub(super) unread: Vec<Unread>,
    /// Lines and what is out of the ordinary in them, whether they could be read or not.
    pub(super) odd: Vec<(u32, Oddity)>,
    /// Lines that were left out, with their labelled keypoints and what is wrong.
    pub(super) left_out: Vec<(u32, u32, String)>,
    /// Keypoints of two values that are 0 0.
    pub(super) corner_points: u32,
}

/// One line.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// Line, counted from 1.
    pub(super) row: u32,
    /// Class id.
    pub(super) class: u64,
    /// Box in shares of width and height.
    pub(super) bbox: BBox,
    /// Labelled keypoints: kind, column of x, x and y in shares, visibility.
    pub(super) points: Vec<(u16, u16, [f64; 2], Visibility)>,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Line, counted from 1.
    pub(super) row: u32,
    /// Column, counted from 1.
    pub(super) column: Option<u32>,
    /// The line that it repeats, where that is what is wrong.
    pub(super) repeats: Option<u32>,
    pub(super) message: String,
}

/// Reads the text of a label file.
///
/// Lines are `class x y width height`, followed by the keypoints where `shape` says how
/// many and of how many values; or `class x1 y1 x2 y2 x3 y3 …`, the outline of an object,
/// of which the bounding box is taken.
pub(super) fn parse(text: &str, shape: Option<[usize; 2]>) -> Labels {
    let mut labels = Labels::default();
    // The line that held the same numbers first, by their bits.
    let mut seen: FxHashMap<Vec<u64>, u32> = FxHashMap::default();
    for (row, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let unread = |column, message| Unread { row, column, repeats: None, message };
        let numbers = match numbers(line) {
            Ok(numbers) => numbers,
            Err((column, message)) => {
                labels.odd.push((row, Oddity::NoNumber(column)));
                let points = guess(line.split_whitespace().count(), shape);
                labels.left_out.push((row, points, message.clone()));
                labels.unread.push(unread(Some(column), message));
                continue;
            }
        };
        let bits = numbers.iter().map(|number| number.to_bits()).collect();
        let first = *seen.entry(bits).or_insert(row);
        let read = read(row, &numbers, shape);
        if first != row {
            let message = format!("the same as line {first}");
            let points = read.map_or(0, |read| read.points.len() as u32);
            labels.odd.push((row, Oddity::Repeats(first)));
            labels.left_out.push((row, points, message.clone()));
            labels.unread.push(Unread { repeats: Some(first), ..unread(None, message) });
            continue;
        }
        match read {
            Ok(read) => {
                labels.look_at(row, &numbers, shape);
                labels.rows.push(read);
            }
            Err((column, message)) => {
                labels.odd.push((
                    row,
                    match column {
                        Some(_) if numbers[0] < 0.0 => Oddity::Below(numbers[0]),
                        Some(_) => Oddity::Class(numbers[0]),
                        None => {
                            let expected = 5 + shape.map_or(0, |[count, values]| count * values);
                            Oddity::Columns(numbers.len() as u32, expected as u32)
                        }
                    },
                ));
                labels.left_out.push((row, guess(numbers.len(), shape), message.clone()));
                labels.unread.push(unread(column, message));
            }
        }
    }
    labels
}

impl Labels {
    /// Notes values of a line outside 0 to 1: of keypoints where there are any, else of the box.
    fn look_at(&mut self, row: u32, numbers: &[f64], shape: Option<[usize; 2]>) {
        let mut places: Vec<f64> = Vec::new();
        match (shape, numbers) {
            (Some([_, values]), [_, _, _, _, _, rest @ ..]) => {
                for point in rest.chunks_exact(values) {
                    places.extend(&point[..2]);
                    let corner = values == 2 && point == [0.0, 0.0];
                    self.corner_points += u32::from(corner);
                }
            }
            (_, [_, rest @ ..]) if numbers.len() > 5 => {
                let BBox { x, y, width, height } = around(rest);
                places.extend([x + width / 2.0, y + height / 2.0, width, height]);
            }
            _ => places.extend(&numbers[1..]),
        }
        let most = places.iter().copied().fold(f64::MIN, f64::max);
        // The least is looked for everywhere, in the box of a pose, too.
        let all = if numbers.len() > 5 && shape.is_none() { &places } else { numbers };
        let least = all.iter().copied().fold(f64::MAX, f64::min);
        if most > 1.0 {
            self.odd.push((row, Oddity::Above(most)));
        }
        if least < 0.0 {
            self.odd.push((row, Oddity::Below(least)));
        }
    }
}

/// Returns how many keypoints a line of so many columns may hold.
fn guess(columns: usize, shape: Option<[usize; 2]>) -> u32 {
    shape.map_or(0, |[count, values]| (columns.saturating_sub(5) / values).min(count) as u32)
}

/// Returns the numbers of a line, or the column that is none.
pub(super) fn numbers(line: &str) -> Result<Vec<f64>, (u32, String)> {
    let words = (1..).zip(line.split_whitespace());
    words
        .map(|(column, word)| match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            // Long garbage helps nobody.
            _ => {
                let word: String = word.chars().take(40).collect();
                Err((column, format!("expected a number, found `{word}`")))
            }
        })
        .collect()
}

/// Returns what the numbers of a line say.
pub(super) fn read(
    row: u32,
    numbers: &[f64],
    shape: Option<[usize; 2]>,
) -> Result<Row, (Option<u32>, String)> {
    let class = numbers[0];
    // 2^53: above it not every whole number is one of f64.
    if class < 0.0 || class.fract() != 0.0 || class > 9_007_199_254_740_992.0 {
        return Err((Some(1), format!("expected a class id, found `{class:?}`")));
    }
    let columns = numbers.len();
    let (bbox, points) = match (shape, numbers) {
        (Some([count, values]), &[_, x, y, width, height, ref rest @ ..])
            if columns == 5 + count * values =>
        {
            (centred(x, y, width, height), points(rest, values))
        }
        (Some([count, values]), _) => {
            let expected = 5 + count * values;
            let message = format!(
                "expected {expected} columns (class, box and {count} keypoints of {values}), found {columns}"
            );
            return Err((None, message));
        }
        (None, &[_, x, y, width, height]) => (centred(x, y, width, height), Vec::new()),
        (None, [_, rest @ ..]) if columns >= 7 && columns % 2 == 1 => (around(rest), Vec::new()),
        (None, _) => {
            let message = format!(
                "expected 5 columns, or a class and the points of an outline, found {columns}"
            );
            return Err((None, message));
        }
    };
    Ok(Row { row, class: class as u64, bbox, points })
}

/// Returns the box of centre, width and height.
fn centred(x: f64, y: f64, width: f64, height: f64) -> BBox {
    BBox { x: x - width / 2.0, y: y - height / 2.0, width, height }
}

/// Returns the bounding box of an outline.
fn around(numbers: &[f64]) -> BBox {
    let axis = |at: usize| numbers.iter().skip(at).step_by(2).copied();
    let least = |at| axis(at).fold(f64::MAX, f64::min);
    let most = |at| axis(at).fold(f64::MIN, f64::max);
    let (x, y) = (least(0), least(1));
    BBox { x, y, width: most(0) - x, height: most(1) - y }
}

/// Returns the labelled keypoints. Without a visibility, 0 0 is an unlabelled one.
fn points(numbers: &[f64], values: usize) -> Vec<(u16, u16, [f64; 2], Visibility)> {
    let mut points = Vec::new();
    for (kind, point) in numbers.chunks_exact(values).enumerate() {
        let place = [point[0], point[1]];
        let labelled = match point.get(2) {
            Some(&v) => v != 0.0,
            None => place != [0.0, 0.0],
        };
        if labelled {
            let seen = point.get(2).is_none_or(|&v| v != 1.0);
            let visibility = if seen { Visibility::Visible } else { Visibility::Occluded };
            let column = 6 + kind * values;
            points.push((kind as u16, column as u16, place, visibility));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row: u32, class: u64, [x, y, width, height]: [f64; 4]) -> Row {
        Row { row, class, bbox: BBox { x, y, width, height }, points: Vec::new() }
    }

    #[test]
    fn boxes_and_outlines_are_read() {
        let labels = parse("0 0.5 0.5 0.5 0.25\r\n\n3.0 0 0 1 0 1 0.5\n", None);
        assert_eq!(labels.unread, []);
        assert_eq!(
            labels.rows,
            [row(1, 0, [0.25, 0.375, 0.5, 0.25]), row(3, 3, [0.0, 0.0, 1.0, 0.5])]
        );
    }

    #[test]
    fn keypoints_have_two_or_three_values() {
        let points = |text, shape| parse(text, Some(shape)).rows.remove(0).points;
        let (seen, hidden) = (Visibility::Visible, Visibility::Occluded);
        assert_eq!(
            points("0 .5 .5 1 1 .1 .2 2 0 0 0 .3 .4 1", [3, 3]),
            [(0, 6, [0.1, 0.2], seen), (2, 12, [0.3, 0.4], hidden)]
        );
        assert_eq!(points("0 .5 .5 1 1 0 0 .3 .4", [2, 2]), [(1, 8, [0.3, 0.4], seen)]);
    }

    #[test]
    fn bad_lines_are_left_out_and_named() {
        let text = "0 .5 .5 .1 .1\n0 .5 x .1 .1\n0 .5 .5 .1\n-1 .5 .5 .1 .1\n0 .5 nan .1 .1\n\
                    0 0.5 0.5 0.1 0.1\n1.5 0 0 0 0\n1e300 0 0 0 0\n0 1 1 1 1 0.9";
        let labels = parse(text, None);
        assert_eq!(labels.rows.len(), 1);
        let said: Vec<_> =
            labels.unread.iter().map(|u| (u.row, u.column, u.message.as_str())).collect();
        let columns = "expected 5 columns, or a class and the points of an outline, found";
        assert_eq!(
            said,
            [
                (2, Some(3), "expected a number, found `x`"),
                (3, None, &format!("{columns} 4")),
                (4, Some(1), "expected a class id, found `-1.0`"),
                (5, Some(3), "expected a number, found `nan`"),
                (6, None, "the same as line 1"),
                (7, Some(1), "expected a class id, found `1.5`"),
                (8, Some(1), "expected a class id, found `1e300`"),
                (9, None, &format!("{columns} 6")),
            ]
        );
        assert_eq!(labels.unread[4].repeats, Some(1));
    }
}
