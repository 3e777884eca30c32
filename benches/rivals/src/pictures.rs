//! The report's pictures.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::{IntoSegmentedCoord, SegmentValue};
use plotters::prelude::*;

use crate::findings::{Findings, Row};
use crate::targets::{is_ours, is_rival};
use crate::task::{PERCENTILES, Quantity, Wait, Way};

/// Width and height.
const SIZE: (u32, u32) = (900, 480);
/// Lines or bars that can still be told apart.
const MOST: usize = 10;
/// Sizes of messages.
const SIZES: [usize; 9] = [8, 16, 24, 32, 56, 64, 256, 1024, 4096];

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

/// A colour for the `index`th of a picture; memring's are dark, its defaults black.
fn colour(name: &str, index: usize) -> RGBAColor {
    match name {
        "memring" | "memring-mpmc" => BLACK.to_rgba(),
        name if name.starts_with("memring") => RGBColor(90, 90, 90).to_rgba(),
        _ => Palette99::pick(index).to_rgba(),
    }
}

/// Draw all of them into this directory.
pub fn draw(findings: &Findings, directory: &Path) -> Result<()> {
    throughput(findings, &directory.join("throughput.svg"))?;
    round_trips(findings, &directory.join("round_trips.svg"))?;
    mpmc(findings, &directory.join("mpmc.svg"))
}

/// Names and points of lines.
type Lines = Vec<(String, Vec<(f64, f64)>)>;

