//! One chart: lines or bars over a few labels.

use std::fmt::Write;

use super::axis::{Axis, Form, Unit};
use super::escape::escaped;

/// All charts are as wide: as a phone, so that nothing is made smaller there.
pub const WIDTH: u32 = 400;

/// Of what is drawn in.
const PLOT: f64 = 210.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
/// Below the plot: the labels, and what they are.
const BELOW: u32 = 44;
/// A line of the legend, or the title.
const ROW: u32 = 20;
/// A title.
const TITLE: u32 = 26;
/// What is above the plot: the unit.
const ABOVE: u32 = 24;
/// A bar.
const WIDEST: f64 = 36.0;
/// Lines that can still be told apart.
const MOST: usize = 10;

/// How lines are dashed, where their colours come again or cannot be seen.
const DASHES: [&str; 4] = ["", "6 3", "2 3", "8 3 2 3"];

/// A line, or the bars of one colour.
pub struct Series {
    /// What the legend says.
    pub name: String,
    /// One for each label, where there is one.
    pub values: Vec<Option<f64>>,
}

/// A chart.
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What the labels are.
    pub across: String,
    /// From left to right.
    pub labels: Vec<String>,
    /// Of the values.
    pub unit: Unit,
    /// Lines or bars.
    pub form: Form,
    /// Ten are shown, at most.
    pub series: Vec<Series>,
}

impl Chart {
    fn shown(&self) -> &[Series] {
        &self.series[..self.series.len().min(MOST)]
    }

    /// How many names of the legend stand beside each other.
    fn legend_columns(&self) -> u32 {
        let longest = self.shown().iter().map(|it| it.name.chars().count());
        if longest.max().unwrap_or(0) > 23 {
            1
        } else {
            2
        }
    }

    /// The height of it.
    pub(super) fn height(&self, with_title: bool) -> u32 {
        let rows = (self.shown().len() as u32).div_ceil(self.legend_columns());
        let title = if with_title { TITLE } else { 0 };
        title + ABOVE + PLOT as u32 + BELOW + rows * ROW + 6
    }

    /// An element of a document, where `number` tells it from others.
    pub(super) fn svg(&self, number: usize, with_title: bool) -> String {
        let height = self.height(with_title);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
             aria-labelledby=\"t{number} d{number}\">\n\
             <title id=\"t{number}\">{}</title>\n<desc id=\"d{number}\">{}</desc>\n",
            escaped(&self.title),
            escaped(&self.described())
        );
        let mut top = f64::from(ABOVE);
        if with_title {
            text(&mut out, 8.0, 18.0, "head", "start", &self.title);
            top += f64::from(TITLE);
        }
        text(
            &mut out,
            8.0,
            top - 10.0,
            "faint",
            "start",
            self.unit.title(),
        );
        let values = self
            .shown()
            .iter()
            .flat_map(|it| it.values.iter().flatten().copied());
        let axis = Axis::of(values, self.form);
        let up = |value: f64| top + PLOT * (1.0 - axis.at(value));
        let right = f64::from(WIDTH) - RIGHT;
        for &tick in &axis.ticks {
            let y = up(tick);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
            text(
                &mut out,
                LEFT - 6.0,
                y + 4.0,
                "faint",
                "end",
                &self.unit.label(tick),
            );
        }
        let wide = (right - LEFT) / self.labels.len().max(1) as f64;
        let middle = |at: usize| LEFT + wide * (at as f64 + 0.5);
        for (at, label) in self.labels.iter().enumerate() {
            text(
                &mut out,
                middle(at),
                top + PLOT + 17.0,
                "faint",
                "middle",
                label,
            );
        }
        text(
            &mut out,
            (LEFT + right) / 2.0,
            top + PLOT + 34.0,
            "faint",
            "middle",
            &self.across,
        );
        for (index, series) in self.shown().iter().enumerate() {
            let points = series.values.iter().take(self.labels.len()).enumerate();
            let points = points.filter_map(|(at, value)| Some((at, (*value)?)));
            // Nothing was measured: on a scale of powers of ten, zero has no place.
            let points = points.filter(|(_, value)| *value > 0.0);
            match self.form {
                Form::Lines => {
                    let points: Vec<_> =
                        points.map(|(at, value)| (middle(at), up(value))).collect();
                    line(&mut out, index, &points);
                }
                Form::Bars => {
                    for (at, value) in points {
                        let (left, bar) = self.place(at, index, wide);
                        let (x, y) = (middle(at) + left, up(value));
                        let _ = writeln!(
                            out,
                            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
                             style=\"fill:var(--c{index})\"/>",
                            (bar - 1.0).max(1.0),
                            top + PLOT - y
                        );
                    }
                }
            }
        }
        self.legend(&mut out, top + PLOT + f64::from(BELOW));
        out.push_str("</svg>\n");
        out
    }

    /// Where the bar of a series begins, from the middle of its label, and its width. Those of a
    /// label that have a value stand in the middle of it.
    fn place(&self, label: usize, series: usize, wide: f64) -> (f64, f64) {
        let has = |it: &&Series| it.values.get(label).copied().flatten().is_some();
        let all = self.shown().iter().filter(has).count().max(1) as f64;
        let before = self.shown()[..series].iter().filter(has).count() as f64;
        let bar = ((wide - 10.0).max(2.0) / all).min(WIDEST);
        (bar * (before - all / 2.0), bar)
    }

    fn legend(&self, out: &mut String, top: f64) {
        let columns = self.legend_columns();
        let wide = f64::from((WIDTH - 16) / columns);
        for (index, series) in self.shown().iter().enumerate() {
            let (row, column) = (index as u32 / columns, index as u32 % columns);
            let x = 8.0 + wide * f64::from(column);
            let y = top + f64::from(row * ROW + ROW / 2);
            match self.form {
                Form::Lines => {
                    let points = vec![(x, y), (x + 14.0, y), (x + 28.0, y)];
                    stroke(out, index, &points);
                    mark(out, index, points[1]);
                }
                Form::Bars => {
                    let _ = writeln!(
                        out,
                        "<rect x=\"{x}\" y=\"{}\" width=\"28\" height=\"12\" \
                         style=\"fill:var(--c{index})\"/>",
                        y - 6.0
                    );
                }
            }
            text(out, x + 34.0, y + 4.0, "", "start", &series.name);
        }
    }

    /// For those who cannot see it.
    fn described(&self) -> String {
        let names: Vec<&str> = self.shown().iter().map(|it| it.name.as_str()).collect();
        format!(
            "{}, over {}: {}. The table has the figures.",
            self.unit.title(),
            self.across,
            names.join(", ")
        )
    }
}

