//! Colours of what is typed: words of the language, strings, numbers.

use std::borrow::Cow;

use console::Style;
use foretaste_shell::lang::{Kind, Lexer, is_word};
use rustyline::highlight::{CmdKind, Highlighter};

use super::Assistant;

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if line.starts_with('.') || !console::colors_enabled() {
            return Cow::Borrowed(line);
        }
        Cow::Owned(coloured(line))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(Style::new().for_stdout().dim().apply_to(hint).to_string())
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

/// The same text, of the same width.
fn coloured(line: &str) -> String {
    let (mut lexer, mut out, mut at) = (Lexer::new(line, 0), String::with_capacity(line.len() * 2), 0);
    while let Ok(token) = lexer.next() {
        if token.kind == Kind::End {
            break;
        }
        let text = line.get(token.at..token.end).unwrap_or_default();
        let style = Style::new().for_stdout();
        let style = match token.kind {
            Kind::Word(word) if is_word(word) => style.blue().bold(),
            Kind::Str(_) => style.green(),
            Kind::Number(_) => style.cyan(),
            Kind::Object(_) => style.yellow(),
            _ => style,
        };
        out += line.get(at..token.at).unwrap_or_default();
        out += &style.apply_to(text).to_string();
        at = token.end;
    }
    out + line.get(at..).unwrap_or_default()
}
