//! What the repository promises of itself: the shape of the source, its names, examples that
//! run, documents whose links lead somewhere and a README that shows real code.

mod circles;
mod events;
mod examples;
mod floors;
mod links;
mod moving;
mod recipes;
mod service;
mod shown;
mod source;
mod structure;
mod types;
mod words;