fn text(out: &mut String, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(text)
    );
}

fn line(out: &mut String, index: usize, points: &[(f64, f64)]) {
    stroke(out, index, points);
    for &point in points {
        mark(out, index, point);
    }
}

fn stroke(out: &mut String, index: usize, points: &[(f64, f64)]) {
    let points: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        out,
        "<polyline class=\"line\" points=\"{}\" style=\"stroke:var(--c{index})\" \
         stroke-dasharray=\"{}\"/>",
        points.join(" "),
        DASHES[index % DASHES.len()]
    );
}

/// A mark at a point: another for each of a few lines, so that they differ without colours.
fn mark(out: &mut String, index: usize, (x, y): (f64, f64)) {
    let style = format!("style=\"fill:var(--c{index})\"");
    let _ = match index % 5 {
        0 => writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" {style}/>"
        ),
        1 => writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\" {style}/>",
            x - 3.5,
            y - 3.5
        ),
        shape => {
            let corners: &[(f64, f64)] = match shape {
                2 => &[(0.0, -4.5), (4.5, 3.5), (-4.5, 3.5)],
                3 => &[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)],
                _ => &[(0.0, 4.5), (4.5, -3.5), (-4.5, -3.5)],
            };
            let corners = corners
                .iter()
                .map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy));
            let corners: Vec<String> = corners.collect();
            writeln!(out, "<polygon points=\"{}\" {style}/>", corners.join(" "))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_in_the_middle_of_their_label() {
        let values = [vec![Some(1.0), None], vec![Some(1.0), Some(2.0)]];
        let series = values.map(|values| Series {
            name: String::new(),
            values,
        });
        let chart = Chart {
            title: String::new(),
            across: String::new(),
            labels: vec!["a".into(), "b".into()],
            unit: Unit::Millions,
            form: Form::Bars,
            series: series.into(),
        };
        assert_eq!(chart.place(0, 0, 50.0), (-20.0, 20.0));
        assert_eq!(chart.place(0, 1, 50.0), (0.0, 20.0));
        assert_eq!(chart.place(1, 1, 50.0), (-18.0, 36.0));
    }
}
