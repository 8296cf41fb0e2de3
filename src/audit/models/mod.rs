//! What several rules share: models of pose and appearance, fitted to facts.

pub(in crate::audit) mod appearance;
pub(in crate::audit) mod baseline;
pub(in crate::audit) mod belief;
pub(in crate::audit) mod confident;
pub(in crate::audit) mod coverage;
pub(in crate::audit) mod duplicates;
pub(in crate::audit) mod lapse;
pub(in crate::audit) mod matching;
pub(in crate::audit) mod order;
pub(in crate::audit) mod pose;
pub(in crate::audit) mod poses;
pub(in crate::audit) mod problems;
pub(in crate::audit) mod residuals;
#[cfg(test)]
pub(in crate::audit) mod samples;
pub(in crate::audit) mod skeleton;
pub(in crate::audit) mod tracks;
mod witness;
