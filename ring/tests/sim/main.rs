//! The simulated disk: each rule of its model, on both sides. What may happen does happen over seeds, what may not never does.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod crash;
mod directories;
mod durability;
mod faults;
mod lanes;
mod maps;
mod replay;
mod support;
