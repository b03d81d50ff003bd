//! The shell in a real terminal: prompt, continuation, Tab, history, Ctrl-C, and answers that settle on the screen.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

use crate::Place;

const ROWS: u16 = 40;
const COLUMNS: u16 = 120;
/// How long something is waited for that comes within moments, before a test that would hang fails.
const PATIENCE: Duration = Duration::from_secs(600);

/// A shell at a terminal of its own.
struct Terminal {
    pty: std::sync::Arc<Pty>,
    bytes: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// All that was written, for what stood on the screen for a moment.
    written: String,
    child: Child,
}

impl Terminal {
    fn new(place: &Place, args: &[&str]) -> Terminal {
        Terminal::with_pager(place, args, "")
    }

    fn with_pager(place: &Place, args: &[&str], pager: &str) -> Terminal {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(ROWS, COLUMNS)).unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_foretaste"))
            .args(args)
            .current_dir(place.path(""))
            .env("HOME", place.path(""))
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env("PAGER", pager)
            .env_remove("FORETASTE_INIT")
            .env_remove("FORETASTE_HISTORY");
        let child = command.spawn(pts).unwrap();
        let pty = std::sync::Arc::new(pty);
        let (reader, (send, bytes)) = (std::sync::Arc::clone(&pty), channel());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // At its end a terminal gives an error or nothing.
            while let Ok(read @ 1..) = (&*reader).read(&mut buffer) {
                if send.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        Terminal { pty, bytes, screen, written: String::new(), child }
    }

    fn type_(&mut self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the screen is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let contents = self.screen.screen().contents();
            if wanted(&contents) {
                return contents;
            }
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.bytes.recv_timeout(left) else {
                panic!("waited for {what}; the screen shows:\n{contents}");
            };
            self.written += &String::from_utf8_lossy(&bytes);
            self.screen.process(&bytes);
        }
    }

    fn until_shows(&mut self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits for an empty prompt at the end.
    fn until_prompt(&mut self) -> String {
        self.until("a prompt", |screen| {
            screen.trim_end().ends_with("\nforetaste>") || screen.trim_end() == "foretaste>"
        })
    }

    /// Types a line, and only then ends it: an empty prompt behind it is that of the next one.
    fn enter(&mut self, line: &str) {
        self.type_(line);
        self.until_shows(line);
        self.type_("\r");
    }

    fn code(mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while let Ok(bytes) = self.bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.screen.process(&bytes);
        }
        self.child.wait().unwrap().code()
    }
}

