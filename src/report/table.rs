//! Columns for a terminal of 80: numbers to the right, names to the left.

use super::names::{columns, shortened};
use super::text::{WIDTH, bold};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

pub(super) struct Table<const N: usize> {
    head: [(&'static str, Align); N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub fn new(head: [(&'static str, Align); N]) -> Self {
        Self { head, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// Every line ends with a line feed and none with blanks. Cells hold no styles, which have no width.
    pub fn render(&self) -> String {
        let widths = self.widths();
        let line = |cells: [&str; N]| {
            let shown = cells.iter().zip(widths).zip(&self.head).filter(|((_, width), _)| *width > 0);
            let padded = shown.map(|((cell, width), (_, align))| {
                let cell = shortened(cell, width);
                let blanks = " ".repeat(width - columns(&cell));
                match align {
                    Align::Left => cell + &blanks,
                    Align::Right => blanks + &cell,
                }
            });
            let padded: Vec<String> = padded.collect();
            padded.join("  ").trim_end().to_owned()
        };
        let mut out = bold(&line(self.head.map(|(name, _)| name)));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&line(row.each_ref().map(String::as_str)));
            out.push('\n');
        }
        out
    }

    /// A column of empty cells has no width, and is left out. Names stand in the last column, which takes what the others leave of
    /// a line.
    fn widths(&self) -> [usize; N] {
        let mut widths: [usize; N] = std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| columns(&row[column])).max().unwrap_or_default();
            if cells == 0 { 0 } else { cells.max(columns(self.head[column].0)) }
        });
        if let Some(((last, others), (_, Align::Left))) = widths.split_last_mut().zip(self.head.last()) {
            let before: usize = others.iter().filter(|&&width| width > 0).map(|width| width + 2).sum();
            *last = (*last).min(WIDTH.saturating_sub(before)).max(1);
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_right_and_names_left() {
        let mut table = Table::new([("layer", Align::Left), ("size", Align::Right), ("name", Align::Left)]);
        table.row(["a".into(), "27.1 MB".into(), "x".into()]);
        table.row(["bcdefg".into(), "1 B".into(), "longer".into()]);
        let expected = format!("{}\na       27.1 MB  x\nbcdefg      1 B  longer\n", bold("layer      size  name"));
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn a_column_of_empty_cells_is_left_out() {
        let mut table = Table::new([("a", Align::Left), ("nothing", Align::Right), ("b", Align::Left)]);
        table.row(["1".into(), String::new(), "2".into()]);
        assert_eq!(table.render(), format!("{}\n1  2\n", bold("a  b")));
    }

    #[test]
    fn no_line_is_too_long() {
        let mut table = Table::new([("size", Align::Right), ("name", Align::Left)]);
        table.row(["27.1 MB".into(), format!("/usr/{}/end", "x".repeat(100))]);
        table.row(["1 B".into(), "/語".into()]);
        let (text, head) = (table.render(), bold("   size  name"));
        let row = format!("27.1 MB  /usr/{}\u{2026}{}/end", "x".repeat(18), "x".repeat(43));
        assert_eq!(text, format!("{head}\n{row}\n    1 B  /語\n"));
        assert_eq!(columns(&row), WIDTH);
    }
}
