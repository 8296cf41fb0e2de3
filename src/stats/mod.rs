//! Statistics that several modules share.
