//! How many endpoints each side admits, as types.

/// How many endpoints one side of a kind admits: one, or many.
pub trait Multiplicity: Sized + Send + Sync + 'static {
    /// Many.
    const MULTI: bool;
}

/// How many endpoints there are on either side.
pub trait Pairing: 'static {
    /// One sender, one receiver: a protocol of its own.
    const ONE_TO_ONE: bool;
}

impl<S: Multiplicity, R: Multiplicity> Pairing for (S, R) {
    const ONE_TO_ONE: bool = !S::MULTI && !R::MULTI;
}
