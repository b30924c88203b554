//! Staging: the log's tail in a shared file mapping.
//!
//! What is copied there survives the death of the process, since the kernel owns the pages, and costs no system call. It does not
//! survive a power cut, or only in part; recovery takes from it only what parses as the continuation of the segments.

pub(crate) mod file;
pub(crate) mod ring;
