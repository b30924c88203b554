//! `ringwood delete DB KEY`

use serde_json::json;

use crate::cli::{DeleteArgs, Global};
use crate::escape::escape;
use crate::failure::Result;
use crate::open::Store;
use crate::out::Out;

pub(crate) fn run(args: &DeleteArgs, global: &Global) -> Result<()> {
    let store = Store::open(&args.db, global, false)?;
    store.delete(&args.key.0, args.durability.into())?;
    store.close()?;
    if global.json {
        let mut out = Out::new();
        out.line_now(json!({ "key": escape(&args.key.0) }))?;
    }
    Ok(())
}
