//! Verbs of `docker-migrate`.
