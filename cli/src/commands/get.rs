//! `ringwood get DB KEY`

use serde_json::json;

use crate::cli::{GetArgs, Global};
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::open::Store;
use crate::out::Out;

pub(crate) fn run(args: &GetArgs, global: &Global) -> Result<()> {
    let store = Store::open(&args.db, global, false)?;
    let value = store.get(&args.key.0)?;
    store.close()?;
    let mut out = Out::new();
    match &value {
        _ if global.json => {
            let text = value.as_ref().map(|v| escape(v));
            out.line(json!({ "key": escape(&args.key.0), "value": text }))?;
        }
        Some(value) if args.raw => out.bytes(value)?,
        Some(value) => out.line(escape(value))?,
        None => {}
    }
    out.flush()?;
    match value {
        Some(_) => Ok(()),
        None => Err(Failure::NotFound(format!("there is no key {}", escape(&args.key.0)))),
    }
}
