//! The sessions that the documentation shows, typed again in tmux: what is printed must be what stands there, but for times.
//! With `FORETASTE_BLESS=1` what is printed is put there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Place;

/// How long something is waited for that comes within moments, before a test that would hang fails.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often the screen is looked at.
const LOOK: Duration = Duration::from_millis(30);
/// The first line of a session.
const BEGIN: &str = "$ foretaste";

/// A terminal of tmux with the shell in it, on a server of its own.
struct Tmux {
    place: Place,
}

impl Tmux {
    /// `None`, and a word about it, when there is no tmux.
    fn new() -> Option<Tmux> {
        let there = Command::new("tmux").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            println!("skipped: tmux is not installed");
            return None;
        }
        let tmux = Tmux { place: Place::new() };
        let home = format!("HOME={}", tmux.place.path("").display());
        let program = env!("CARGO_BIN_EXE_foretaste");
        let started = [
            &["-f", "/dev/null", "-u", "new-session", "-d", "-x", "120", "-y", "400", "env"][..],
            &[
                "-u",
                "PAGER",
                "-u",
                "FORETASTE_INIT",
                "-u",
                "FORETASTE_HISTORY",
                "-u",
                "COLUMNS",
                "-u",
                "LINES",
            ],
            &["LC_ALL=C.UTF-8", "NO_COLOR=1", &home, program],
        ];
        tmux.run(&started.concat());
        Some(tmux)
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.place.path("tmux")).args(args).current_dir(self.place.path(""));
        let output = command.env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for the prompt that comes when so many lines were entered; gives all that was printed before it.
    fn until_prompt(&self, entered: usize) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.run(&["capture-pane", "-p", "-S", "-"]);
            let screen = screen.trim_end();
            let (before, last) = screen.rsplit_once('\n').unwrap_or(("", screen));
            let prompts = screen.lines().filter(|line| input(line).is_some()).count();
            if prompts == entered + 1 && input(last) == Some("") {
                return before.to_string() + "\n";
            }
            assert!(Instant::now() < end, "waited for prompt {entered}; the screen shows:\n{screen}");
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // The server is this test's own; it may be gone already.
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.place.path("tmux")).arg("kill-server").env_remove("TMUX");
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// What was typed behind a prompt, if the line begins with one.
fn input(line: &str) -> Option<&str> {
    let prompt = ["foretaste>", "      ...>"].into_iter().find_map(|prompt| line.strip_prefix(prompt));
    prompt.map(|typed| typed.strip_prefix(' ').unwrap_or(typed))
}

/// The text with times, and blanks at the ends of lines, taken out.
fn timeless(text: &str) -> String {
    let word = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let line = |line: &str| {
        let mut words: Vec<String> = line.trim_end().split(' ').map(str::to_string).collect();
        for i in 1..words.len() {
            let unit = words[i].trim_end_matches([',', ';']);
            if matches!(unit, "µs" | "ms" | "s") && word(&words[i - 1]) {
                words[i] = words[i].replacen(unit, "s", 1);
                words[i - 1] = "?".to_string();
            }
        }
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

/// The sessions of a page: where each begins and ends, behind its first line.
fn sessions(text: &str) -> Vec<std::ops::Range<usize>> {
    let begin = format!("```\n{BEGIN}\n");
    let starts = text.match_indices(&begin).map(|(at, _)| at + begin.len());
    starts.map(|at| at..at + text[at..].find("```").unwrap()).collect()
}

fn replay(page: &Path) {
    let mut text = std::fs::read_to_string(page).unwrap();
    let found = sessions(&text);
    assert!(!found.is_empty(), "{} shows no session", page.display());
    for range in found.into_iter().rev() {
        let Some(tmux) = Tmux::new() else { return };
        let mut printed = tmux.until_prompt(0);
        let typed: Vec<&str> = text[range.clone()].lines().filter_map(input).collect();
        for (i, line) in typed.iter().enumerate() {
            // To tmux a `;` at the end of an argument ends its command.
            let line = line.strip_suffix(';').map_or(line.to_string(), |rest| format!("{rest}\\;"));
            tmux.run(&["send-keys", "-l", "--", &line]);
            tmux.run(&["send-keys", "Enter"]);
            printed = tmux.until_prompt(i + 1);
        }
        if std::env::var_os("FORETASTE_BLESS").is_some() {
            text.replace_range(range, &printed);
        } else {
            assert_eq!(timeless(&printed), timeless(&text[range]), "{}", page.display());
        }
    }
    if std::env::var_os("FORETASTE_BLESS").is_some() {
        std::fs::write(page, text).unwrap();
    }
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

#[test]
fn the_session_of_the_readme_is_what_is_printed() {
    replay(&page("README.md"));
}

#[test]
fn the_session_of_the_guide_is_what_is_printed() {
    replay(&page("docs/shell.md"));
}

#[test]
fn times_are_taken_out_and_nothing_else() {
    assert_eq!(
        timeless("2 hits, first after 92 µs, settled after 1,092 ms; 3 rows, 24 B  \nin s 3 s"),
        timeless("2 hits, first after 7 ms, settled after 1 s; 3 rows, 24 B\nin s 1 s")
    );
    assert_ne!(timeless("3 rows"), timeless("4 rows"));
    assert_eq!(
        (input("foretaste> x"), input("      ...> "), input(" foretaste>")),
        (Some("x"), Some(""), None)
    );
}
