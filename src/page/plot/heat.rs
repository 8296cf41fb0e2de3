//! A heat map of places in an image.

use maud::Markup;
use plotters::prelude::*;

use super::{LINE, MAIN, draw};

/// Width of a map, plot units.
const WIDE: u32 = 160;
/// Cells along the longer side.
const CELLS: f64 = 20.0;

/// Draws where places lie. They are shares of width and height, 0 to 1, of an image
/// whose sides stand in the ratio `aspect` (width by height); others are left out.
/// The deeper the colour, the more; 1 in 20 of the fullest cell is still seen.
pub(crate) fn heat(label: &str, aspect: f64, places: impl Iterator<Item = [f64; 2]>) -> Markup {
    let aspect = if aspect.is_finite() { aspect.clamp(0.25, 4.0) } else { 4.0 / 3.0 };
    let tall = (f64::from(WIDE) / aspect).round() as u32;
    let (columns, rows) = if aspect >= 1.0 {
        (CELLS, (CELLS / aspect).round().max(1.0))
    } else {
        ((CELLS * aspect).round().max(1.0), CELLS)
    };
    let mut counts = vec![0_u32; (columns * rows) as usize];
    for [x, y] in places {
        if (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y) {
            let column = (x * columns).min(columns - 1.0).floor();
            let row = (y * rows).min(rows - 1.0).floor();
            counts[(row * columns + column) as usize] += 1;
        }
    }
    let fullest = counts.iter().copied().max().unwrap_or(0).max(1);
    draw((WIDE, tall), label, |area| {
        let x = |column: f64| (column / columns * f64::from(WIDE)).round() as i32;
        let y = |row: f64| (row / rows * f64::from(tall)).round() as i32;
        for (at, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (column, row) = ((at as f64) % columns, (at as f64 / columns).floor());
            let depth = (f64::from(count) / f64::from(fullest)).sqrt().max(0.22);
            let corners = [(x(column), y(row)), (x(column + 1.0), y(row + 1.0))];
            // Two digits are as fine as an eye tells shades apart.
            let depth = (depth * 100.0).round() / 100.0;
            area.draw(&Rectangle::new(corners, MAIN.mix(depth).filled()))?;
        }
        let frame = [(0, 0), (WIDE as i32 - 1, tall as i32 - 1)];
        area.draw(&Rectangle::new(frame, LINE.stroke_width(1)))
    })
}
