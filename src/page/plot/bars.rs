//! Horizontal bars, each of several parts.

use maud::Markup;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{INK, MUTED, Role, WIDTH, draw, words};
use crate::page::text::shortened;

/// Height of a bar and of the gap below it, plot units.
const ROW: i32 = 24;
/// Where bars begin and end, plot units: names stand left of them, notes right.
const LEFT: i32 = 150;
const RIGHT: i32 = WIDTH as i32 - 80;

/// A bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// What it is of.
    pub(crate) name: String,
    /// Its parts, from the left.
    pub(crate) parts: Vec<Part>,
    /// Words after its end.
    pub(crate) note: String,
}

/// A part of a bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Its length.
    pub(crate) value: usize,
    /// Its colour.
    pub(crate) role: Role,
}

/// Draws bars whose full length stands for `longest`.
pub(crate) fn bars(label: &str, bars: &[Bar], longest: usize) -> Markup {
    let height = bars.len() as i32 * ROW + 8;
    draw((WIDTH, height as u32), label, |area| {
        for (row, bar) in bars.iter().enumerate() {
            let top = 4 + row as i32 * ROW;
            let middle = top + ROW / 2;
            let name = shortened(&bar.name, 19);
            area.draw(&Text::new(name, (LEFT - 8, middle), words(&INK, HPos::Right)))?;
            let x = |value: usize| {
                LEFT + (value as f64 / longest.max(1) as f64 * f64::from(RIGHT - LEFT)).round()
                    as i32
            };
            let mut before = 0;
            for part in &bar.parts {
                // What is there is seen, however little it is.
                let to = x(before + part.value).max(x(before) + i32::from(part.value > 0) * 2);
                if part.value > 0 {
                    let corners = [(x(before), top + 4), (to, top + ROW - 4)];
                    area.draw(&Rectangle::new(corners, part.role.color().filled()))?;
                }
                before += part.value;
            }
            let note = Text::new(
                bar.note.clone(),
                (x(before).max(LEFT) + 6, middle),
                words(&MUTED, HPos::Left),
            );
            area.draw(&note)?;
        }
        Ok(())
    })
}
