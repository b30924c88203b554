//! The report as one JSON document, with every round.

use serde_json::{Value, json};

use super::Report;
use crate::Result;
use crate::parent::DISK;
use crate::rows::{Row, Unit};

impl Report<'_> {
    /// The document. `docs/measuring.md` tells its fields.
    pub(crate) fn json(&self) -> Result<String> {
        let facts = |facts: &[(String, String)]| -> Value {
            facts
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let engines = self.plan.columns.iter().filter_map(|column| {
            let engine = column.engine?;
            Some(json!({ "name": column.name, "version": engine.version(), "settings": engine.settings() }))
        });
        let absent = self.plan.absent.iter().map(|column| json!({ "name": column.name, "how": column.how }));
        let document = json!({
            "program": "ringwood-peers",
            "machine": facts(&self.machine),
            "settings": facts(&self.settings),
            "knobs": self.plan.knobs,
            "quick": self.plan.quick,
            "rounds": self.plan.rounds,
            "engines": engines.collect::<Vec<_>>(),
            "absent": absent.collect::<Vec<_>>(),
            "rows": self.plan.rows.iter().map(|row| self.row_json(row)).collect::<Vec<_>>(),
            "notes": self.notes(),
        });
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    fn row_json(&self, row: &Row) -> Value {
        let unit = match row.unit() {
            Unit::PerSecond => "a second",
            Unit::MegabytesPerSecond => "MB/s",
            Unit::Millis => "ms",
        };
        let cells = self.engine_names().chain([DISK]).filter_map(|engine| {
            let cell = self.cell(row, engine)?;
            let value = json!({
                "value": self.spread(row, engine),
                "rounds": cell.rounds,
                "cannot": cell.cannot,
                "failed": cell.failed,
            });
            Some((engine.to_string(), value))
        });
        let best = self.best_peer(row);
        json!({
            "name": row.name,
            "group": row.group.name(),
            "threads": row.threads,
            "unit": unit,
            "cells": cells.collect::<serde_json::Map<_, _>>(),
            "ratio": {
                "rocksdb": self.ratio(row, "rocksdb"),
                "rocksdb-direct": self.ratio(row, "rocksdb-direct"),
                "best_peer": best.map(|(_, ratio)| ratio),
                "best_peer_name": best.map(|(name, _)| name),
                "of_disk": self.of_disk(row),
            },
        })
    }
}
