//! Verbs of `helm-convert`.
