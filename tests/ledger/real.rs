//! Real datasets, with the figures that `docs/ledger.md` gives of them.

use super::{book, lost, notes};
use crate::formats::shared;

#[test]
fn openfield_loses_nothing() {
    let Some(path) = shared("dlc-openfield/examples/openfield-Pranav-2018-10-30") else { return };
    let ledger = book(&path);
    assert_eq!(ledger.summary, "");
    assert_eq!(lost(&ledger), []);
    assert_eq!(notes(&ledger), [""; 0]);
}
