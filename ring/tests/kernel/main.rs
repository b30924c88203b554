//! What only the io_uring backend promises, and how it and the choice of a backend behave where the kernel refuses.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "looks at the process from outside the boundary")]

#[path = "../conformance/harness.rs"]
#[allow(dead_code, reason = "shared with the conformance suite, which uses all of it")]
mod harness;

mod children;
mod doctor;
mod limits;
mod options;
mod ownership;
mod refusal;
mod registration;
