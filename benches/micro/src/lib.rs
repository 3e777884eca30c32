//! Nothing but the bench, which is in `benches/`.
