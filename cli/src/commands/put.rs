//! `ringwood put DB KEY VALUE`

use std::io::Read;

use serde_json::json;

use crate::cli::{Global, Input, PutArgs};
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::open::Store;
use crate::out::Out;

pub(crate) fn run(args: &PutArgs, global: &Global) -> Result<()> {
    // Before the store is opened: a store that is not there must not be made for a value that never comes.
    let value = match &args.value {
        Input::Bytes(bytes) => bytes.clone(),
        Input::Stdin => read_stdin()?,
    };
    let store = Store::open(&args.db, global, true)?;
    store.put(&args.key.0, &value, args.durability.into())?;
    store.close()?;
    if global.json {
        let mut out = Out::new();
        out.line_now(json!({ "key": escape(&args.key.0), "bytes": value.len() }))?;
    }
    Ok(())
}

fn read_stdin() -> Result<Vec<u8>> {
    let mut value = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut value);
    read.map_err(|e| Failure::store(format!("cannot read the value from standard input: {e}")))?;
    Ok(value)
}
