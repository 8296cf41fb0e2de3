//! Two axes with round ticks: where a value lies on a plot.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{Area, Drawn, INK, LINE, MUTED, WIDTH, step, tick, words};

/// Room left of a plot for the numbers of its axis, plot units.
const LEFT: i32 = 56;
const RIGHT: i32 = WIDTH as i32 - 22;
/// Room below a plot for the numbers of its axis and its name.
const BELOW: i32 = 44;
/// Powers of ten that a logarithmic axis shows at most: below lies what is as good as none.
const MOST_DECADES: f64 = 8.0;

/// How values become places along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Evenly.
    Linear,
    /// By their powers of ten; values that are not above 0 have no place.
    Log,
}

/// One axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    /// What it measures, with its unit.
    pub(crate) name: &'a str,
    /// How values become places.
    pub(crate) scale: Scale,
    /// Values that are shown in any case, such as 0 and 1 of a share.
    pub(crate) include: &'a [f64],
}

/// The range of an axis, in powers of ten on a logarithmic one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Range {
    /// Returns the range of values; from 0 to 1 of none.
    pub(super) fn of(axis: &Axis<'_>, values: impl Iterator<Item = f64>) -> Range {
        let scale = axis.scale;
        let places = values.chain(axis.include.iter().copied()).filter_map(|v| scale.place(v));
        let (mut low, mut high) = places
            .fold((f64::MAX, f64::MIN), |(low, high), place| (low.min(place), high.max(place)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if scale == Scale::Log {
            low = low.max(high - MOST_DECADES);
        }
        if high - low < 1e-9 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        Range { scale, low, high }
    }

    /// Returns where a value lies: 0 at the low end, 1 at the high; beyond is cut.
    pub(super) fn share(&self, value: f64) -> Option<f64> {
        let place = self.scale.place(value)?;
        Some(((place - self.low) / (self.high - self.low)).clamp(0.0, 1.0))
    }

    /// Returns the values at which ticks stand.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let room = self.high - self.low;
        if self.scale == Scale::Linear {
            return even(self.low, self.high);
        }
        // Whole powers of ten; within two of them, also 2 and 5 times.
        let factors: &[f64] = if room < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = self.low.floor() as i32..=self.high.ceil() as i32;
        let every = (room / 6.0).ceil().max(1.0) as i32;
        let values = powers
            .filter(|power| power.rem_euclid(every) == 0)
            .flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
        let inside = |v: &f64| (self.low - 1e-9..=self.high + 1e-9).contains(&v.log10());
        let ticks: Vec<f64> = values.filter(inside).collect();
        // Within one power of ten there may be next to none of these.
        if ticks.len() < 3 && room < 1.0 {
            return even(10_f64.powf(self.low), 10_f64.powf(self.high));
        }
        ticks
    }
}

/// Returns evenly spaced round values of a range.
fn even(low: f64, high: f64) -> Vec<f64> {
    let by = step(high - low, 5.0);
    let (first, last) = ((low / by).ceil() as i64, (high / by + 1e-6).floor() as i64);
    (first..=last).map(|at| at as f64 * by).collect()
}

impl Scale {
    fn place(self, value: f64) -> Option<f64> {
        match self {
            Scale::Linear => value.is_finite().then_some(value),
            Scale::Log => (value > 0.0 && value.is_finite()).then(|| value.log10()),
        }
    }
}

/// A plot's two axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes {
    x: Range,
    y: Range,
    top: i32,
    bottom: i32,
}

impl Axes {
    /// Fits axes to points, in a plot of a height with room at its top.
    pub(super) fn new<'a>(
        x: &Axis<'_>,
        y: &Axis<'_>,
        points: impl Iterator<Item = &'a [f64; 2]> + Clone,
        [top, height]: [i32; 2],
    ) -> Axes {
        Axes {
            x: Range::of(x, points.clone().map(|point| point[0])),
            y: Range::of(y, points.map(|point| point[1])),
            top,
            bottom: height - BELOW,
        }
    }

    /// Returns where a value of the x axis lies.
    fn x(&self, value: f64) -> Option<i32> {
        let share = self.x.share(value)?;
        Some(LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32)
    }

    /// Returns where a value of the y axis lies.
    fn y(&self, value: f64) -> Option<i32> {
        let share = self.y.share(value)?;
        Some(self.bottom - (share * f64::from(self.bottom - self.top)).round() as i32)
    }

    /// Returns where a point lies.
    pub(super) fn place(&self, [x, y]: [f64; 2]) -> Option<(i32, i32)> {
        Some((self.x(x)?, self.y(y)?))
    }

    /// Draws ticks, lines of the grid and names.
    pub(super) fn draw(&self, area: &Area<'_>, x: &Axis<'_>, y: &Axis<'_>) -> Drawn {
        for value in self.y.ticks() {
            self.level(area, value, LINE)?;
            let at = self.y(value).unwrap_or(self.bottom);
            area.draw(&Text::new(label(value), (LEFT - 6, at), words(&MUTED, HPos::Right)))?;
        }
        for value in self.x.ticks() {
            let Some(at) = self.x(value) else { continue };
            area.draw(&PathElement::new(vec![(at, self.bottom), (at, self.bottom + 4)], MUTED))?;
            let place = (at, self.bottom + 16);
            area.draw(&Text::new(label(value), place, words(&MUTED, HPos::Center)))?;
        }
        area.draw(&PathElement::new(vec![(LEFT, self.bottom), (RIGHT, self.bottom)], MUTED))?;
        let below = ((LEFT + RIGHT) / 2, self.bottom + 35);
        area.draw(&Text::new(x.name.to_string(), below, words(&INK, HPos::Center)))?;
        area.draw(&Text::new(y.name.to_string(), (4, self.top - 14), words(&INK, HPos::Left)))
    }

    /// Draws a line from top to bottom at a value of the x axis.
    pub(super) fn upright(&self, area: &Area<'_>, value: f64, color: RGBColor) -> Drawn {
        let Some(at) = self.x(value) else { return Ok(()) };
        area.draw(&PathElement::new(vec![(at, self.top), (at, self.bottom)], color))
    }

    /// Draws a line from left to right at a value of the y axis.
    pub(super) fn level(&self, area: &Area<'_>, value: f64, color: RGBColor) -> Drawn {
        let Some(at) = self.y(value) else { return Ok(()) };
        area.draw(&PathElement::new(vec![(LEFT, at), (RIGHT, at)], color))
    }
}

/// Writes a tick: small numbers by their power of ten.
pub(super) fn label(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.0e}") } else { tick(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(scale: Scale, values: &[f64]) -> Range {
        Range::of(&Axis { name: "", scale, include: &[] }, values.iter().copied())
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            range(Scale::Linear, &[0.0, 1.0]).ticks(),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(range(Scale::Log, &[0.3, 400.0]).ticks(), [1.0, 10.0, 100.0]);
        assert_eq!(range(Scale::Log, &[0.9, 40.0]).ticks(), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(range(Scale::Log, &[3.0, 4.2]).ticks(), [3.0, 3.5, 4.0]);
        // From -3.5 to -2.5 in fifths: none lies beyond an end.
        let below = range(Scale::Linear, &[f64::NAN, -3.0]).ticks();
        assert_eq!((below.len(), below[0] >= -3.5, below[4] <= -2.5), (5, true, true));
    }

    #[test]
    fn what_has_no_logarithm_has_no_place() {
        let range = range(Scale::Log, &[0.0, -1.0, 1.0, 100.0]);
        assert_eq!((range.share(0.0), range.share(10.0)), (None, Some(0.5)));
        assert_eq!(range.share(1e6), Some(1.0));
    }
}
