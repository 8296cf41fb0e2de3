//! Forms of marks, which tell groups apart where colours do not.

use plotters::prelude::*;

use super::{Area, Drawn};

/// Half the width of a mark, plot units.
const HALF: i32 = 4;

/// The form of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A disc.
    Disc,
    /// A filled square.
    Square,
    /// A circle.
    Ring,
    /// A square on its corner, filled.
    Diamond,
    /// A triangle with its point up, filled.
    Triangle,
    /// Two strokes that cross.
    Cross,
}

impl Shape {
    /// Returns the form of one of several groups, by its number; more than five begin again.
    pub(crate) fn of_group(at: usize) -> Shape {
        use Shape::{Diamond, Disc, Ring, Square, Triangle};
        [Disc, Square, Ring, Diamond, Triangle][at % 5]
    }

    /// Draws it around a place.
    pub(super) fn draw(self, area: &Area<'_>, (x, y): (i32, i32), color: RGBColor) -> Drawn {
        let polygon = |points: &[(i32, i32)]| {
            let points: Vec<(i32, i32)> = points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
            area.draw(&Polygon::new(points, color.filled()))
        };
        match self {
            Shape::Disc => area.draw(&Circle::new((x, y), HALF, color.filled())),
            Shape::Ring => area.draw(&Circle::new((x, y), HALF, color.stroke_width(2))),
            Shape::Square => {
                let corners = [(x - HALF, y - HALF), (x + HALF, y + HALF)];
                area.draw(&Rectangle::new(corners, color.filled()))
            }
            Shape::Diamond => {
                let reach = HALF + 1;
                polygon(&[(0, -reach), (reach, 0), (0, reach), (-reach, 0)])
            }
            Shape::Triangle => polygon(&[(0, -HALF - 1), (HALF + 1, HALF), (-HALF - 1, HALF)]),
            Shape::Cross => {
                for side in [HALF, -HALF] {
                    let stroke = vec![(x - HALF, y - side), (x + HALF, y + side)];
                    area.draw(&PathElement::new(stroke, color.stroke_width(2)))?;
                }
                Ok(())
            }
        }
    }
}