fn until_exists(file: &Path) {
    let end = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < end, "waited for {}", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves no shell behind; one that ended is waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_statement_goes_on_over_lines_and_is_remembered_as_one() {
    let place = Place::with_docs();
    let mut shell = Terminal::new(&place, &["t.ft"]);
    shell.until_prompt();
    shell.enter("get 'a'");
    shell.until_shows("...>");
    shell.enter("from docs;");
    shell.until_shows("2020");
    shell.until_prompt();
    shell.enter("insert into docs values ('q");
    shell.until_shows("'..>");
    // Ctrl-C clears what was typed.
    shell.type_("\u{3}");
    shell.until_prompt();
    // The way back in the history.
    shell.type_("\u{1b}[A");
    shell.until("the statement before", |screen| {
        screen.contains("from docs;\n") && screen.matches("get 'a'").count() >= 2
    });
    shell.type_("\u{3}");
    shell.until_prompt();
    // Ctrl-D leaves.
    shell.type_("\u{4}");
    assert_eq!(shell.code(), Some(0));
    let history = std::fs::read_to_string(place.path(".foretaste_history")).unwrap();
    assert!(history.contains("get 'a'"), "{history}");
}

#[test]
fn tab_completes_words_collections_and_fields() {
    let place = Place::with_docs();
    let mut shell = Terminal::new(&place, &["t.ft"]);
    shell.until_prompt();
    for (typed, shown) in [
        ("sear\t", "search "),
        ("do\t", "search docs "),
        ("ne\t", "search docs near "),
        ("[0, 0] wh\t", "near [0, 0] where "),
        ("ye\t", "where year "),
        ("> 2020 rer\t", "year > 2020 rerank "),
    ] {
        shell.type_(typed);
        shell.until_shows(shown.trim_end());
    }
    shell.type_("\u{3}");
    shell.until_prompt();
    shell.type_(".coll\t");
    shell.until_shows(".collections");
    shell.enter("");
    shell.until_shows("│ docs");
    shell.enter(".quit");
    assert_eq!(shell.code(), Some(0));
}

#[test]
fn an_answer_settles_on_the_screen_and_its_table_stays() {
    let place = Place::with_docs();
    let mut shell = Terminal::new(&place, &["t.ft"]);
    shell.until_prompt();
    shell.enter(".set pace 100ms");
    shell.until_prompt();
    shell.enter("search docs near [1.9, 0.3] k 3 rerank mmr(0.5);");
    let screen = shell.until_shows("settled after");
    assert!(shell.written.contains(" of 3 settled"), "{}", shell.written);
    // Of what was drawn only the last table is left.
    assert!(!screen.contains(" of 3 settled") && screen.matches("distance").count() == 1, "{screen}");
    assert!(screen.contains("✓") && screen.contains("first after"), "{screen}");
    // Before the prompt is there, the terminal itself would take the Ctrl-D for the end of a line.
    shell.until_prompt();
    shell.type_("\u{4}");
    assert_eq!(shell.code(), Some(0));
}

#[test]
fn ctrl_c_ends_the_search_and_not_the_shell() {
    let place = Place::with_docs();
    let mut shell = Terminal::new(&place, &["t.ft"]);
    shell.until_prompt();
    shell.enter(".set embed \"echo begun >&2; touch begun; exec sleep 600\"");
    shell.until_prompt();
    shell.enter("search docs near text 'x';");
    until_exists(&place.path("begun"));
    shell.type_("\u{3}");
    shell.until_shows("interrupted");
    shell.until_prompt();
    shell.enter(".set scorer \"touch scoring; exec sleep 600\"");
    shell.until_prompt();
    shell.enter("search docs near 'b' rerank scored(2);");
    until_exists(&place.path("scoring"));
    shell.type_("\u{3}");
    shell.until_shows("cancelled: the best so far");
    shell.until_prompt();
    // An answer on its way ends with the best so far.
    shell.enter(".set pace 600s");
    shell.until_prompt();
    shell.enter("search docs near [1.9, 0.3] k 3 rerank mmr(0.5);");
    shell.until_shows(" of 3 settled");
    shell.type_("\u{3}");
    shell.until("a second cancelled answer", |screen| {
        screen.matches("cancelled: the best so far").count() == 2
    });
    shell.until_prompt();
    shell.enter("watch search docs near 'a' k 1;");
    shell.until_shows("Ctrl-C ends it");
    shell.type_("\u{3}");
    shell.until_prompt();
    shell.type_("\u{4}");
    assert_eq!(shell.code(), Some(0));
}

#[test]
fn long_results_go_through_the_pager_and_a_word_leaves() {
    let place = Place::with_docs();
    let mut shell = Terminal::with_pager(&place, &["t.ft"], "sed 's/^/paged:/'");
    shell.until_prompt();
    shell.enter(".collections");
    assert!(!shell.until_shows("│ docs").contains("paged:"));
    shell.until_prompt();
    shell.enter(".mode line");
    shell.until_prompt();
    // Each row takes four lines, more than the screen has.
    shell.enter("get 'a', 'b', 7, -1, 'a', 'b', 7, -1, 'a', 'b', 7, -1 from docs;");
    shell.until_shows("paged:     id = -1");
    shell.until_prompt();
    shell.enter("exit");
    assert_eq!(shell.code(), Some(0));
}
