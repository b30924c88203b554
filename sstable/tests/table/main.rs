//! Tables from end to end, on the plain disk in a temporary directory.

mod corrupt;
mod cursor;
mod fetch;
mod golden;
mod model;
mod open;
mod support;
mod writer;