fn throughput(findings: &Findings, path: &Path) -> Result<()> {
    let cores = findings.main_cores();
    let mut lines = Lines::new();
    for size in SIZES {
        let ranking = findings.ranking(Quantity::Spsc(size, Way::Single), cores);
        for (row, spread) in ranking
            .into_iter()
            .filter(|(row, _)| is_ours(row) || is_rival(row))
        {
            let point = (size as f64, spread.median / 1e6);
            match lines.iter_mut().find(|(name, _)| *name == row.contestant) {
                Some((_, points)) => points.push(point),
                None => lines.push((row.contestant.clone(), vec![point])),
            }
        }
    }
    lines.truncate(MOST);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let rates = lines.iter().flat_map(|(_, points)| points);
    let most = rates.map(|point| point.1).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .set_label_area_size(LabelAreaPosition::Left, 60)
        .set_label_area_size(LabelAreaPosition::Bottom, 40)
        .build_cartesian_2d((7.0..5000.0).log_scale(), (0.5..most * 1.2).log_scale())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("bytes of a message")
        .y_desc("million messages a second")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .draw()
        .map_err(failed)?;
    for (index, (name, points)) in lines.into_iter().enumerate() {
        let style = colour(&name, index).stroke_width(2);
        let line = LineSeries::new(points, style).point_size(3);
        let drawn = chart.draw_series(line).map_err(failed)?;
        drawn
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(failed)?;
    root.present().map_err(failed)
}

/// A row's times by percentile: of each the median over the rounds.
fn percentiles(findings: &Findings, row: &Row) -> Vec<f64> {
    let cores = findings.main_cores();
    let samples = || row.samples.iter().filter(|sample| sample.cores() == cores);
    let at = |index: usize| {
        let mut times: Vec<f64> = samples()
            .filter_map(|sample| sample.times.get(index).copied())
            .collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    };
    (0..PERCENTILES.len()).map(at).collect()
}

fn round_trips(findings: &Findings, path: &Path) -> Result<()> {
    let ranking = findings.ranking(Quantity::Trip(8, Wait::Spin), findings.main_cores());
    let rows: Vec<_> = ranking.into_iter().map(|(row, _)| row).take(MOST).collect();
    let names: Vec<String> = PERCENTILES
        .map(|percentile| format!("p{percentile}"))
        .into();
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    // The worst of all is the scheduler's doing, and would flatten the rest.
    let shown = PERCENTILES.len() - 1;
    let (mut least, mut most) = (1e9_f64, 100.0_f64);
    for row in &rows {
        let times = percentiles(findings, row);
        least = least.min(times[0]);
        most = most.max(times[shown - 1]);
    }
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .set_label_area_size(LabelAreaPosition::Left, 60)
        .set_label_area_size(LabelAreaPosition::Bottom, 40)
        .build_cartesian_2d(
            0.0..shown as f64 - 1.0,
            (least * 0.8..most * 1.2).log_scale(),
        )
        .map_err(failed)?;
    chart
        .configure_mesh()
        .y_desc("nanoseconds")
        .x_labels(shown)
        .x_label_formatter(&|at| names.get(at.round() as usize).cloned().unwrap_or_default())
        .draw()
        .map_err(failed)?;
    for (index, row) in rows.into_iter().enumerate() {
        let times = percentiles(findings, row).into_iter().take(shown);
        let points = times.enumerate().map(|(at, time)| (at as f64, time));
        let style = colour(&row.contestant, index).stroke_width(2);
        let line = LineSeries::new(points.filter(|point| point.1.is_finite()), style);
        let drawn = chart.draw_series(line.point_size(3)).map_err(failed)?;
        drawn
            .label(&row.contestant)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(failed)?;
    root.present().map_err(failed)
}

fn mpmc(findings: &Findings, path: &Path) -> Result<()> {
    let cores = findings.main_cores();
    let groups = [(1, 1), (2, 2), (4, 4), (1, 4), (4, 1)];
    let mut names: Vec<String> = Vec::new();
    let mut bars: Vec<(usize, usize, f64)> = Vec::new();
    for (group, (senders, receivers)) in groups.into_iter().enumerate() {
        for (row, spread) in findings.ranking(Quantity::Mpmc(senders, receivers), cores) {
            let known = names.iter().position(|name| *name == row.contestant);
            let who = known.unwrap_or_else(|| {
                names.push(row.contestant.clone());
                names.len() - 1
            });
            bars.push((group, who, spread.median / 1e6));
        }
    }
    let most = bars.iter().map(|bar| bar.2).fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let labels = groups.map(|(senders, receivers)| format!("{senders}x{receivers}"));
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .set_label_area_size(LabelAreaPosition::Left, 60)
        .set_label_area_size(LabelAreaPosition::Bottom, 40)
        .build_cartesian_2d((0..groups.len() - 1).into_segmented(), 0.0..most * 1.1)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .y_desc("million messages a second")
        .x_label_formatter(&|at| match at {
            SegmentValue::CenterOf(group) => labels.get(*group).cloned().unwrap_or_default(),
            _ => String::new(),
        })
        .draw()
        .map_err(failed)?;
    // Bars are drawn in pixels: a group is a segment of the axis.
    let left = |group| {
        let at = (SegmentValue::Exact(group), 0.0);
        chart.plotting_area().map_coordinate(&at).0
    };
    let wide = (left(1) - left(0) - 16) / names.len().max(1) as i32;
    for (who, name) in names.iter().enumerate() {
        let style = colour(name, who).filled();
        let own = bars
            .iter()
            .filter(|bar| bar.1 == who)
            .map(|&(group, _, rate)| {
                let area = chart.plotting_area();
                let (left, top) = area.map_coordinate(&(SegmentValue::Exact(group), rate));
                let (_, bottom) = area.map_coordinate(&(SegmentValue::Exact(group), 0.0));
                let left = left + 8 + wide * who as i32;
                Rectangle::new([(left, top), (left + wide - 1, bottom)], style)
            });
        for bar in own.collect::<Vec<_>>() {
            root.draw(&bar).map_err(failed)?;
        }
        let y = 20 + 16 * who as i32;
        let x = SIZE.0 as i32 - 180;
        root.draw(&Rectangle::new([(x, y), (x + 12, y + 10)], style))
            .map_err(failed)?;
        root.draw(&Text::new(name.clone(), (x + 18, y), ("sans-serif", 13)))
            .map_err(failed)?;
    }
    root.present().map_err(failed)
}
