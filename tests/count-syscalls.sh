#!/usr/bin/env bash
# Counts, does not time: what the store's calls cost in system calls and ring entries.
#
#   bash tests/count-syscalls.sh [DIR]
#
# 1. the tests of tests/tests/counts: the store's own counters, and strace;
# 2. the kernel's own tracepoints (perf stat) over benchmarks of the release build, if perf may read them.
#
# DIR (default: target/) must be on a file system with O_DIRECT.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(realpath "${1:-${CARGO_TARGET_DIR:-target}}")
mkdir -p "$dir"

echo "== the store's counters and strace"
cargo test --release -q -p ringwood-tests --test counts -- --nocapture --test-threads=1

echo "== the kernel's tracepoints"
events=syscalls:sys_enter_io_uring_enter,io_uring:io_uring_submit_req,io_uring:io_uring_queue_async_work,raw_syscalls:sys_enter
if ! perf stat -e $events true >/dev/null 2>&1; then
    echo "SKIPPED: perf is not there or may not read tracepoints (perf_event_paranoid)"
    exit 0
fi
cargo build --release -q -p ringwood-cli
bin=${CARGO_TARGET_DIR:-target}/release/ringwood
db=$(mktemp -d "$dir/count-XXXXXX")
trap 'rm -rf "$db"' EXIT

# count NAME OPERATIONS FLAGS...: events of one benchmark, and per operation
count() {
    local name=$1 operations=$2; shift 2
    perf stat -x, -e $events -o "$db/perf" "$bin" bench --db="$db/store" "$@" >"$db/out" 2>&1 || { cat "$db/out"; exit 1; }
    awk -F, -v name="$name" -v n="$operations" '
        /sys_enter_io_uring_enter/ { enters = $1 } /io_uring_submit_req/ { entries = $1 }
        /queue_async_work/ { punts = $1 } /raw_syscalls/ { all = $1 }
        END {
            printf "%-28s %9d operations: %9d system calls (%.5f each), %8d enters, %9d entries (%.1f an enter), %d handed to workers\n",
                name, n, all, all / n, enters, entries, entries / (enters ? enters : 1), punts
        }' "$db/perf"
}

count "fillseq, buffered"       1000000 --benchmarks=fillseq --num=1000000
count "fillrandom, buffered"    1000000 --benchmarks=fillrandom --num=1000000
count "fillsync"                   2000 --benchmarks=fillsync --num=2000
count "fillrandom then compact" 1000000 --benchmarks=fillrandom,compact --num=1000000
count "cold readrandom"           20000 --benchmarks=readrandom --use_existing_db=true --num=1000000 --reads=20000 --cache_size=1048576
count "cold multireadrandom, 64"  20000 --benchmarks=multireadrandom --use_existing_db=true --num=1000000 --reads=20000 --batch_size=64 --cache_size=1048576
