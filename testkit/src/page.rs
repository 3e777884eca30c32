//! Pages with charts: one file that needs nothing else, for a browser on any screen.
//!
//! `bench --html` and `memring-rivals --html` write them, and `--svg` the charts alone. Colours
//! come from variables, of which dark screens have others; lines differ in their marks and dashes
//! too. Beside each chart stands a table with the same figures, and more.

mod axis;
mod chart;
mod escape;
mod style;

pub use axis::{Form, Unit};
pub use chart::{Chart, Series};

use std::fmt::Write;

use escape::escaped;
use style::{CHART, COLOURS, PAGE};

/// A page.
pub struct Page {
    /// What it is about.
    pub title: String,
    /// What to know before the figures: paragraphs.
    pub lead: Vec<String>,
    /// The figures.
    pub chapters: Vec<Chapter>,
}

/// A chart, and a table beside it.
pub struct Chapter {
    /// What to read out of it.
    pub note: String,
    /// The chart, whose title is that of the chapter.
    pub chart: Chart,
    /// The figures.
    pub table: Figures,
}

/// A table of figures; the first column names them.
#[derive(Default)]
pub struct Figures {
    /// Of the columns.
    pub head: Vec<String>,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

impl Page {
    /// The document. (To write into a string never fails.)
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut out = String::new();
        let _ = write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>{COLOURS}{CHART}{PAGE}</style>\n</head>\n<body>\n\
             <main>\n<h1>{title}</h1>\n"
        );
        for paragraph in &self.lead {
            let _ = writeln!(out, "<p>{}</p>", escaped(paragraph));
        }
        for (index, chapter) in self.chapters.iter().enumerate() {
            let _ = writeln!(
                out,
                "<section>\n<h2>{}</h2>\n<p>{}</p>\n<div class=\"beside\">\n<figure>{}</figure>",
                escaped(&chapter.chart.title),
                escaped(&chapter.note),
                chapter.chart.svg(index, false)
            );
            chapter.table.html(&mut out, &chapter.chart.title);
            out.push_str("</div>\n</section>\n");
        }
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }

    /// The charts alone, below each other, with their titles.
    pub fn svg(&self) -> String {
        let mut parts = String::new();
        let mut height = 0;
        for (index, chapter) in self.chapters.iter().enumerate() {
            let _ = writeln!(
                parts,
                "<g transform=\"translate(0 {height})\">{}</g>",
                chapter.chart.svg(index, true)
            );
            height += chapter.chart.height(true);
        }
        document(&parts, height)
    }
}

impl Chart {
    /// The chart alone, as a file.
    pub fn file(&self) -> String {
        document(&self.svg(0, true), self.height(true))
    }
}

/// A picture that is a file of its own.
fn document(parts: &str, height: u32) -> String {
    let width = chart::WIDTH;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{}\" height=\"{}\">\n<style>{COLOURS}{CHART}</style>\n\
         <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n{parts}</svg>\n",
        2 * width,
        2 * height
    )
}

impl Figures {
    fn html(&self, out: &mut String, caption: &str) {
        // Wider than a phone, it is moved within its frame: by the keyboard too.
        let _ = write!(
            out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table: {0}\">\n\
             <table>\n<caption>{0}</caption>\n<thead><tr>",
            escaped(caption)
        );
        for head in &self.head {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(head));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (index, cell) in row.iter().enumerate() {
                let cell = escaped(cell);
                let _ = match index {
                    0 => write!(out, "<th scope=\"row\">{cell}</th>"),
                    _ => write!(out, "<td>{cell}</td>"),
                };
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            title: "A <page>".into(),
            lead: vec!["one & two".into()],
            chapters: vec![Chapter {
                note: "more is better".into(),
                chart: Chart {
                    title: "Rates".into(),
                    across: "bytes".into(),
                    labels: vec!["8".into(), "64".into()],
                    unit: Unit::Millions,
                    form: Form::Lines,
                    series: vec![Series {
                        name: "\"ring\"".into(),
                        values: vec![Some(2e6), None],
                    }],
                },
                table: Figures {
                    head: vec!["".into(), "rate".into()],
                    rows: vec![vec!["a<b".into(), "2".into()]],
                },
            }],
        }
    }

    #[test]
    fn texts_cannot_be_taken_for_marks() {
        let html = page().html();
        for text in [
            "A &lt;page&gt;",
            "one &amp; two",
            "&quot;ring&quot;",
            "a&lt;b",
        ] {
            assert!(html.contains(text), "no {text} in {html}");
        }
    }

    #[test]
    fn a_page_needs_nothing_else() {
        for text in [page().html(), page().svg(), page().chapters[0].chart.file()] {
            for word in ["<script", "<link", "@import", "url(", "src="] {
                assert!(!text.contains(word), "{word} in {text}");
            }
            assert!(text.contains("prefers-color-scheme: dark"));
            assert_eq!(text.matches("<svg").count(), text.matches("</svg>").count());
        }
    }
}
