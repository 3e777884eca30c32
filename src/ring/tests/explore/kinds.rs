//! The worlds that are explored in every run, and larger ones on demand.
