//! Rows and columns, written in every mode.

use comfy_table::{
    Attribute, Cell as TableCell, CellAlignment, ContentArrangement, Row, Table, TableComponent, presets,
};
use serde_json::Value;

use super::cell::Cell;
use super::settings::Mode;
use crate::output::{Failure, Outcome, clean, escaped, width};

/// Rows under named columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// Columns, and no rows yet.
    pub fn new<T: Into<String>>(columns: impl IntoIterator<Item = T>) -> Grid {
        Grid { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Columns as rows: the names of the columns in one that is called `name`, their values beside it.
    pub fn turned(self, name: &str) -> Grid {
        let mut turned = Grid::new([name.to_string()]);
        turned.columns.extend((0..self.rows.len()).map(|_| "value".to_string()));
        for (i, column) in self.columns.into_iter().enumerate() {
            let values = self.rows.iter().map(|row| row.get(i).cloned().unwrap_or(Cell::Null));
            turned.rows.push(std::iter::once(Cell::Text(column)).chain(values).collect());
        }
        turned
    }

    /// The text of all of it; on a terminal no wider than that.
    pub fn write(&self, mode: Mode, terminal: bool) -> Outcome<String> {
        match mode {
            Mode::Table | Mode::Box | Mode::Markdown => Ok(self.table(mode, terminal)),
            Mode::Line => Ok(self.lines()),
            Mode::Csv => self.separated(b','),
            Mode::Tsv => Ok(self.tabs()),
            Mode::Json => Ok(self.json()),
            Mode::Jsonl => Ok(self.objects().map(|line| line + "\n").collect()),
        }
    }

    fn table(&self, mode: Mode, terminal: bool) -> String {
        let mut table = Table::new();
        table.set_truncation_indicator("…");
        match mode {
            Mode::Box => table.load_preset(presets::UTF8_FULL_CONDENSED),
            Mode::Markdown => table.load_preset(presets::ASCII_MARKDOWN),
            _ => table
                .load_preset(presets::NOTHING)
                .set_style(TableComponent::HeaderLines, '-')
                .set_style(TableComponent::MiddleHeaderIntersections, '+')
                .set_style(TableComponent::VerticalLines, '|'),
        };
        let coloured = terminal && console::colors_enabled();
        if coloured {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if terminal && mode != Mode::Markdown {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width());
        }
        let names = self.columns.iter().map(|name| {
            let cell = TableCell::new(clean(name));
            if coloured { cell.add_attribute(Attribute::Bold) } else { cell }
        });
        let mut header = Row::from(names.collect::<Vec<_>>());
        if terminal {
            header.max_height(1);
        }
        table.set_header(header);
        for row in &self.rows {
            let cells = row.iter().map(|cell| {
                let shown = TableCell::new(clean(&cell.text(true)));
                if cell.is_number() { shown.set_alignment(CellAlignment::Right) } else { shown }
            });
            let mut row = Row::from(cells.collect::<Vec<_>>());
            if terminal {
                row.max_height(1);
            }
            table.add_row(row);
        }
        table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
    }

    fn lines(&self) -> String {
        let widest = self.columns.iter().map(|name| console::measure_text_width(name)).max().unwrap_or(0);
        let row = |row: &Vec<Cell>| {
            let line = |(name, cell): (&String, &Cell)| {
                format!(
                    "{} = {}\n",
                    console::pad_str(&clean(name), widest, console::Alignment::Right, None),
                    clean(&cell.text(true))
                )
            };
            self.columns.iter().zip(row).map(line).collect::<String>()
        };
        self.rows.iter().map(row).collect::<Vec<_>>().join("\n")
    }

    fn separated(&self, delimiter: u8) -> Outcome<String> {
        let wrong = |e: &dyn std::fmt::Display| Failure::new(format!("cannot write the results: {e}"));
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        writer.write_record(&self.columns).map_err(|e| wrong(&e))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|cell| cell.text(false))).map_err(|e| wrong(&e))?;
        }
        let bytes = writer.into_inner().map_err(|e| wrong(&e))?;
        String::from_utf8(bytes).map_err(|e| wrong(&e))
    }

    /// Values with tabs between them; what would be read as one or as a new line is written `\t`, `\n`.
    fn tabs(&self) -> String {
        let escape = |text: String| {
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
        };
        let header = self.columns.iter().cloned().map(escape).collect::<Vec<_>>().join("\t") + "\n";
        let row = |row: &Vec<Cell>| {
            row.iter().map(|cell| escape(cell.text(false))).collect::<Vec<_>>().join("\t") + "\n"
        };
        header + &self.rows.iter().map(row).collect::<String>()
    }

    fn json(&self) -> String {
        let all: Vec<String> = self.objects().collect();
        format!("[{}]\n", all.join(",\n"))
    }

    fn objects(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| {
            // Members in the order of the columns.
            let member =
                |(name, cell): (&String, &Cell)| format!("{}:{}", Value::from(name.as_str()), cell.json());
            let members: Vec<String> = self.columns.iter().zip(row).map(member).collect();
            escaped(&format!("{{{}}}", members.join(",")))
        })
    }
}
