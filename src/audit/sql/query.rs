//! The query of a rule: parsed, held to what a rule may read, its thresholds bound.
//!
//! A pull request may bring the query, so what it may hold is listed and all else is
//! refused: one `SELECT` over the three tables of facts and its own `WITH` tables.
//! No table function, no file, no other statement. Never runs anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    JoinConstraint, JoinOperator, ObjectName, Query as Ast, Select, SelectItem, SetExpr, Statement,
    TableFactor, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::facts::Table;

/// Longest query, bytes.
const MAX_LENGTH: usize = 10_000;
/// Deepest nesting of an expression: engines walk it on a finite stack, and `1+1+…` is
/// as deep as it is long.
const MAX_DEPTH: usize = 64;
/// Most selects, joins and unions of a query, for the same reason.
const MAX_PARTS: usize = 64;

/// Says why a query is refused.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(in crate::audit) enum QueryError {
    /// It is no SQL.
    #[error("{0}")]
    Syntax(#[from] ParserError),
    /// It is longer than [`MAX_LENGTH`].
    #[error("the query has {0} bytes; at most {MAX_LENGTH} are allowed")]
    Long(usize),
    /// It nests expressions deeper than [`MAX_DEPTH`].
    #[error("an expression nests more than {MAX_DEPTH} deep")]
    Deep,
    /// It has more than [`MAX_PARTS`] parts.
    #[error("the query has more than {MAX_PARTS} selects, joins and unions")]
    Parts,
    /// It is not exactly one statement.
    #[error("expected one SELECT, found {0} statements")]
    Statements(usize),
    /// It does something else than read.
    #[error("`{0}` is not allowed; a rule is one SELECT")]
    Statement(String),
    /// It reads something else than the tables of facts.
    #[error(
        "`{0}` is not allowed; a rule reads images, instances, keypoints and its own WITH tables"
    )]
    Relation(String),
    /// It names a table of its own like one of the facts.
    #[error("`{0}` is the name of a table of facts; choose another name")]
    Taken(String),
    /// It has a placeholder that is no threshold.
    #[error("`{name}` is no threshold of this rule; it has {}", list(.known))]
    Placeholder {
        /// The placeholder as it stands.
        name: String,
        /// The thresholds that exist.
        known: Vec<String>,
    },
    /// A threshold does nothing.
    #[error("threshold `{0}` is not used in the query; write it as `:{0}`")]
    Unused(String),
    /// A threshold is infinite.
    #[error("threshold `{0}` is not a finite number")]
    NotFinite(String),
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".into(),
        names => names.iter().map(|name| format!(":{name}")).collect::<Vec<_>>().join(", "),
    }
}

/// A query that may run.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::audit) struct Query {
    statement: Statement,
    /// Tables that it reads, in the order of [`Table::ALL`].
    pub(in crate::audit) tables: Vec<Table>,
    /// Every word of the query, or `None` where it takes all columns (`SELECT *`).
    words: Option<BTreeSet<String>>,
}

impl Query {
    /// Parses a query and holds it to what a rule may do.
    ///
    /// # Errors
    /// Fails on what is no SQL and on whatever is not allowed.
    pub(in crate::audit) fn parse(sql: &str) -> Result<Query, QueryError> {
        if sql.len() > MAX_LENGTH {
            return Err(QueryError::Long(sql.len()));
        }
        let mut statements = Parser::parse_sql(&GenericDialect, sql)?;
        if statements.len() != 1 {
            return Err(QueryError::Statements(statements.len()));
        }
        let statement = statements.remove(0);
        let mut guard = Guard::default();
        if let ControlFlow::Break(error) = statement.visit(&mut guard) {
            return Err(*error);
        }
        let tables = guard.tables()?;
        let words = if guard.all_columns { None } else { Some(words(sql)?) };
        Ok(Query { statement, tables, words })
    }

