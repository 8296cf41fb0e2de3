//! Estimates with their intervals, one below the other, and the values that they rest on.

use maud::Markup;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axes::{self, Axis, Range};
use super::{INK, LINE, MUTED, Role, Shape, WIDTH, draw, words};
use crate::page::text::shortened;

/// Height of a row, plot units: a name and a note below each other.
const ROW: i32 = 40;
/// Where the scale begins and ends, plot units.
const LEFT: i32 = 172;
const RIGHT: i32 = WIDTH as i32 - 16;
/// Room above for the name of the axis, and below for its numbers.
const TOP: i32 = 26;
const BELOW: i32 = 26;
/// Letters that find room left of the scale.
const MOST_LETTERS: usize = 25;

/// An estimate.
#[derive(Debug, Clone)]
pub(crate) struct Estimate {
    /// What it is of.
    pub(crate) name: String,
    /// Words below the name.
    pub(crate) note: String,
    /// The estimate; what is not finite is not drawn.
    pub(crate) value: f64,
    /// Limits of its interval.
    pub(crate) interval: Option<[f64; 2]>,
    /// What it is the mean of.
    pub(crate) dots: Vec<f64>,
    /// A range behind it.
    pub(crate) band: Option<[f64; 2]>,
    /// Its colour.
    pub(crate) role: Role,
    /// Its form.
    pub(crate) shape: Shape,
}

/// Draws estimates over one axis, with a line at a value that all are compared with.
pub(crate) fn intervals(
    label: &str,
    axis: &Axis<'_>,
    estimates: &[Estimate],
    compared: Option<f64>,
) -> Markup {
    let values = estimates.iter().flat_map(|estimate| {
        let limits = [estimate.interval, estimate.band].into_iter().flatten().flatten();
        limits.chain([estimate.value]).chain(estimate.dots.iter().copied())
    });
    let range = Range::of(axis, values.chain(compared));
    let height = estimates.len() as i32 * ROW + TOP + BELOW;
    draw((WIDTH, height as u32), label, |area| {
        let below = height - BELOW;
        let x = |value: f64| {
            let share = range.share(value)?;
            Some(LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32)
        };
        let ends = |[low, high]: [f64; 2]| Some((x(low)?, x(high)?));
        for (row, estimate) in estimates.iter().enumerate() {
            let top = TOP + row as i32 * ROW;
            if let Some((from, to)) = estimate.band.and_then(ends) {
                let corners = [(from, top + 3), (to, top + ROW - 3)];
                area.draw(&Rectangle::new(corners, LINE.filled()))?;
            }
        }
        for at in range.ticks() {
            let Some(place) = x(at) else { continue };
            area.draw(&PathElement::new(vec![(place, TOP), (place, below)], LINE))?;
            let text = (place, below + 14);
            area.draw(&Text::new(axes::label(at), text, words(&MUTED, HPos::Center)))?;
        }
        if let Some(place) = compared.and_then(x) {
            area.draw(&PathElement::new(vec![(place, TOP - 2), (place, below)], INK))?;
        }
        area.draw(&PathElement::new(vec![(LEFT, below), (RIGHT, below)], MUTED))?;
        let name = axis.name.to_string();
        area.draw(&Text::new(name, (RIGHT, TOP - 14), words(&INK, HPos::Right)))?;
        for (row, estimate) in estimates.iter().enumerate() {
            let middle = TOP + row as i32 * ROW + ROW / 2 - 4;
            let texts = [(&estimate.name, middle - 4, INK), (&estimate.note, middle + 10, MUTED)];
            for (text, at, color) in texts {
                let text = shortened(text, MOST_LETTERS);
                area.draw(&Text::new(text, (LEFT - 8, at), words(&color, HPos::Right)))?;
            }
            let color = estimate.role.color();
            for &value in &estimate.dots {
                if let Some(at) = x(value) {
                    let dot = Circle::new((at, middle + 13), 2, color.mix(0.6).filled());
                    area.draw(&dot)?;
                }
            }
            if let Some((from, to)) = estimate.interval.and_then(ends) {
                let line = vec![(from, middle), (to, middle)];
                area.draw(&PathElement::new(line, color.stroke_width(3)))?;
                for end in [from, to] {
                    let stroke = vec![(end, middle - 4), (end, middle + 4)];
                    area.draw(&PathElement::new(stroke, color.stroke_width(3)))?;
                }
            }
            if let Some(at) = x(estimate.value) {
                estimate.shape.draw(area, (at, middle), color)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    #[test]
    fn what_is_not_finite_is_left_out_and_names_stay_text() {
        let estimate = |value, interval| Estimate {
            name: "clean < random".into(),
            note: "n = 8".into(),
            value,
            interval,
            dots: vec![0.5, f64::NAN],
            band: Some([-1.0, 1.0]),
            role: Role::Group(1),
            shape: Shape::Square,
        };
        let axis = Axis { name: "per cent", scale: Scale::Linear, include: &[] };
        let rows = [estimate(2.0, Some([1.0, 3.0])), estimate(f64::INFINITY, None)];
        let svg = intervals("effects", &axis, &rows, Some(0.0)).into_string();
        assert!(svg.contains("clean &lt; random"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2, "one dot a row: {svg}");
        assert!(svg.contains("var(--group-2)") && !svg.contains("NaN"), "{svg}");
        assert!(intervals("", &axis, &[], None).into_string().contains("<svg"));
    }
}
