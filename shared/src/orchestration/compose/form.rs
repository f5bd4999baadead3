//! From the canonical document to one that the real tools accept.