    /// Checks that placeholders and thresholds are the same names.
    ///
    /// # Errors
    /// Fails on a placeholder that is no threshold and on a threshold without one.
    pub(in crate::audit) fn check_thresholds<'a>(
        &self,
        thresholds: impl Iterator<Item = &'a String>,
    ) -> Result<(), QueryError> {
        let known: BTreeMap<String, f64> = thresholds.map(|name| (name.clone(), 0.0)).collect();
        let (_, used) = self.replace(&known)?;
        match known.into_keys().find(|name| !used.contains(name)) {
            Some(name) => Err(QueryError::Unused(name)),
            None => Ok(()),
        }
    }

    /// Returns whether the query may use a column.
    pub(in crate::audit) fn may_use(&self, column: &str) -> bool {
        self.words.as_ref().is_none_or(|words| words.contains(column))
    }

    /// Returns the text to run, with numbers in place of the thresholds.
    ///
    /// # Errors
    /// Fails on a placeholder that is no threshold and on a number that is infinite.
    pub(in crate::audit) fn bind(
        &self,
        thresholds: &BTreeMap<String, f64>,
    ) -> Result<String, QueryError> {
        let text = self.replace(thresholds)?.0.to_string();
        // What runs is what was checked, even if printing had changed the meaning.
        Query::parse(&text)?;
        Ok(text)
    }

    /// Returns the statement with numbers in place of placeholders, and the names of
    /// those that it had.
    fn replace(
        &self,
        thresholds: &BTreeMap<String, f64>,
    ) -> Result<(Statement, BTreeSet<String>), QueryError> {
        let mut binder = Binder { thresholds, used: BTreeSet::new() };
        let mut statement = self.statement.clone();
        match VisitMut::visit(&mut statement, &mut binder) {
            ControlFlow::Continue(()) => Ok((statement, binder.used)),
            ControlFlow::Break(error) => Err(*error),
        }
    }
}

/// Returns every word of a query: names of columns are among them.
fn words(sql: &str) -> Result<BTreeSet<String>, QueryError> {
    let tokens = Tokenizer::new(&GenericDialect, sql).tokenize().map_err(ParserError::from)?;
    let word = |token| match token {
        Token::Word(word) => Some(word.value),
        _ => None,
    };
    Ok(tokens.into_iter().filter_map(word).collect())
}

/// Walks a statement and stops at what is not allowed.
#[derive(Debug, Default)]
struct Guard {
    /// Names of `WITH` tables.
    own: BTreeSet<String>,
    /// Names that the query reads from.
    read: BTreeSet<String>,
    /// Whether columns are taken without being named.
    all_columns: bool,
    /// Expressions around the current one.
    depth: usize,
    /// Selects, joins and unions so far.
    parts: usize,
}

type Flow = ControlFlow<Box<QueryError>>;

fn refuse(error: QueryError) -> Flow {
    ControlFlow::Break(Box::new(error))
}

impl Guard {
    /// Returns the tables of facts that are read, once the whole query was seen.
    fn tables(&self) -> Result<Vec<Table>, QueryError> {
        let facts: BTreeMap<&str, Table> =
            Table::ALL.into_iter().map(|table| (table.name(), table)).collect();
        if let Some(name) = self.own.iter().find(|name| facts.contains_key(name.as_str())) {
            return Err(QueryError::Taken(name.clone()));
        }
        let known = |name: &&String| self.own.contains(*name) || facts.contains_key(name.as_str());
        if let Some(name) = self.read.iter().find(|name| !known(name)) {
            return Err(QueryError::Relation(name.clone()));
        }
        Ok(Table::ALL.into_iter().filter(|table| self.read.contains(table.name())).collect())
    }

