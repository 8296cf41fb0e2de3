//! Facts as polars frames, made of the declarations in `columns.rs`.
//!
//! A frame is built when asked for, so that a rule about images never pays for
//! millions of keypoints. Names that rows share are stored once (categoricals), a
//! column of nothing but nulls takes no memory.

use polars::prelude::{
    BooleanChunked, Categorical32Type, CategoricalChunked, CategoricalPhysical, Categories,
    Column as Series, DataFrame, DataType, IntoColumn as _, IntoLazy as _, LazyFrame,
    NewChunkedArray as _, PolarsError, PolarsResult, Scalar, UInt32Chunked, UInt64Chunked, col,
};
use polars::prelude::{Float32Chunked, Float64Chunked, StringChunked};
use rayon::prelude::*;

use super::Facts;
use super::columns::{Column, Row, Source, Table, Value};

/// Says why a frame could not be built.
#[derive(Debug, thiserror::Error)]
#[error("failed to build the table {table}: {source}")]
pub struct FactsError {
    /// The table.
    pub table: &'static str,
    /// What polars said.
    pub source: Box<PolarsError>,
}

/// The three frames.
///
/// # Shapes
/// A row per image, per labelled instance, per labelled keypoint.
#[derive(Debug, Clone)]
pub struct Frames {
    /// One row per image.
    pub images: DataFrame,
    /// One row per labelled instance.
    pub instances: DataFrame,
    /// One row per labelled keypoint.
    pub keypoints: DataFrame,
}

impl Facts {
    /// Returns all three frames.
    ///
    /// # Errors
    /// Fails when polars cannot hold the table.
    pub fn frames(&self) -> Result<Frames, FactsError> {
        Ok(Frames {
            images: self.frame(Table::Images)?,
            instances: self.frame(Table::Instances)?,
            keypoints: self.frame(Table::Keypoints)?,
        })
    }

    /// Returns the frame of one table, with its columns as declared.
    ///
    /// # Errors
    /// Fails when polars cannot hold the table.
    pub fn frame(&self, table: Table) -> Result<DataFrame, FactsError> {
        self.build(table, |_| true)
    }

    /// Returns the frame of one table as SQL takes it: names are strings, so that
    /// `LIKE` and `||` work on them. Only its first column and those that `uses`
    /// names are built: a million annotations are large.
    ///
    /// # Errors
    /// Fails when polars cannot hold the table.
    pub fn lazy(&self, table: Table, uses: impl Fn(&str) -> bool) -> Result<LazyFrame, FactsError> {
        let names = (table.columns().iter())
            .filter(|column| uses(column.name) && matches!(column.value, Value::Name { .. }))
            .map(|column| col(column.name).cast(DataType::String))
            .collect::<Vec<_>>();
        // The first column holds the number of rows, for `COUNT(*)`.
        let first = table.columns()[0].name;
        let frame = self.build(table, |name| name == first || uses(name))?;
        Ok(frame.lazy().with_columns(names))
    }

    fn build(&self, table: Table, uses: impl Fn(&str) -> bool) -> Result<DataFrame, FactsError> {
        let source = Source::new(self);
        let height = source.rows(table).count();
        let columns: Vec<_> = table.columns().iter().filter(|c| uses(c.name)).collect();
        (columns.par_iter())
            .map(|column| series(column, &source, table, height))
            .collect::<PolarsResult<Vec<Series>>>()
            .and_then(|columns| DataFrame::new(height, columns))
            .map_err(|error| FactsError { table: table.name(), source: Box::new(error) })
    }
}

/// Builds one column of a table.
fn series(
    column: &Column,
    source: &Source<'_>,
    table: Table,
    height: usize,
) -> PolarsResult<Series> {
    let name = column.name;
    Ok(match column.value {
        Value::Name { names, place } => {
            // Categories of one name are shared by all frames of the process, so
            // that `keypoints.image` can be joined with `images.image`.
            let categories =
                Categories::new(name.into(), "labelvet".into(), CategoricalPhysical::U32);
            let dtype = DataType::from_categories(categories.clone());
            let mapping = categories.mapping();
            let codes = (names(source).iter())
                .map(|name| mapping.insert_cat(name))
                .collect::<PolarsResult<Vec<u32>>>()?;
            let code = |row| Some(codes[place(source, row)? as usize]);
            match some_values(source, table, code) {
                None => null(name, dtype, height),
                Some(values) => {
                    let codes = UInt32Chunked::from_iter_options(name.into(), values);
                    CategoricalChunked::<Categorical32Type>::from_cats_and_dtype(codes, dtype)
                        .into_column()
                }
            }
        }
        Value::Text(get) => match some_values(source, table, |row| get(source, row)) {
            None => null(name, DataType::String, height),
            Some(values) => StringChunked::from_iter_options(name.into(), values).into_column(),
        },
        Value::Flag(get) => match some_values(source, table, |row| get(source, row)) {
            None => null(name, DataType::Boolean, height),
            Some(values) => BooleanChunked::from_iter_options(name.into(), values).into_column(),
        },
        Value::Count(get) => match some_values(source, table, |row| get(source, row)) {
            None => null(name, DataType::UInt64, height),
            Some(values) => UInt64Chunked::from_iter_options(name.into(), values).into_column(),
        },
        Value::Small(get) => match some_values(source, table, |row| get(source, row)) {
            None => null(name, DataType::UInt32, height),
            Some(values) => UInt32Chunked::from_iter_options(name.into(), values).into_column(),
        },
        Value::Measure(get) => match some_values(source, table, |row| get(source, row)) {
            None => null(name, DataType::Float32, height),
            Some(values) => Float32Chunked::from_iter_options(name.into(), values).into_column(),
        },
        Value::Coordinate(get) => match some_values(source, table, |row| get(source, row)) {
            None => null(name, DataType::Float64, height),
            Some(values) => Float64Chunked::from_iter_options(name.into(), values).into_column(),
        },
    })
}

/// Returns a column's values, or `None` when every one of them is null.
fn some_values<'a, T: 'a>(
    source: &'a Source<'a>,
    table: Table,
    get: impl Fn(Row) -> Option<T> + 'a,
) -> Option<impl Iterator<Item = Option<T>> + 'a> {
    let any = source.rows(table).any(|row| get(row).is_some());
    any.then(|| source.rows(table).map(get))
}

/// Returns a column of nulls, stored as one value.
fn null(name: &str, dtype: DataType, height: usize) -> Series {
    Series::new_scalar(name.into(), Scalar::null(dtype), height)
}
