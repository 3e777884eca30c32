//! The private state of the two as plain numbers, for tests that stop an endpoint and go
//! on with it later.