    fn see_select(&mut self, select: &Select) -> Flow {
        if select.into.is_some() {
            return refuse(QueryError::Statement("SELECT INTO".into()));
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return refuse(QueryError::Parts);
        }
        for item in &select.projection {
            self.all_columns |=
                matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        }
        for join in select.from.iter().flat_map(|from| &from.joins) {
            self.all_columns |= matches!(
                &join.join_operator,
                JoinOperator::Join(JoinConstraint::Natural)
                    | JoinOperator::Inner(JoinConstraint::Natural)
                    | JoinOperator::Left(JoinConstraint::Natural)
                    | JoinOperator::LeftOuter(JoinConstraint::Natural)
                    | JoinOperator::Right(JoinConstraint::Natural)
                    | JoinOperator::RightOuter(JoinConstraint::Natural)
                    | JoinOperator::FullOuter(JoinConstraint::Natural)
            );
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Guard {
    type Break = Box<QueryError>;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Flow {
        match statement {
            Statement::Query(_) => ControlFlow::Continue(()),
            other => refuse(QueryError::Statement(beginning(&other.to_string()))),
        }
    }

    fn pre_visit_query(&mut self, query: &Ast) -> Flow {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.own.extend(with.map(|cte| cte.alias.name.value.clone()));
        let mut bodies = vec![query.body.as_ref()];
        while let Some(body) = bodies.pop() {
            match body {
                // Inner queries are visited on their own.
                SetExpr::Select(_) | SetExpr::Query(_) => {}
                SetExpr::SetOperation { left, right, .. } => {
                    bodies.extend([left, right].map(|b| b.as_ref()))
                }
                other => return refuse(QueryError::Statement(beginning(&other.to_string()))),
            }
        }
        let extra = query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        if extra {
            ControlFlow::Continue(())
        } else {
            refuse(QueryError::Statement(beginning(&query.to_string())))
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        self.see_select(select)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return refuse(QueryError::Parts);
        }
        let allowed = match factor {
            TableFactor::Table {
                args, with_hints, version, partitions, json_path, sample, ..
            } => {
                args.is_none()
                    && with_hints.is_empty()
                    && version.is_none()
                    && partitions.is_empty()
                    && json_path.is_none()
                    && sample.is_none()
            }
            TableFactor::Derived { sample, .. } => sample.is_none(),
            TableFactor::NestedJoin { .. } => true,
            _ => false,
        };
        if allowed {
            ControlFlow::Continue(())
        } else {
            refuse(QueryError::Relation(beginning(&factor.to_string())))
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Flow {
        let [part] = relation.0.as_slice() else {
            return refuse(QueryError::Relation(relation.to_string()));
        };
        let Some(name) = part.as_ident() else {
            return refuse(QueryError::Relation(relation.to_string()));
        };
        self.read.insert(name.value.clone());
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &sqlparser::ast::Expr) -> Flow {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refuse(QueryError::Deep);
        }
        // `COLUMNS('pattern')` takes columns without naming them.
        if let sqlparser::ast::Expr::Function(function) = expr {
            self.all_columns |= function.name.to_string().eq_ignore_ascii_case("columns");
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &sqlparser::ast::Expr) -> Flow {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Puts numbers in place of `:name`. A text that happens to hold `:name` is a string
/// to the parser and stays as it is.
struct Binder<'a> {
    thresholds: &'a BTreeMap<String, f64>,
    used: BTreeSet<String>,
}

impl VisitorMut for Binder<'_> {
    type Break = Box<QueryError>;

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> Flow {
        let Value::Placeholder(placeholder) = &value.value else {
            return ControlFlow::Continue(());
        };
        let known =
            placeholder.strip_prefix(':').and_then(|name| self.thresholds.get_key_value(name));
        let Some((name, &number)) = known else {
            let known = self.thresholds.keys().cloned().collect();
            return refuse(QueryError::Placeholder { name: placeholder.clone(), known });
        };
        if !number.is_finite() {
            return refuse(QueryError::NotFinite(name.clone()));
        }
        self.used.insert(name.clone());
        // With a point: 1 / :x of two integers would be a division of integers.
        let text = number.to_string();
        let text = if text.contains('.') { text } else { text + ".0" };
        value.value = Value::Number(text, false);
        ControlFlow::Continue(())
    }
}

/// Returns the beginning of a text, for messages.
fn beginning(text: &str) -> String {
    const LENGTH: usize = 40;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thresholds(values: &[(&str, f64)]) -> BTreeMap<String, f64> {
        values.iter().map(|&(name, value)| (name.to_string(), value)).collect()
    }

    #[test]
    fn reading_anything_but_facts_is_refused() {
        for sql in [
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_parquet('a.parquet') AS images",
            "SELECT * FROM Read_Json('a.json')",
            "SELECT * FROM scan_csv('a.csv')",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM \"/etc/passwd\"",
            "SELECT * FROM other",
            "SELECT * FROM main.images",
            "SELECT * FROM images, read_csv('a.csv')",
            "SELECT * FROM images JOIN read_csv('a.csv') AS b ON TRUE",
            "SELECT * FROM images CROSS JOIN (instances CROSS JOIN read_csv('a.csv'))",
            "SELECT image FROM images UNION ALL SELECT a FROM read_csv('a.csv')",
            "SELECT image FROM images UNION SELECT image FROM images EXCEPT SELECT a FROM other",
            "SELECT image FROM images WHERE image IN (SELECT a FROM read_csv('a.csv'))",
            "SELECT image FROM images WHERE EXISTS (SELECT 1 FROM other)",
            "SELECT (SELECT MAX(a) FROM read_csv('a.csv')) AS value FROM images",
            "SELECT image FROM images GROUP BY image HAVING COUNT(*) > (SELECT a FROM other)",
            "SELECT image FROM images ORDER BY (SELECT a FROM other)",
            "SELECT image FROM images LIMIT (SELECT a FROM other)",
            "SELECT image FROM (SELECT * FROM (SELECT * FROM read_csv('a.csv')) AS a) AS b",
            "WITH a AS (SELECT * FROM read_csv('a.csv')) SELECT * FROM a",
            "WITH a AS (WITH b AS (SELECT * FROM other) SELECT * FROM b) SELECT * FROM a",
            "SELECT CASE WHEN TRUE THEN (SELECT a FROM other) END AS value FROM images",
            "SELECT SUM(frame) OVER (PARTITION BY (SELECT a FROM other)) AS value FROM images",
            "SELECT a FROM UNNEST([1, 2]) AS t(a)",
            "SELECT * FROM TABLE(read_csv('a.csv'))",
            "SELECT * FROM images TABLESAMPLE (10 PERCENT)",
            "WITH images AS (SELECT 1 AS a) SELECT * FROM images",
        ] {
            let error = Query::parse(sql).expect_err(sql);
            let refused = matches!(error, QueryError::Relation(_) | QueryError::Taken(_));
            assert!(refused, "{sql}: {error:?}");
        }
    }

    #[test]
    fn doing_anything_but_reading_is_refused() {
        for sql in [
            "",
            "DROP TABLE images",
            "CREATE TABLE a AS SELECT * FROM images",
            "INSERT INTO images SELECT * FROM images",
            "DELETE FROM images",
            "UPDATE images SET image = 'a'",
            "TRUNCATE TABLE images",
            "EXPLAIN SELECT * FROM images",
            "SHOW TABLES",
            "COPY images TO 'a.csv'",
            "TABLE images",
            "VALUES (1)",
            "SELECT image INTO a FROM images",
            "SELECT image FROM images FOR UPDATE",
            "SELECT image FROM images; DROP TABLE images",
            "SELECT image FROM images; SELECT image FROM images",
            "WITH a AS (DELETE FROM images RETURNING image) SELECT image FROM a",
            "SELECT image FROM images UNION ALL (VALUES ('a'))",
            "SELECT image FROM images UNION ALL TABLE other",
            "SELECT image FROM images |> WHERE image = 'a'",
        ] {
            let error = Query::parse(sql).expect_err(sql);
            let refused = !matches!(error, QueryError::Relation(_) | QueryError::Taken(_));
            assert!(refused, "{sql}: {error:?}");
        }
    }

    #[test]
    fn own_tables_joins_and_windows_are_allowed() {
        for sql in [
            "SELECT image FROM images;",
            "WITH a AS (SELECT * FROM images), b AS (SELECT * FROM a) SELECT image FROM b",
            "SELECT i.image FROM images AS i JOIN instances AS n ON i.image = n.image",
            "SELECT image, AVG(x_px) OVER (PARTITION BY video) AS value FROM keypoints",
            "SELECT image FROM images WHERE image IN (SELECT image FROM instances)",
        ] {
            Query::parse(sql).expect(sql);
        }
    }

    #[test]
    fn only_what_a_query_reads_is_built() {
        let query = Query::parse("SELECT image, COUNT(*) FROM instances GROUP BY image");
        let query = query.expect("a query");
        assert_eq!(query.tables, [Table::Instances]);
        assert!(query.may_use("image") && !query.may_use("width_px"));
        for sql in [
            "SELECT * FROM images",
            "SELECT i.* FROM images AS i",
            "SELECT COLUMNS('i.*') FROM images",
            "SELECT image FROM images NATURAL JOIN instances",
        ] {
            assert!(Query::parse(sql).expect(sql).may_use("width_px"), "{sql}");
        }
    }

    #[test]
    fn numbers_take_the_place_of_placeholders_and_of_nothing_else() {
        let sql = "SELECT ':a' AS message FROM images WHERE x > :a AND y < :b -- :c";
        let query = Query::parse(sql).expect("a query");
        let text = query.bind(&thresholds(&[("a", -3.0), ("b", 1e-9)])).expect("bound");
        assert_eq!(text, "SELECT ':a' AS message FROM images WHERE x > -3.0 AND y < 0.000000001");
    }

    #[test]
    fn placeholders_and_thresholds_are_the_same_names() {
        let query = Query::parse("SELECT image FROM images WHERE frame > :a").expect("a query");
        let check = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            query.check_thresholds(names.iter()).map_err(|error| error.to_string())
        };
        assert_eq!(check(&["a"]), Ok(()));
        assert_eq!(check(&["b"]), Err("`:a` is no threshold of this rule; it has :b".into()));
        assert_eq!(
            check(&["a", "b"]),
            Err("threshold `b` is not used in the query; write it as `:b`".into())
        );
        for sql in ["SELECT ? FROM images", "SELECT $1 FROM images"] {
            let query = Query::parse(sql).expect(sql);
            assert!(query.bind(&thresholds(&[("a", 1.0), ("1", 1.0)])).is_err(), "{sql}");
        }
        assert_eq!(
            query.bind(&thresholds(&[("a", f64::INFINITY)])),
            Err(QueryError::NotFinite("a".into()))
        );
    }

    #[test]
    fn a_query_that_nests_too_deeply_is_refused_and_does_not_crash() {
        let nested = format!("SELECT {}1{} FROM images", "(".repeat(4000), ")".repeat(4000));
        assert!(matches!(Query::parse(&nested), Err(QueryError::Syntax(_))));
        let long = format!("SELECT {} AS value FROM images", "1 + ".repeat(4000) + "1");
        assert_eq!(Query::parse(&long), Err(QueryError::Long(long.len())));
        let within = format!("SELECT {} AS value FROM images", "1+".repeat(4900) + "1");
        assert_eq!(Query::parse(&within), Err(QueryError::Deep));
        let unions = format!("SELECT 1{}", " UNION SELECT 1".repeat(600));
        assert_eq!(Query::parse(&unions), Err(QueryError::Parts));
        let joins = format!("SELECT 1 FROM images{}", " CROSS JOIN images".repeat(500));
        assert_eq!(Query::parse(&joins), Err(QueryError::Parts));
    }
}
