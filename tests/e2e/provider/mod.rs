//! Objects of one provider become objects of another.

mod cases;
mod deletion;
mod inputs;
mod pairs;
