//! What several rules share: models of pose and appearance, fitted to facts.
