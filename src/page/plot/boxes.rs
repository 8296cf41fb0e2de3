//! Horizontal box plots: how lengths spread.

use maud::Markup;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axes::{Axis, Range};
use super::{BAD, INK, LINE, MAIN, MUTED, WIDTH, draw, words};
use crate::page::text::shortened;

const ROW: i32 = 24;
const LEFT: i32 = 170;
const RIGHT: i32 = WIDTH as i32 - 14;
/// Values beyond the whiskers that are drawn, one dot each.
const MOST_DOTS: usize = 60;

/// How a quantity spreads.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    /// What it is of.
    pub(crate) name: String,
    /// Values, sorted, with whether they were found wrong.
    pub(crate) values: Vec<(f64, bool)>,
}

impl Spread {
    /// Returns the value below which a share of all lies.
    fn quantile(&self, share: f64) -> f64 {
        let at = share * (self.values.len() - 1) as f64;
        self.values[at.round() as usize].0
    }
}

/// Draws one box per spread: 5 %, 25 %, median, 75 % and 95 %, and dots beyond.
/// Spreads without values are left out.
pub(crate) fn boxes(label: &str, axis: &Axis<'_>, spreads: &[Spread]) -> Markup {
    let spreads: Vec<&Spread> = spreads.iter().filter(|s| !s.values.is_empty()).collect();
    let range = Range::of(axis, spreads.iter().flat_map(|s| s.values.iter().map(|(v, _)| *v)));
    let height = spreads.len() as i32 * ROW + 52;
    draw((WIDTH, height as u32), label, |area| {
        let below = height - 46;
        let x = |value: f64| {
            // What has no place on a logarithmic axis lies at its low end.
            let share = range.share(value).unwrap_or(0.0);
            LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
        };
        for at in range.ticks() {
            area.draw(&PathElement::new(vec![(x(at), 2), (x(at), below)], LINE))?;
            let place = (x(at), below + 14);
            area.draw(&Text::new(super::axes::label(at), place, words(&MUTED, HPos::Center)))?;
        }
        for (row, spread) in spreads.iter().enumerate() {
            let middle = 4 + row as i32 * ROW + ROW / 2;
            let name = shortened(&spread.name, 22);
            area.draw(&Text::new(name, (LEFT - 8, middle), words(&INK, HPos::Right)))?;
            let [low, q1, median, q3, high] =
                [0.05, 0.25, 0.5, 0.75, 0.95].map(|q| spread.quantile(q));
            area.draw(&PathElement::new(
                vec![(x(low), middle), (x(high), middle)],
                MAIN.stroke_width(2),
            ))?;
            let box_ = [(x(q1), middle - 6), (x(q3).max(x(q1) + 1), middle + 6)];
            area.draw(&Rectangle::new(box_, MAIN.filled()))?;
            area.draw(&PathElement::new(
                vec![(x(median), middle - 7), (x(median), middle + 7)],
                INK.stroke_width(2),
            ))?;
            let beyond = spread.values.iter().filter(|&&(v, wrong)| wrong || v < low || v > high);
            // The wrong come last, on top, and are never left out for the rest.
            let (mut dots, wrong): (Vec<_>, Vec<_>) =
                beyond.copied().partition(|&(_, wrong)| !wrong);
            dots.truncate(MOST_DOTS);
            for (value, is_wrong) in dots.into_iter().chain(wrong.into_iter().take(MOST_DOTS)) {
                let (radius, color) = if is_wrong { (4, BAD) } else { (2, MUTED) };
                area.draw(&Circle::new((x(value), middle), radius, color.filled()))?;
            }
        }
        area.draw(&Text::new(
            axis.name.to_string(),
            ((LEFT + RIGHT) / 2, height - 12),
            words(&INK, HPos::Center),
        ))
    })
}
