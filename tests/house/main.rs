//! What the repository promises of itself: the shape of the source, examples that run, a README
//! that shows real code.

mod examples;
mod structure;
