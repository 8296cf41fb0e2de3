//! A cloud of points over two axes.

use maud::Markup;
use plotters::prelude::*;

use super::axes::{Axes, Axis};
use super::{BAD, MAIN, MUTED, draw};

const HEIGHT: i32 = 270;
const TOP: i32 = 28;
/// Points that are drawn, evenly chosen; more would only paint each other over.
const MOST_POINTS: usize = 2500;

/// Draws points; those that are marked in the colour of errors, on top, and lines at a
/// place of each axis, where there is one.
pub(crate) fn scatter(
    label: &str,
    x: &Axis<'_>,
    y: &Axis<'_>,
    points: &[([f64; 2], bool)],
    [at_x, at_y]: [Option<f64>; 2],
) -> Markup {
    let places: Vec<[f64; 2]> = points.iter().map(|(place, _)| *place).collect();
    let axes = Axes::new(x, y, places.iter(), [TOP, HEIGHT]);
    draw((super::WIDTH, HEIGHT as u32), label, |area| {
        axes.draw(area, x, y)?;
        if let Some(value) = at_x {
            axes.upright(area, value, MUTED)?;
        }
        if let Some(value) = at_y {
            axes.level(area, value, MUTED)?;
        }
        for marked in [false, true] {
            let own: Vec<[f64; 2]> =
                points.iter().filter(|(_, is)| *is == marked).map(|(place, _)| *place).collect();
            let every = own.len().div_ceil(MOST_POINTS).max(1);
            let color = if marked { BAD } else { MAIN };
            for place in own.into_iter().step_by(every).filter_map(|place| axes.place(place)) {
                area.draw(&Circle::new(place, 2, color.mix(0.55).filled()))?;
            }
        }
        Ok(())
    })
}
