//! Plots as SVG, drawn by plotters. Colours are roles that the page's style fills in,
//! so that a plot follows light and dark.

mod axes;
mod bars;
mod boxes;
mod heat;
mod histogram;
mod intervals;
mod lines;
mod scatter;
mod shape;

pub(crate) use axes::{Axis, Scale};
pub(crate) use bars::{Bar, Part, bars};
pub(crate) use boxes::{Spread, boxes};
pub(crate) use heat::heat;
pub(crate) use histogram::histogram;
pub(crate) use intervals::{Estimate, intervals};
pub(crate) use lines::{Series, Spot, Stroke, Tag, lines, spotted};
pub(crate) use scatter::scatter;
pub(crate) use shape::Shape;

use maud::{Markup, PreEscaped};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::text;

/// Width of a plot in its own units, which are pixels at the plot's natural size.
const WIDTH: u32 = 440;
/// Size of text, plot units. plotters writes it divided by 1.24 (its estimate of
/// the ratio of a line's height to the font size), which gives 12.
const TEXT: f64 = 15.0;

/// Roles of colours: stand-ins that [`finish`] replaces by the style's variables.
const ROLES: [(RGBColor, &str); 15] = [
    (INK, "var(--ink)"),
    (MUTED, "var(--muted)"),
    (LINE, "var(--line)"),
    (MAIN, "var(--plot-1)"),
    (SECOND, "var(--plot-2)"),
    (BAD, "var(--bad)"),
    (THIRD, "var(--info)"),
    (GROUPS[0], "var(--group-1)"),
    (GROUPS[1], "var(--group-2)"),
    (GROUPS[2], "var(--group-3)"),
    (GROUPS[3], "var(--group-4)"),
    (GROUPS[4], "var(--group-5)"),
    (GROUPS[5], "var(--group-6)"),
    (GROUPS[6], "var(--group-7)"),
    (GROUPS[7], "var(--group-8)"),
];
const INK: RGBColor = RGBColor(1, 0, 1);
const MUTED: RGBColor = RGBColor(2, 0, 2);
const LINE: RGBColor = RGBColor(3, 0, 3);
const MAIN: RGBColor = RGBColor(4, 0, 4);
const SECOND: RGBColor = RGBColor(5, 0, 5);
const BAD: RGBColor = RGBColor(6, 0, 6);
const THIRD: RGBColor = RGBColor(7, 0, 7);
/// Groups of curves that are told apart by colour, and by the dashes that the style gives each.
const GROUPS: [RGBColor; 8] = [
    RGBColor(8, 0, 8),
    RGBColor(9, 0, 9),
    RGBColor(10, 0, 10),
    RGBColor(11, 0, 11),
    RGBColor(12, 0, 12),
    RGBColor(13, 0, 13),
    RGBColor(14, 0, 14),
    RGBColor(15, 0, 15),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Sets a plot below its title and a note on how to read it.
pub(crate) fn figure(title: &str, note: &str, drawn: &Markup) -> Markup {
    maud::html! {
        figure {
            figcaption { b { (title) } @if !note.is_empty() { " " span .note { (note) } } }
            (drawn)
        }
    }
}

/// Draws into an SVG of a size and gives it a description for those who cannot see it.
fn draw(size: (u32, u32), label: &str, content: impl FnOnce(&Area<'_>) -> Drawn) -> Markup {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        content(&area).and_then(|()| area.present())
    };
    match drawn {
        Ok(()) => finish(&svg, size, label),
        // Drawing into memory fails only where plotters refuses a range; the page
        // is worth more than one plot.
        Err(error) => maud::html! { p .note { "This plot could not be drawn: " (error) } },
    }
}

/// Makes plotters' SVG part of the page: responsive, described, in the page's colours.
fn finish(svg: &str, (width, height): (u32, u32), label: &str) -> Markup {
    let content = svg.split_once(">\n").map_or("", |(_, content)| content);
    let mut content =
        content.replace(&format!("font-size=\"{}\"", TEXT / 1.24), "font-size=\"12\"");
    for (RGBColor(r, g, b), variable) in ROLES {
        content =
            content.replace(&format!("\"#{r:02X}{g:02X}{b:02X}\""), &format!("\"{variable}\""));
    }
    // Texts stand on lines of their own, which a browser shows as spaces.
    content = content.replace(">\n", ">").replace("\n<", "<");
    for (verbose, short) in [(" stroke=\"none\"", ""), (" opacity=\"1\"", "")] {
        content = content.replace(verbose, short);
    }
    maud::html! {
        (PreEscaped(format!("<svg class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"")))
        (label)
        (PreEscaped("\">"))
        (PreEscaped(content))
    }
}

/// Returns the style of a plot's text.
fn words<'a>(color: &RGBColor, across: HPos) -> TextStyle<'a> {
    ("sans-serif", TEXT).into_font().color(color).pos(Pos::new(across, VPos::Center))
}

/// Returns a round step that divides a range into about `parts`: 1, 2 or 5 times a
/// power of ten.
fn step(range: f64, parts: f64) -> f64 {
    let rough = (range / parts).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let leading = rough / power;
    power
        * if leading <= 1.0 {
            1.0
        } else if leading <= 2.0 {
            2.0
        } else if leading <= 5.0 {
            5.0
        } else {
            10.0
        }
}

/// Writes a tick of an axis.
fn tick(value: f64) -> String {
    if value.abs() >= 1000.0 { text::count(value.round() as usize) } else { text::number(value) }
}

/// What a colour of a plot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The usual.
    Main,
    /// Another kind of the usual.
    Second,
    /// What is absent or fades behind.
    Muted,
    /// A third kind of the usual.
    Third,
    /// One of several groups, by its number; more than eight begin again.
    Group(usize),
    /// What happened beside.
    Note,
    /// What is wrong.
    Bad,
}

impl Role {
    fn color(self) -> RGBColor {
        match self {
            Role::Main => MAIN,
            Role::Second => SECOND,
            Role::Third => THIRD,
            Role::Group(at) => GROUPS[at % GROUPS.len()],
            Role::Muted => LINE,
            Role::Note => MUTED,
            Role::Bad => BAD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_plots_stay_text_and_colours_become_variables() {
        let bar = Bar {
            name: "<script>\"#040004\"".into(),
            parts: vec![Part { value: 2, role: Role::Main }],
            note: "2".into(),
        };
        let svg = bars("label \"<", &[bar], 1).into_string();
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"), "{svg}");
        assert!(svg.contains("var(--plot-1)"), "{svg}");
        assert!(svg.contains("aria-label=\"label &quot;&lt;\""), "{svg}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(step(10.0, 5.0), 2.0);
        assert_eq!(step(0.9, 5.0), 0.2);
    }
}
