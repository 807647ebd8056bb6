//! What was measured, beside what it should be and beside what must fail.

use std::fmt;

/// One line of the table.
#[derive(Debug)]
pub struct Figure {
    /// Its number, such as `S7`.
    pub case: &'static str,
    pub what: String,
    pub target: String,
    pub measured: String,
    /// What was measured where the very thing that is tested was taken away.
    pub control: String,
    /// Whether the target is met, and the control was not.
    pub met: bool,
}

/// All figures, as a table in Markdown.
#[derive(Debug, Default)]
pub struct Table(pub Vec<Figure>);

impl Table {
    pub fn is_met(&self) -> bool {
        self.0.iter().all(|figure| figure.met)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["case", "what", "target", "measured", "control", ""];
        let rows = self.0.iter().map(|figure| {
            let verdict = if figure.met { "met" } else { "MISSED" };
            let Figure { case, what, target, measured, control, .. } = figure;
            [case, what.as_str(), target, measured, control, verdict]
        });
        let rows: Vec<[&str; 6]> = std::iter::once(header).chain(rows).collect();
        let widths: [usize; 6] = std::array::from_fn(|column| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        });
        for (n, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if n == 0 {
                widths.iter().try_for_each(|width| write!(f, "|{}", "-".repeat(width + 2)))?;
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
