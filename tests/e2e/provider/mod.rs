//! Objects of one provider become objects of another.

mod cases;
