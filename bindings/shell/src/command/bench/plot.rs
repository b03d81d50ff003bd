//! Plots of a benchmark as files; and one of them: speed over recall, a line a curve.

use std::io::Write;
use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::report::{Curve, Report, frontier};
use crate::output::{Failure, Outcome};
use crate::sink::{self, Sink};

const SIZE: (u32, u32) = (1000, 640);
pub const FONT: &str = "sans-serif";
/// Colours that stay apart for most eyes, after Okabe and Ito.
pub const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

/// The picture's format.
pub enum Format {
    Png,
    Svg,
}

/// The format that a file's name asks for.
pub fn format(file: &Path) -> Outcome<Format> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("png") => Ok(Format::Png),
        Some("svg") => Ok(Format::Svg),
        _ => Err(Failure::usage(format!("--plot {}: the name ends in .png or .svg", file.display()))),
    }
}

/// What is drawn, by any backend.
pub trait Picture {
    /// Its size, in pixels.
    fn size(&self) -> (u32, u32);
    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawing<DB>;
}

/// Speed over recall.
pub struct Speeds<'a>(pub &'a Report);

/// Draws a picture into `file`.
pub fn draw(file: &Path, picture: &impl Picture) -> Outcome {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        // The font is part of the program: no system fonts are looked for. It fails on damaged fonts only.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
    let size = picture.size();
    match format(file)? {
        Format::Png => {
            let root = BitMapBackend::new(file, size).into_drawing_area();
            picture.draw(&root).map_err(|e| failed(file, &e))
        }
        Format::Svg => {
            let mut text = String::new();
            let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
            picture.draw(&root).map_err(|e| failed(file, &e))?;
            // What it draws is in the text when it is gone.
            drop(root);
            let mut sink = Sink::create(file, false)?;
            sink.write_all(text.as_bytes()).map_err(|e| sink::failed(file, &e))?;
            sink.finish()
        }
    }
}

fn failed(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("cannot draw {}: {error}", file.display()))
}

/// What drawing gives.
pub type Drawing<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

impl Picture for Speeds<'_> {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawing<DB> {
        curves(root, self.0)
    }
}

fn curves<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, report: &Report) -> Drawing<DB> {
    let points: Vec<(f64, f64)> =
        report.curves.iter().flat_map(|c| c.points.iter().map(|p| (p.recall, p.qps))).collect();
    let least = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(f64::INFINITY, f64::min);
    let most_qps = points.iter().map(|p| p.1).fold(1.0, f64::max);
    let (lowest, least_qps) = (least(|p| p.0).min(0.99), least(|p| p.1).min(most_qps));
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(root)
        .caption(format!("{}: {} rows, {}", report.file, report.rows, report.metric), (FONT, 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d((lowest - 0.01).max(0.0)..1.0, (least_qps * 0.8..most_qps * 1.25).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("recall")
        .y_desc("queries a second, one thread")
        .label_style((FONT, 14))
        .light_line_style(BLACK.mix(0.05))
        .draw()?;
    for (curve, colour) in report.curves.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<(f64, f64)> = curve.points.iter().map(|p| (p.recall, p.qps)).collect();
        let colour = *colour;
        chart
            .draw_series(LineSeries::new(frontier(&points), colour.stroke_width(2)))?
            .label(name(curve))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|p| Circle::new(*p, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 14))
        .draw()?;
    root.present()
}

fn name(curve: &Curve) -> String {
    format!("{}, k = {}, {} dimensions", curve.index.name(), curve.k, curve.dims)
}
