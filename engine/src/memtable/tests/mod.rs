//! Tests of the memtable, by what they are about.

mod edges;
mod format;
mod heads;
mod model;
mod stress;
mod walk;
