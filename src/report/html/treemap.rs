//! The owners' bytes as areas.

use std::fmt::Write as _;

use super::Text;
use super::squarify::{Rect, squarify};
use crate::report::units::{plural, size};

/// What a tile is about.
pub(super) struct Owned {
    /// In full.
    pub name: String,
    pub new: u64,
    pub avoidable: u64,
}

impl Owned {
    const fn bytes(&self) -> u64 {
        self.new + self.avoidable
    }
}

/// One drawing for each width of screen: stretched to another width, squares are none.
struct Drawing {
    /// Its class; the style sheet says when it is shown, and gives it its aspect.
    class: &'static str,
    /// Width divided by height.
    aspect: f64,
    /// What is less than this part of all bytes shares a tile: its own would be a few pixels wide.
    least: u64,
}

const DRAWINGS: [Drawing; 2] =
    [Drawing { class: "wide", aspect: 2.2, least: 600 }, Drawing { class: "narrow", aspect: 0.8, least: 200 }];

/// Two drawings, of which the page shows one.
pub(super) fn treemap(owned: impl Iterator<Item = Owned>) -> String {
    let mut owned: Vec<Owned> = owned.filter(|owned| owned.bytes() > 0).collect();
    owned.sort_by(|a, b| b.bytes().cmp(&a.bytes()).then_with(|| a.name.cmp(&b.name)));
    match owned.is_empty() {
        true => String::new(),
        false => DRAWINGS.iter().map(|drawing| draw(drawing, &owned)).collect(),
    }
}

fn draw(drawing: &Drawing, owned: &[Owned]) -> String {
    let all: u64 = owned.iter().map(Owned::bytes).sum();
    let (shown, others) = owned.split_at(owned.partition_point(|owned| owned.bytes() >= all / drawing.least));
    let rest = (!others.is_empty()).then(|| together(others));
    let mut tiles: Vec<&Owned> = shown.iter().chain(&rest).collect();
    tiles.sort_by_key(|owned| std::cmp::Reverse(owned.bytes()));
    let weights: Vec<u64> = tiles.iter().map(|owned| owned.bytes()).collect();
    let rects = squarify(&weights, drawing.aspect);
    let tiles: String = tiles.iter().zip(&rects).map(|(owned, rect)| tile(owned, rect, drawing.aspect)).collect();
    format!(
        "<div class=\"treemap {}\" role=\"img\" aria-label=\"Treemap of the owners in the table below, by bytes\">\n{tiles}</div>\n",
        drawing.class
    )
}

fn together(others: &[Owned]) -> Owned {
    Owned {
        name: plural(others.len() as u64, "other owner", "other owners"),
        new: others.iter().map(|owned| owned.new).sum(),
        avoidable: others.iter().map(|owned| owned.avoidable).sum(),
    }
}

/// Its two parts stand beside each other along its longer side; the bigger one has the label.
fn tile(owned: &Owned, rect: &Rect, aspect: f64) -> String {
    let along = if rect.width * aspect >= rect.height { "across" } else { "down" };
    let mut out = format!(
        "<div class=\"tile {along}\" style=\"left:{:.3}%;top:{:.3}%;width:{:.3}%;height:{:.3}%\" title=\"{}: {} new, {} avoidable\">",
        rect.x * 100.0,
        rect.y * 100.0,
        rect.width * 100.0,
        rect.height * 100.0,
        Text(&owned.name),
        size(owned.new),
        size(owned.avoidable),
    );
    for (class, bytes, others) in [("new", owned.new, owned.avoidable), ("avoidable", owned.avoidable, owned.new)] {
        let is_bigger = bytes > others || (bytes == others && class == "new");
        let label = if is_bigger { label(owned) } else { String::new() };
        if bytes > 0 {
            let _ = write!(out, "<div class=\"{class}\" style=\"flex-grow:{bytes}\">{label}</div>");
        }
    }
    out + "</div>\n"
}

/// Two lines. The style sheet shows the first alone, or none, where there is no room for them.
fn label(owned: &Owned) -> String {
    // The kind of package, and the folder that npm put it in, are in the title and in the table.
    let short = owned.name.split_once(':').map_or(owned.name.as_str(), |(_, name)| name);
    let short = short.rsplit_once("node_modules/").map_or(short, |(_, name)| name);
    format!(
        "<span class=\"label\"><span class=\"lines\"><b><bdi>{}</bdi></b><span>{}</span></span></span>",
        Text(short),
        size(owned.bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(name: &str, new: u64, avoidable: u64) -> Owned {
        Owned { name: name.to_owned(), new, avoidable }
    }

    #[test]
    fn what_is_too_small_shares_a_tile() {
        let small = (0..50).map(|number| owned(&format!("small {number}"), 1, 0));
        let map =
            treemap(small.chain([owned("dpkg:big", 20_000, 0), owned("none", 0, 0), owned("dpkg:other", 1_000, 0)]));
        let (wide, narrow) = map.split_at(map.find("treemap narrow").unwrap());
        for drawing in [wide, narrow] {
            assert_eq!(drawing.matches("class=\"tile").count(), 3, "{drawing}");
            assert!(drawing.contains("title=\"50 other owners: 50 B new, 0 B avoidable\""), "{drawing}");
        }
        assert_eq!(treemap([owned("none", 0, 0)].into_iter()), "");
    }

    #[test]
    fn a_tile_has_its_parts_side_by_side_and_its_name_in_the_bigger_one() {
        let map = treemap([owned("npm:app/node_modules/@x/y", 1, 3)].into_iter());
        let label = "<span class=\"label\"><span class=\"lines\"><b><bdi>@x/y</bdi></b><span>4 B</span></span></span>";
        let parts = format!(
            "<div class=\"new\" style=\"flex-grow:1\"></div><div class=\"avoidable\" style=\"flex-grow:3\">{label}</div>"
        );
        assert!(
            map.contains("<div class=\"tile across\" style=\"left:0.000%;top:0.000%;width:100.000%;height:100.000%\""),
            "{map}"
        );
        assert_eq!(map.matches(&parts).count(), 2, "{map}");
    }
}
