//! Tests of the memtable, by what they are about.

mod edges;
mod format;
mod model;
mod stress;
mod walk;
