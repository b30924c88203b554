//! A line of the shell: it parses or is refused, what is being typed is found, and what is shown can be typed.

#![no_main]
#![allow(dead_code, reason = "the command uses more of it")]

#[path = "../../cli/src/escape.rs"]
mod escape;
#[path = "../../cli/src/shell/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let line = String::from_utf8_lossy(data);
    let (typed, at) = words::unfinished(&line);
    assert!(line.is_char_boundary(at) && typed.last().is_some_and(|word| line[at..] == *word));
    if let Ok(commands) = words::parse(&line) {
        for command in commands {
            // The same words, as the shell would show them.
            let shown: Vec<String> = command.iter().map(|word| words::quote(&word.bytes)).collect();
            let again = words::parse(&shown.join(" ")).expect("what is shown can be typed");
            let bytes = |command: &[words::Word]| command.iter().map(|w| w.bytes.clone()).collect::<Vec<_>>();
            assert_eq!(again.iter().map(|c| bytes(c)).collect::<Vec<_>>(), [bytes(&command)]);
        }
    }
    let _ = escape::unescape(data);
    assert_eq!(escape::unescape(escape::escape(data).as_bytes()).as_deref(), Ok(data));
});
