//! Scripts of the shell: cut into statements, parsed, printed and parsed again.
//!
//! The input is a script as the shell reads it, so that the scripts of its tests are seeds.
//!
//! Reads from: the input. Writes to: nothing. Never: a statement carried out; a statement whose canonical text means
//! something else.

use foretaste_shell::lang::{Open, Splitter, expected, parse};

/// Beginnings of a statement that are completed, spread over it: each costs as much as a parse.
const BEGINNINGS: usize = 8;

/// Cuts a script into statements, a line at a time, and looks at each.
pub fn shell(data: &[u8]) {
    let Ok(script) = std::str::from_utf8(data) else { return };
    let mut splitter = Splitter::default();
    let mut text = String::new();
    for line in script.split_inclusive('\n') {
        // A dot command, which the language knows nothing of.
        if line.starts_with('.') && splitter.open() == Open::Nothing {
            splitter.rest();
            continue;
        }
        text += line;
        splitter.push(line);
        while let Some(found) = splitter.take() {
            statement(&found);
        }
    }
    statement(&splitter.rest());
    // Wherever it is cut, the statements are the same.
    let whole = statements([text.as_str()]);
    let middle = text.floor_char_boundary(text.len() / 2);
    let (begin, end) = text.split_at(middle);
    assert_eq!(statements([begin, end]), whole);
}

fn statements<'t>(pieces: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let (mut splitter, mut found) = (Splitter::default(), Vec::new());
    for piece in pieces {
        splitter.push(piece);
        found.extend(std::iter::from_fn(|| splitter.take()));
    }
    found.push(splitter.rest());
    found
}

fn statement(text: &str) {
    match parse(text) {
        Ok(tree) => {
            let printed = tree.to_string();
            let again = parse(&printed).unwrap_or_else(|e| panic!("{printed}: {e}"));
            assert_eq!(again.to_string(), printed);
            assert_eq!(again, tree, "{printed}");
        }
        Err(e) => {
            assert!(text.is_char_boundary(e.at) && !e.why.is_empty(), "{} of {}: {e}", e.at, text.len());
            let drawn = e.render(text);
            assert!(!drawn.contains(|c: char| c.is_control() && c != '\n'), "{drawn:?}");
        }
    }
    for part in 1..=BEGINNINGS {
        let end = text.floor_char_boundary(text.len() * part / BEGINNINGS);
        let _ = expected(text.get(..end).unwrap_or_default());
    }
}
