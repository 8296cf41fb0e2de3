//! A histogram with the values that were found wrong marked.

use maud::Markup;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{BAD, INK, LINE, MAIN, MUTED, WIDTH, draw, step, tick, words};

const HEIGHT: u32 = 220;
/// Columns of a histogram; 40 px-wide labels and 9 px columns stay readable.
const COLUMNS: usize = 40;
/// Marks along the axis beyond which they would only paint it over.
const MOST_MARKS: usize = 400;

/// Draws how values are distributed. Each is given with whether it was found wrong;
/// those have their part of a column, and a mark on the axis, in the colour of errors,
/// so that one among thousands is seen.
pub(crate) fn histogram(label: &str, axis: &str, values: &[(f64, bool)]) -> Markup {
    let finite = || values.iter().filter(|(value, _)| value.is_finite());
    let (mut least, mut greatest) = finite()
        .fold((f64::MAX, f64::MIN), |(least, greatest), &(v, _)| (least.min(v), greatest.max(v)));
    if least > greatest {
        return maud::html! { p .note { "Nothing was measured." } };
    }
    if greatest - least < 1e-9 {
        (least, greatest) = (least - 0.5, greatest + 0.5);
    }
    let width = (greatest - least) / COLUMNS as f64;
    let mut columns = [[0_u32; 2]; COLUMNS];
    for &(value, wrong) in finite() {
        let at = (((value - least) / width) as usize).min(COLUMNS - 1);
        columns[at][usize::from(wrong)] += 1;
    }
    let top = columns.iter().map(|[fine, wrong]| fine + wrong).max().unwrap_or(1).max(1);
    let mut marks: Vec<f64> = finite().filter(|(_, wrong)| *wrong).map(|&(v, _)| v).collect();
    marks.sort_by(f64::total_cmp);
    marks.truncate(MOST_MARKS);
    draw((WIDTH, HEIGHT), label, |area| {
        let (left, right, above, below) = (48, WIDTH as i32 - 12, 12, HEIGHT as i32 - 44);
        let x = |value: f64| {
            left + ((value - least) / (greatest - least) * f64::from(right - left)) as i32
        };
        let y = |count: f64| below - (count / f64::from(top) * f64::from(below - above)) as i32;
        let counts = step(f64::from(top), 4.0).max(1.0);
        let mut at = 0.0;
        while at <= f64::from(top) {
            area.draw(&PathElement::new(vec![(left, y(at)), (right, y(at))], LINE))?;
            area.draw(&Text::new(tick(at), (left - 6, y(at)), words(&MUTED, HPos::Right)))?;
            at += counts;
        }
        for (column, [fine, wrong]) in columns.iter().enumerate() {
            let from = x(least + column as f64 * width);
            let to = x(least + (column + 1) as f64 * width) - 1;
            let (fine, wrong) = (f64::from(*fine), f64::from(*wrong));
            if wrong > 0.0 {
                area.draw(&Rectangle::new([(from, y(wrong)), (to, below)], BAD.filled()))?;
            }
            if fine > 0.0 {
                area.draw(&Rectangle::new(
                    [(from, y(fine + wrong)), (to, y(wrong))],
                    MAIN.filled(),
                ))?;
            }
        }
        let values = step(greatest - least, 5.0);
        let mut at = (least / values).ceil() * values;
        while at <= greatest + values * 1e-6 {
            area.draw(&Text::new(tick(at), (x(at), below + 16), words(&MUTED, HPos::Center)))?;
            at += values;
        }
        area.draw(&PathElement::new(vec![(left, below), (right, below)], MUTED))?;
        for value in marks {
            let at = x(value);
            area.draw(&Polygon::new(
                vec![(at - 4, below + 8), (at + 4, below + 8), (at, below + 1)],
                BAD.filled(),
            ))?;
        }
        area.draw(&Text::new(
            axis.to_string(),
            ((left + right) / 2, below + 35),
            words(&INK, HPos::Center),
        ))
    })
}
