//! What a target cannot say travels along, so that the way back gives the source again.
