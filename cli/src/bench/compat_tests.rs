//! db_bench's ways of writing flags.

use super::*;

fn line(words: &[&str]) -> Line {
    normalize(words.iter().map(Into::into).collect()).unwrap()
}

fn args(words: &[&str]) -> Vec<String> {
    let words = [&["ringwood", "bench"], words].concat();
    line(&words).args[2..].iter().map(|a| a.to_string_lossy().into_owned()).collect()
}

#[test]
fn every_way_to_write_a_flag_is_one() {
    let ways = [
        &["--value_size=7"][..],
        &["--value-size=7"],
        &["--value_size", "7"],
        &["-value_size=7"],
        &["--value-size", "7"],
    ];
    for way in ways {
        assert_eq!(args(way), ["--value_size=7"], "{way:?}");
    }
}

#[test]
fn booleans_are_gflags_booleans() {
    for way in [
        &["--sync"][..],
        &["--sync=1"],
        &["--sync", "1"],
        &["--sync=true"],
        &["--sync=T"],
        &["--sync", "yes"],
    ] {
        assert_eq!(args(way), ["--sync=true"], "{way:?}");
    }
    for way in [&["--nosync"][..], &["--sync=0"], &["--sync", "false"], &["--sync=no"]] {
        assert_eq!(args(way), ["--sync=false"], "{way:?}");
    }
    assert_eq!(args(&["--sync", "--num=5"]), ["--sync=true", "--num=5"]);
    assert_eq!(args(&["--sync=maybe"]), ["--sync=maybe"], "the parser complains");
}

#[test]
fn negative_values_and_paths_stay_whole() {
    assert_eq!(args(&["--reads", "-1", "--db", "/a=b/c d"]), ["--reads=-1", "--db=/a=b/c d"]);
}

#[test]
fn other_commands_are_left_alone() {
    let words = ["ringwood", "put", "bench", "--value-size", "x"];
    assert_eq!(line(&words).args, words.map(OsString::from));
    let words = ["ringwood", "--keyspace", "bench", "get", "db", "k"];
    assert_eq!(line(&words).args, words.map(OsString::from));
}

#[test]
fn options_of_every_command_may_stand_before() {
    let line = line(&["ringwood", "--memory", "64MiB", "--json", "bench", "--value-size", "3"]);
    let args: Vec<_> = line.args.iter().map(|a| a.to_str().unwrap()).collect();
    assert_eq!(args, ["ringwood", "--memory", "64MiB", "--json", "bench", "--value_size=3"]);
}

#[test]
fn own_flags_are_told_from_those_of_every_command() {
    assert!(!line(&["ringwood", "bench", "--json", "--memory=1g"]).own_flags);
    assert!(line(&["ringwood", "bench", "--json", "--num=1"]).own_flags);
}

#[test]
fn rocksdbs_knobs_are_dropped_with_one_note_a_reason() {
    let words = [
        "ringwood",
        "bench",
        "--num_levels=8",
        "--block_size",
        "8192",
        "--max_bytes_for_level_base=1",
        "--num=3",
    ];
    let line = line(&words);
    assert_eq!(line.args[2..], ["--num=3"]);
    assert_eq!(line.notes.len(), 2, "{:?}", line.notes);
    assert!(line.notes[0].starts_with("--num_levels, --max_bytes_for_level_base: Ringwood shapes"));
    assert!(args(&["--noallow_concurrent_memtable_write", "--use_direct_reads", "--num=3"]) == ["--num=3"]);
}

#[test]
fn what_would_change_the_measurement_is_refused_unless_it_is_off() {
    let refuse = |flag: &str| normalize(["ringwood", "bench", flag].map(OsString::from).into());
    for flag in
        ["--transaction_db=1", "--num_column_families=4", "--prefix_size=8", "--use_blob_db", "--readonly=1"]
    {
        assert!(
            matches!(refuse(flag), Err(Failure::Usage(text)) if text.contains(flag.split('=').next().unwrap()))
        );
    }
    for flag in
        ["--transaction_db=", "--num_column_families=1", "--prefix_size=0", "--nouse_blob_db", "--readonly=0"]
    {
        let line = refuse(flag).unwrap();
        assert_eq!((line.args.len(), line.notes.len()), (2, 0), "{flag}");
    }
}

#[test]
fn undefok_and_unknown_flags() {
    let words = ["--undefok=nosuch,other_one", "--nosuch=1", "--other-one", "--num=2", "--typo=3"];
    assert_eq!(args(&words), ["--num=2", "--typo=3"], "the parser complains about the typo");
}

#[test]
fn the_table_has_no_flag_twice_and_none_of_ours() {
    let known = known(&Cli::command());
    let mut seen = std::collections::BTreeSet::new();
    for entry in GROUPS.iter().flat_map(|g| g.flags.split_whitespace()) {
        let flag = entry.split('=').next().unwrap();
        assert!(seen.insert(flag), "{flag} is there twice");
        assert!(!known.contains_key(flag), "{flag} is ours");
    }
}

#[test]
fn the_page_names_every_flag_and_benchmark() {
    let page = include_str!("../../../docs/cli.md");
    let (ours, others) = page.split_once("Further differences:").unwrap();
    for flag in
        known(&Cli::command()).keys().filter(|f| !matches!(f.as_str(), "help" | "version" | "demo_num"))
    {
        assert!(ours.contains(&format!("`--{flag}")), "--{flag}");
    }
    for (name, ..) in super::super::plan::BENCHMARKS {
        assert!(ours.contains(&format!("| `{name}` |")), "{name}");
    }
    let (dropped, refused) = others.split_once("Flags that would change what is measured").unwrap();
    for group in GROUPS {
        let part = if group.verdict == Verdict::Drop { dropped } else { refused };
        for entry in group.flags.split_whitespace() {
            let flag = entry.split('=').next().unwrap();
            assert!(part.contains(&format!("`{flag}`")), "{flag}");
        }
    }
}
