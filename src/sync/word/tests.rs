//! Tests of the words of shared objects.

mod explore;
