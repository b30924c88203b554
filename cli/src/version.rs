//! `ringwood --version`: version, git revision, and the way to the disk on this machine.

use ringwood::IoChoice;
use ringwood::tools::io_path;

use crate::failure::Result;
use crate::out::Out;

/// If the line asks for the version, tells it.
pub(crate) fn told(args: &[std::ffi::OsString]) -> Result<bool> {
    if args.len() != 2 || !args[1].to_str().is_some_and(|a| matches!(a, "--version" | "-V")) {
        return Ok(false);
    }
    let mut out = Out::new();
    out.line(format_args!("ringwood {} ({})", env!("CARGO_PKG_VERSION"), env!("RINGWOOD_REVISION")))?;
    match io_path(IoChoice::Auto) {
        Ok(caps) if caps.features.is_empty() => out.line(format_args!("I/O through {}", caps.backend))?,
        Ok(caps) => out.line(format_args!("I/O through {}: {}", caps.backend, caps.features.join(", ")))?,
        Err(error) => out.line(format_args!("I/O cannot be done here: {error}"))?,
    }
    out.flush()?;
    Ok(true)
}
