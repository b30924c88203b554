//! Pages that show measurements: one HTML file that needs nothing else, with plots as inline SVG, light and dark as the reader's system is.
//!
//! | module | what |
//! |---|---|
//! | `page` | the page around everything, its style, text and rows of tables |
//! | `bars` | bars with whiskers |
//! | `lines` | lines between two [`Scale`]s, and strips that say when something went on |
//! | [`figures`] | figures with three digits and a unit |
//!
//! All of it makes text of figures; nothing here measures or does I/O. Used by `ringwood bench --report` and by the report of `ringwood-peers`.

mod bars;
pub mod figures;
mod lines;
mod page;
mod scale;

pub use bars::{Bar, bars};
pub use lines::{Line, Strip, lines};
pub use page::{escape, page, row};
pub use scale::Scale;

/// Colours for series, told apart by number: `SERIES` and more of them begin again.
pub const SERIES: usize = 6;
