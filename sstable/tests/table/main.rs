//! Tables from end to end, on the plain disk in a temporary directory, on the real ring, and on the simulated disk.

#![allow(clippy::disallowed_methods, reason = "tests damage files behind the disk's back")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod ahead;
mod corrupt;
mod cursor;
mod fetch;
mod golden;
mod model;
mod open;
mod sim;
mod support;
mod uring;
mod warm;
mod writer;
