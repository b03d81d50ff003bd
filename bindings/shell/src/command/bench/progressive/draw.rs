//! The plot of answers as they settle: recall over the logarithm of time, a panel an index, a line an effort.
//!
//! Reads from: the report. Writes to: a drawing. Never: a figure of its own.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::course::Steps;
use super::figures::{Progressive, Settling};
use crate::command::bench::plot::{COLOURS, Drawing, FONT, Picture};
use crate::command::bench::report::Report;

const WIDTH: u32 = 1000;
const PANEL: u32 = 520;
/// A revision is marked while at least one in so many queries has it.
const MARKED: usize = 20;

/// Recall over time.
pub struct Courses<'a>(pub &'a Report);

impl Picture for Courses<'_> {
    fn size(&self) -> (u32, u32) {
        (WIDTH, PANEL * self.0.progressive.len().max(1) as u32)
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawing<DB> {
        root.fill(&WHITE)?;
        let panels = root.split_evenly((self.0.progressive.len().max(1), 1));
        for (area, of) in panels.iter().zip(&self.0.progressive) {
            panel(area, self.0, of)?;
        }
        root.present()
    }
}

fn panel<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    report: &Report,
    of: &Progressive,
) -> Drawing<DB> {
    let (from, to) = times(of);
    let mut chart = ChartBuilder::on(area)
        .caption(title(report, of), (FONT, 18))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d((from..to).log_scale(), 0.0..1.02)?;
    chart
        .configure_mesh()
        .x_desc("µs since the search began (○ mean of a revision, ✕ answer at once)")
        .y_desc("mean recall of the newest revision")
        .x_label_formatter(&|us| format!("{us}"))
        .label_style((FONT, 14))
        .light_line_style(BLACK.mix(0.05))
        .draw()?;
    for (point, colour) in of.points.iter().zip(COLOURS.iter().cycle()) {
        let colour = *colour;
        let name =
            if point.effort == 0 { "all rows".to_string() } else { format!("effort {}", point.effort) };
        chart
            .draw_series(LineSeries::new(line(point, from, to), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        let marked = point.revisions.iter().filter(|revision| revision.queries * MARKED >= point.queries);
        let circle = |(us, recall)| Circle::new((us, recall), 5, colour.stroke_width(2));
        chart.draw_series(marked.map(|revision| circle((revision.mean_us, revision.mean_recall))))?;
        let at_once = (point.one_shot.us.mean, point.one_shot.recall);
        chart.draw_series([Cross::new(at_once, 6, colour.stroke_width(2))])?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 14))
        .draw()?;
    Ok(())
}

/// The course as a line that begins at no recall and goes on to the edge.
fn line(point: &Settling, from: f64, to: f64) -> Steps {
    let before = point.course.first().map(|(us, _)| (us.max(from), 0.0));
    let after = point.course.last().map(|(_, recall)| (to, *recall));
    before.into_iter().chain(point.course.iter().copied()).chain(after).collect()
}

/// Whole factors of ten around all times that are drawn.
fn times(of: &Progressive) -> (f64, f64) {
    let all = of.points.iter().flat_map(|point| {
        let course = point.course.iter().map(|(us, _)| *us);
        course.chain([point.one_shot.us.mean])
    });
    let (least, most) = all.fold((f64::INFINITY, 1.0f64), |(least, most), us| (least.min(us), most.max(us)));
    let least = least.clamp(1e-2, most);
    (10f64.powi(least.log10().floor() as i32), 10f64.powi(most.log10().floor() as i32 + 1))
}

fn title(report: &Report, of: &Progressive) -> String {
    let Progressive { index, k, dims, .. } = of;
    format!(
        "{}: {} rows, {}, {}, k = {k}, {dims} dimensions",
        report.file,
        report.rows,
        report.metric,
        index.name()
    )
}
