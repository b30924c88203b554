//! A RocksDB that was built beforehand (`ROCKSDB_LIB_DIR`, `ROCKSDB_STATIC`) does not say that it needs liburing: its crate tells only when it
//! builds the library itself.

fn main() {
    for name in ["ROCKSDB_LIB_DIR", "ROCKSDB_STATIC"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let set = |name| std::env::var_os(name).is_some();
    if set("CARGO_FEATURE_ROCKSDB") && set("ROCKSDB_LIB_DIR") && set("ROCKSDB_STATIC") {
        // Behind the archive that needs it.
        println!("cargo:rustc-link-arg=-luring");
    }
}
