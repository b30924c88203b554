//! The block cache through its public interface.

mod basics;
mod policy;
mod support;
