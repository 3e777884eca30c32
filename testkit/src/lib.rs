//! What memring's tests, benches and commands share.
