//! What the measuring programs share: where they work, and their random numbers.
//!
//! `src/bin/ring-questions` measures how best to use the disk; `benches/` holds criterion benches of inner parts.
//! `docs/measuring.md` says how to run both and what each figure decides.

mod random;

pub use random::Random;

/// Bytes of a log record as a put of a 16-byte key and a 100-byte value makes it, about.
pub const RECORD_BYTES: usize = 140;
