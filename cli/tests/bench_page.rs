//! bench --report: one page that needs nothing else, and earlier runs beside it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "tests look at files from outside")]

mod common;

use std::fs;

use common::Place;

#[test]
fn a_page_shows_a_run_beside_earlier_ones() {
    let place = Place::new();
    let list = "--benchmarks=fillrandom,readrandom[X2],stats --num=20000 --seed=1";
    let page = |args: &str, name: &str| {
        let ran = place.bench(&format!("{list} {args}"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        let page = fs::read_to_string(place.join(name)).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</body></html>\n"));
        // Nothing from elsewhere.
        for outside in ["http:", "https:", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        for tag in ["svg", "table", "figure", "div", "script"] {
            assert_eq!(
                page.matches(&format!("<{tag}")).count(),
                page.matches(&format!("</{tag}>")).count(),
                "{tag}"
            );
        }
        page
    };
    let first = page("--report=old.html", "old.html");
    for words in [
        "<h2>fillrandom</h2>",
        "<h2>readrandom (2)</h2>",
        "latency by percentile",
        "share of calls",
        "system calls an operation",
        "I/O path",
        "log, written",
    ] {
        assert!(first.contains(words), "{words}");
    }
    assert!(!first.contains("this run"), "there is but one");
    let lines = place.bench(&format!("{list} --json"));
    fs::write(place.join("lines.json"), lines.ok()).unwrap();
    let both = page("--report=new.html --compare=old.html --compare=lines.json", "new.html");
    for words in [
        "new (this run)",
        "this ÷ old",
        "this ÷ lines",
        "class=\"series s2\"",
        "<h2>What was measured: old</h2>",
    ] {
        assert!(both.contains(words), "{words}");
    }
    // Each run's rates stand in the page as they were printed.
    let embedded = first.split("id=\"ringwood-bench\">").nth(1).unwrap().split("</script>").next().unwrap();
    let run: serde_json::Value = serde_json::from_str(embedded).unwrap();
    let readrandom = &run["benchmarks"][1];
    assert_eq!(readrandom["operations"], 20_000);
    let buckets = readrandom["latency"]["buckets"].as_array().unwrap();
    let calls: u64 = buckets.iter().map(|b| b[1].as_u64().unwrap()).sum();
    let timed = readrandom["latency"]["timed_calls"].as_u64().unwrap() as f64;
    let stand_for = timed * readrandom["latency"]["calls_a_sample"].as_f64().unwrap();
    assert!((calls as f64 - stand_for).abs() < 1.0, "{calls} {stand_for}");
}

#[test]
fn the_course_of_a_run_shows_slow_calls_and_what_went_on_beside() {
    let place = Place::new();
    let ran = place.bench(
        "--benchmarks=fillrandom --num=100000 --write_buffer_size=1048576 --histogram --json --report=course.html",
    );
    let run: serde_json::Value = serde_json::from_str(ran.ok().lines().next().unwrap()).unwrap();
    let pairs = |field: &str| -> Vec<(f64, f64)> { serde_json::from_value(run[field].clone()).unwrap() };
    let (slowest, flushes) = (pairs("slowest"), pairs("flushes"));
    let most = slowest.iter().fold(0.0, |most: f64, pair| most.max(pair.1));
    assert!(most > 0.0 && most <= run["latency"]["all"]["max"].as_f64().unwrap(), "{slowest:?}");
    assert!(!flushes.is_empty() && flushes.iter().all(|(from, to)| from < to), "{flushes:?}");
    let page = fs::read_to_string(place.join("course.html")).unwrap();
    assert!(page.contains("the slowest call that was timed") && page.contains(">flush</text>"));
}

#[test]
fn a_page_that_cannot_be_is_refused_before_anything_runs() {
    let place = Place::new();
    fs::write(place.join("other.html"), "<html></html>").unwrap();
    let run = |args: &str| place.bench(&format!("--benchmarks=fillseq --num=1000 {args}"));
    run("--report=nowhere/x.html").fails(3, &["cannot write the report nowhere/x.html"]);
    run("--report=x.html --compare=nosuch.html").fails(3, &["cannot compare with nosuch.html"]);
    run("--report=x.html --compare=other.html").fails(3, &["other.html", "no report of ringwood bench"]);
    run("--compare=other.html").fails(2, &["--report"]);
    assert_eq!(place.names(), ["other.html"], "nothing is left");
}

#[test]
fn a_page_goes_into_a_pipe_and_does_not_replace_it() {
    let place = Place::new();
    let pipe = place.join("page.html");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
    place.bench("--benchmarks=fillseq --num=1000 --report page.html").ok();
    assert!(reader.join().unwrap().starts_with("<!"), "all of the page");
    assert_eq!(place.names(), ["page.html"]);
}
