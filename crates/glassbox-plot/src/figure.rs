//! The frame of every picture: title, what there is to know, panels in columns, and a scale of colours.

use crate::raster::Raster;
use crate::svg::{Anchor, Area, Font, Svg, wrapped};
use crate::theme::Look;

/// A picture before its size is known.
pub(crate) struct Figure<'a> {
    pub look: &'a Look,
    pub title: String,
    /// What there is to know before looking.
    pub subtitle: String,
    /// What is to be seen, for those who cannot see it.
    pub description: String,
}

impl Figure<'_> {
    /// The picture with its title, and where the rest begins, which is to be `body` pixels high.
    pub fn open(&self, body: f64) -> (Svg, f64) {
        let (look, colours) = (self.look, self.look.colours());
        let (edge, large) = (look.edge(), if look.is_narrow() { 15.0 } else { 17.0 });
        let inner = look.width - 2.0 * edge;
        let title = wrapped(&self.title, large, inner, 2);
        let subtitle = wrapped(&self.subtitle, look.size(), inner, 7);
        let heights = [title.len() as f64 * (large + 5.0), subtitle.len() as f64 * 16.0];
        let top = edge + heights[0] + heights[1] + 10.0;
        let size = [look.width, (top + body + edge).ceil()];
        let mut svg = Svg::new(size, colours.paper, &self.title, &self.description);
        let mut y = edge - 3.0;
        for line in &title {
            y += large + 5.0;
            let font =
                Font { size: large, fill: colours.ink, anchor: Anchor::Start, is_bold: true };
            svg.text([edge, y - 5.0], font, line);
        }
        for line in &subtitle {
            y += 16.0;
            svg.text([edge, y - 2.0], look.font(colours.muted), line);
        }
        (svg, top)
    }

    /// A picture of nothing, which says why.
    pub fn empty(&self, why: &str) -> String {
        let (look, colours) = (self.look, self.look.colours());
        let inner = look.width - 2.0 * look.edge();
        let lines = wrapped(why, look.size(), inner - 24.0, 4);
        let height = 40.0 + 16.0 * lines.len() as f64;
        let (mut svg, top) = self.open(height);
        let area = Area { left: look.edge(), top, width: inner, height };
        svg.rect(
            area,
            &[
                ("fill", "none".into()),
                ("stroke", colours.axis.into()),
                ("stroke-dasharray", "3 4".into()),
                ("rx", 4.0.into()),
            ],
        );
        for (index, line) in lines.iter().enumerate() {
            let y = top + 33.0 + 16.0 * index as f64;
            let font = Font { anchor: Anchor::Middle, ..look.font(colours.muted) };
            svg.text([look.width / 2.0, y], font, line);
        }
        svg.finish()
    }
}

impl Look {
    /// The plain font in this colour.
    pub(crate) fn font(&self, fill: &'static str) -> Font<'static> {
        Font { size: self.size(), fill, anchor: Anchor::Start, is_bold: false }
    }

    /// So many panels side by side that each is at least `least` wide, with no hole at the end.
    pub(crate) fn columns(&self, panels: usize, least: f64) -> usize {
        let most = ((self.width - 2.0 * self.edge()) / least).max(1.0) as usize;
        let rows = panels.max(1).div_ceil(most.min(panels.max(1)));
        panels.max(1).div_ceil(rows)
    }

    /// The areas of panels that are this high, and how high all are together.
    pub(crate) fn panels(&self, count: usize, columns: usize, height: f64) -> (Vec<Area>, f64) {
        let (edge, across, down) = (self.edge(), 32.0, 26.0);
        let width = (self.width - 2.0 * edge - across * (columns as f64 - 1.0)) / columns as f64;
        let place = |index: usize| Area {
            left: edge + (index % columns) as f64 * (width + across),
            top: (index / columns) as f64 * (height + down),
            width,
            height,
        };
        let rows = count.div_ceil(columns).max(1) as f64;
        ((0..count).map(place).collect(), rows * height + (rows - 1.0) * down)
    }
}

/// How high a scale of colours is.
pub(crate) const KEY: f64 = 34.0;

/// A scale of colours from 0 to 1, with the numbers at its ends and perhaps one in the middle, and what they are.
pub(crate) fn colour_key(
    svg: &mut Svg,
    look: &Look,
    at: [f64; 2],
    words: &[String],
    caption: &str,
    colour: &dyn Fn(f64) -> [u8; 3],
) {
    let (width, colours) = (if look.is_narrow() { 120.0 } else { 160.0 }, look.colours());
    let mut raster = Raster::new(80, 1, [0; 3]);
    for column in 0..80 {
        raster.set(column, 0, colour(column as f64 / 79.0));
    }
    let area = Area { left: at[0], top: at[1], width, height: 8.0 };
    svg.image(area, &raster.uri());
    svg.rect(area, &[("fill", "none".into()), ("stroke", colours.grid.into())]);
    let last = words.len().max(2) - 1;
    for (index, word) in words.iter().enumerate() {
        let anchor = match index {
            0 => Anchor::Start,
            _ if index == last => Anchor::End,
            _ => Anchor::Middle,
        };
        let x = at[0] + width * index as f64 / last as f64;
        svg.text([x, at[1] + 22.0], Font { anchor, ..look.font(colours.muted) }, word);
    }
    let font = look.font(colours.ink);
    svg.text([at[0] + width + 10.0, at[1] + 8.0], font, caption);
}
