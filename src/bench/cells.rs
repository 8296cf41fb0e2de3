//! What is planted: kinds of errors, each at several strengths. Takes a cells file, gives a
//! checked list.

use serde::Deserialize;

use crate::plant::{ErrorKind, Recipe, RecipeError};

/// The cells where none are given.
const CELLS: &str = include_str!("cells.toml");

/// A kind of error at one strength.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The kind.
    pub kind: ErrorKind,
    /// What tells strengths of a kind apart, such as `0.3-1`.
    pub strength: String,
    /// The error in the words of an errors file, without its rate.
    error: toml::Table,
}

/// Says why a text is no list of cells.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CellsError {
    /// It is no TOML, or has no such keys.
    #[error("{0}")]
    Toml(String),
    /// It has no cell.
    #[error("expected one [[cell]] at least, found none")]
    Empty,
    /// A cell has no name.
    #[error("cell {row}: `name` says what its strength is called")]
    NoName {
        /// Which `[[cell]]`, counted from 1.
        row: usize,
    },
    /// Two cells of one kind share a name.
    #[error("cell {row}: there is a {kind} named `{name}` already")]
    Twice {
        /// Which `[[cell]]`, counted from 1.
        row: usize,
        /// Its kind.
        kind: ErrorKind,
        /// Its name.
        name: String,
    },
    /// A cell makes no sense as an error.
    #[error("cell {row}: {source}")]
    Error {
        /// Which `[[cell]]`, counted from 1.
        row: usize,
        /// What is wrong.
        source: RecipeError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    cell: Vec<toml::Table>,
}

impl Cell {
    /// Parses a cells file.
    ///
    /// # Errors
    /// Fails on what is no TOML, and on cells that make no sense.
    pub fn parse(text: &str) -> Result<Vec<Cell>, CellsError> {
        let file: File =
            toml::from_str(text).map_err(|error| CellsError::Toml(error.to_string()))?;
        let mut cells: Vec<Cell> = Vec::new();
        for (at, mut error) in file.cell.into_iter().enumerate() {
            let row = at + 1;
            let name = error.remove("name").and_then(|name| name.as_str().map(str::to_owned));
            let strength =
                name.filter(|name| !name.is_empty()).ok_or(CellsError::NoName { row })?;
            // Any rate will do to check the rest.
            let recipe = recipe(&error, 0.5).map_err(|source| CellsError::Error { row, source })?;
            let kind = recipe.errors[0].kind;
            if cells.iter().any(|cell| cell.kind == kind && cell.strength == strength) {
                return Err(CellsError::Twice { row, kind, name: strength });
            }
            cells.push(Cell { kind, strength, error });
        }
        if cells.is_empty() { Err(CellsError::Empty) } else { Ok(cells) }
    }

    /// Returns the text of the cells where none are given.
    pub fn default_text() -> &'static str {
        CELLS
    }

    /// Returns the recipe that plants the error in a share of the frames.
    ///
    /// # Errors
    /// Fails on a rate that is not above 0, or above 1.
    pub fn recipe(&self, rate: f64) -> Result<Recipe, RecipeError> {
        recipe(&self.error, rate)
    }
}

fn recipe(error: &toml::Table, rate: f64) -> Result<Recipe, RecipeError> {
    let mut entry = error.clone();
    if entry.insert("rate".into(), toml::Value::Float(rate)).is_some() {
        return Err(RecipeError::Toml("`rate` is given on the command line, not here".into()));
    }
    let mut file = toml::Table::new();
    file.insert("error".into(), toml::Value::Array(vec![toml::Value::Table(entry)]));
    let text = toml::to_string(&file).map_err(|error| RecipeError::Toml(error.to_string()))?;
    Recipe::parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_among_the_default_cells() {
        let cells = Cell::parse(Cell::default_text()).expect("cells");
        for kind in ErrorKind::ALL {
            assert!(cells.iter().any(|cell| cell.kind == kind), "{kind}");
        }
        let miss = cells.iter().find(|cell| cell.strength == "0.3-1").expect("a miss");
        let recipe = miss.recipe(0.05).expect("a recipe");
        assert_eq!((recipe.errors[0].rate, recipe.errors[0].strength), (0.05, [0.3, 1.0]));
        assert!(miss.recipe(0.0).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let message = |text: &str| Cell::parse(text).expect_err("it makes no sense").to_string();
        assert_eq!(message(""), CellsError::Empty.to_string());
        assert!(message("[[cell]]\nkind = \"miss\"\n").contains("`name`"));
        let cell = "[[cell]]\nkind = \"miss\"\nname = \"a\"\n";
        assert!(message(&cell.repeat(2)).contains("cell 2: there is a miss named `a`"));
        assert!(message(&format!("{cell}sd = 1.0\n")).contains("belongs to jitter"));
        assert!(message(&format!("{cell}rate = 0.1\n")).contains("command line"));
        assert!(message("[[cell]]\nkind = \"smear\"\nname = \"a\"\n").contains("smear"));
        assert!(message("[[cells]]\n").contains("cells"));
    }
}
