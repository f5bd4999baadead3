//! Objects of one provider become objects of another.

mod cases;
mod catalogs;
mod deletion;
mod equivalences;
mod inputs;
mod pairs;
