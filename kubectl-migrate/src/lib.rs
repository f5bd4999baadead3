//! Verbs of `kubectl-migrate`.
