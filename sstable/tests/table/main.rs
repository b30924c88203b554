//! Tables from end to end, on the plain disk in a temporary directory.

#![allow(clippy::disallowed_methods, reason = "tests damage files behind the disk's back")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod corrupt;
mod cursor;
mod fetch;
mod golden;
mod model;
mod open;
mod support;
mod writer;
