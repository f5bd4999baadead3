//! The whole way from a source to a target.
