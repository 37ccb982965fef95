//! Columns for a terminal of 80: numbers to the right, names to the left.

use super::text::bold;

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

    /// Every line ends with a line feed and none with blanks. Widths count characters, so cells hold no styles.
    pub fn render(&self) -> String {
        let widths: [usize; N] = std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.head[column].0.chars().count()]).max().unwrap_or_default()
        });
        let line = |cells: [&str; N]| {
            let padded = cells.iter().zip(widths).zip(&self.head).map(|((cell, width), (_, align))| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
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
}
