//! HTML pages and plots: one look for every report.
