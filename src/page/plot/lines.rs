//! Curves over one axis: several series, and marks at places of it or of the curves.

use maud::Markup;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axes::{Axes, Axis};
use super::{INK, Role, Shape, draw, words};

/// Height of a plot without its legend.
const HEIGHT: i32 = 234;
/// Room above a plot for the name of the y axis.
const TOP: i32 = 28;
/// Height of a line of the legend.
const LINE: i32 = 16;

/// Length of a curve's sample in the legend: shows its dashes.
const SAMPLE: i32 = 22;
/// Opacity of faint curves.
const FAINT: f64 = 0.35;

/// A curve.
#[derive(Debug, Clone)]
pub(crate) struct Series<'a> {
    /// What it shows; empty keeps it out of the legend.
    pub(crate) name: &'a str,
    /// x and y, ascending in x; a y that is not finite interrupts the curve.
    pub(crate) points: Vec<[f64; 2]>,
    /// Its colour.
    pub(crate) role: Role,
    /// How it is drawn.
    pub(crate) stroke: Stroke,
}

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stroke {
    /// A thin line, for what scatters.
    Thin,
    /// A thin line that lets others show through, for many curves of one kind.
    Faint,
    /// A strong line.
    Strong,
    /// A strong line with a dot at each point, for few points.
    Dotted,
}

/// A line across the plot at a place of the x axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag<'a> {
    /// Where.
    pub(crate) at: f64,
    /// What happened there; the legend has each name once.
    pub(crate) name: &'a str,
    /// Its colour.
    pub(crate) role: Role,
}

/// A mark at a point of the plot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'a> {
    /// Where; a y that is infinite lies at the top.
    pub(crate) at: [f64; 2],
    /// What it marks; the legend has each name once, empty keeps it out.
    pub(crate) name: &'a str,
    /// Its colour.
    pub(crate) role: Role,
    /// Its form.
    pub(crate) shape: Shape,
}

/// Draws curves, in their order, so that the last lies on top.
pub(crate) fn lines(
    label: &str,
    x: &Axis<'_>,
    y: &Axis<'_>,
    series: &[Series<'_>],
    tags: &[Tag<'_>],
) -> Markup {
    spotted(label, x, y, series, tags, &[])
}

/// Draws curves with marks over them.
pub(crate) fn spotted(
    label: &str,
    x: &Axis<'_>,
    y: &Axis<'_>,
    series: &[Series<'_>],
    tags: &[Tag<'_>],
    spots: &[Spot<'_>],
) -> Markup {
    let points = series.iter().flat_map(|series| &series.points);
    let points = points.chain(spots.iter().map(|spot| &spot.at));
    let named = series.iter().map(|series| (series.name, series.role, None));
    let named = named.chain(tags.iter().map(|tag| (tag.name, tag.role, None)));
    let named = named.chain(spots.iter().map(|spot| (spot.name, spot.role, Some(spot.shape))));
    let legend = legend(named);
    let room = legend.last().map_or(0, |entry| entry.place.1 + LINE / 2);
    let height = HEIGHT + room;
    let axes = Axes::new(x, y, points, [TOP + room, height]);
    draw((super::WIDTH, height as u32), label, |area| {
        axes.draw(area, x, y)?;
        for tag in tags {
            axes.upright(area, tag.at, tag.role.color())?;
        }
        for series in series {
            let (width, opacity) = match series.stroke {
                Stroke::Thin => (1, 1.0),
                Stroke::Faint => (1, FAINT),
                Stroke::Strong | Stroke::Dotted => (2, 1.0),
            };
            for run in runs(&axes, &series.points) {
                if series.stroke == Stroke::Dotted || run.len() == 1 {
                    for &place in &run {
                        area.draw(&Circle::new(place, 3, series.role.color().filled()))?;
                    }
                }
                let color = series.role.color().mix(opacity);
                area.draw(&PathElement::new(run, color.stroke_width(width)))?;
            }
        }
        for spot in spots {
            let [x, y] = spot.at;
            let y = if y == f64::INFINITY { f64::MAX } else { y };
            if let Some(place) = axes.place([x, y]) {
                spot.shape.draw(area, place, spot.role.color())?;
            }
        }
        for Entry { name, role, shape, place: (left, middle) } in legend {
            match shape {
                Some(shape) => shape.draw(area, (left + 9, middle), role.color())?,
                None => {
                    let line = vec![(left, middle), (left + SAMPLE, middle)];
                    area.draw(&PathElement::new(line, role.color().stroke_width(2)))?;
                }
            }
            let place = (left + SAMPLE + 5, middle);
            area.draw(&Text::new(name.to_string(), place, words(&INK, HPos::Left)))?;
        }
        Ok(())
    })
}

/// A name of the legend and where it begins.
struct Entry<'a> {
    name: &'a str,
    role: Role,
    /// Of a mark; a curve has none.
    shape: Option<Shape>,
    place: (i32, i32),
}

/// Places names above a plot, each once, in as many lines as they need.
fn legend<'a>(named: impl Iterator<Item = (&'a str, Role, Option<Shape>)>) -> Vec<Entry<'a>> {
    let mut legend: Vec<Entry<'a>> = Vec::new();
    let mut next = (6, LINE / 2);
    for (name, role, shape) in named {
        if name.is_empty() || legend.iter().any(|entry| entry.name == name) {
            continue;
        }
        // Letters of the plot's text are about 6.5 units wide.
        let width = SAMPLE + 20 + (6.5 * name.chars().count() as f64) as i32;
        if next.0 > 6 && next.0 + width > super::WIDTH as i32 {
            next = (6, next.1 + LINE);
        }
        legend.push(Entry { name, role, shape, place: next });
        next.0 += width;
    }
    legend
}

/// Returns the parts of a curve between interruptions, as places. Of several points at one
/// place of the x axis only the outer ones are kept: a page needs no more.
fn runs(axes: &Axes, points: &[[f64; 2]]) -> Vec<Vec<(i32, i32)>> {
    let mut runs: Vec<Vec<(i32, i32)>> = vec![vec![]];
    for &point in points {
        let place = axes.place(point);
        match (place, runs.last_mut()) {
            (Some(place), Some(run)) => push(run, place),
            (None, Some(run)) if !run.is_empty() => runs.push(vec![]),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Adds a place to a curve; a column keeps its first, its lowest, its highest and its last.
fn push(run: &mut Vec<(i32, i32)>, place: (i32, i32)) {
    let column = run.iter().rev().take_while(|other| other.0 == place.0).count();
    if column < 4 {
        run.push(place);
        return;
    }
    let at = run.len() - 4;
    let column = &mut run[at..];
    column[1].1 = column[1].1.min(place.1);
    column[2].1 = column[2].1.max(place.1);
    column[3] = place;
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    #[test]
    fn long_curves_stay_small_and_gaps_stay_gaps() {
        let noisy =
            |at: i32| [f64::from(at), if at == 70_000 { f64::NAN } else { f64::from(at % 97) }];
        let series = Series {
            name: "loss",
            points: (0..100_000).map(noisy).collect(),
            role: Role::Main,
            stroke: Stroke::Thin,
        };
        let axis = |name| Axis { name, scale: Scale::Linear, include: &[] };
        let tag = |at| Tag { at, name: "spike", role: Role::Bad };
        let svg = lines("loss", &axis("step"), &axis("loss"), &[series], &[tag(5.0), tag(9e4)]);
        let svg = svg.into_string();
        assert!(svg.len() < 40_000, "{}", svg.len());
        assert_eq!(svg.matches("spike").count(), 1, "once in the legend");
    }

    #[test]
    fn no_points_are_an_empty_plot() {
        let axis = |name| Axis { name, scale: Scale::Log, include: &[] };
        assert!(lines("", &axis("x"), &axis("y"), &[], &[]).into_string().contains("<svg"));
    }
}
