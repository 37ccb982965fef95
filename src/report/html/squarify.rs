//! Rectangles whose areas are as numbers are to each other, each as near to a square as it comes (Bruls, Huizing and van Wijk,
//! "Squarified Treemaps", 2000).

/// A part of the unit square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A rectangle for each weight, in their order. The weights descend and none is 0; `aspect` is the width of what is drawn
/// divided by its height.
pub(super) fn squarify(weights: &[u64], aspect: f64) -> Vec<Rect> {
    let total: f64 = weights.iter().map(|&weight| weight as f64).sum();
    // Squares are wanted where it is drawn, so it is laid out in its proportions and with an area of 1.
    let (width, height) = (aspect.sqrt(), 1.0 / aspect.sqrt());
    let areas: Vec<f64> = weights.iter().map(|&weight| weight as f64 / total).collect();
    let mut free = Rect { x: 0.0, y: 0.0, width, height };
    let mut rects = Vec::with_capacity(areas.len());
    let mut left = areas.as_slice();
    while !left.is_empty() {
        let (row, others) = left.split_at(row(left, free.width.min(free.height)));
        free = place(row, free, others.is_empty(), &mut rects);
        left = others;
    }
    let unit = |rect: Rect| Rect {
        x: rect.x / width,
        y: rect.y / height,
        width: rect.width / width,
        height: rect.height / height,
    };
    rects.into_iter().map(unit).collect()
}

/// How many of the areas stand beside each other along a side of this length: as many as make them squarer.
fn row(areas: &[f64], side: f64) -> usize {
    let mut sum = 0.0;
    let mut worst = f64::INFINITY;
    for (count, area) in areas.iter().enumerate() {
        let longer = sum + area;
        // The biggest and the smallest of them are the least square.
        let stretched =
            |area: f64| (side * side * area / (longer * longer)).max(longer * longer / (side * side * area));
        let next = stretched(areas[0]).max(stretched(*area));
        if next > worst {
            return count;
        }
        (sum, worst) = (longer, next);
    }
    areas.len()
}

/// Places a row along the shorter side of what is free, and returns what is left. The last row takes all of it.
fn place(row: &[f64], free: Rect, is_last: bool, rects: &mut Vec<Rect>) -> Rect {
    let sum: f64 = row.iter().sum();
    let is_column = free.width >= free.height;
    let (side, depth) = if is_column { (free.height, free.width) } else { (free.width, free.height) };
    let thick = if is_last { depth } else { (sum / side).min(depth) };
    let mut at = 0.0;
    for area in row {
        let long = side * area / sum;
        rects.push(match is_column {
            true => Rect { x: free.x, y: free.y + at, width: thick, height: long },
            false => Rect { x: free.x + at, y: free.y, width: long, height: thick },
        });
        at += long;
    }
    match is_column {
        true => Rect { x: free.x + thick, width: free.width - thick, ..free },
        false => Rect { y: free.y + thick, height: free.height - thick, ..free },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLIP: f64 = 1e-6;

    fn weights() -> impl Strategy<Value = Vec<u64>> {
        let weight = prop_oneof![1..10_u64, 1..1_000_000_u64, 1..(1_u64 << 40)];
        proptest::collection::vec(weight, 0..80).prop_map(|mut weights| {
            weights.sort_by(|a, b| b.cmp(a));
            weights
        })
    }

    proptest! {
        #[test]
        fn areas_are_as_the_weights(weights in weights(), aspect in 0.2..5.0) {
            let rects = squarify(&weights, aspect);
            let total: u64 = weights.iter().sum();
            prop_assert_eq!(rects.len(), weights.len());
            for (rect, weight) in rects.iter().zip(&weights) {
                let share = *weight as f64 / total as f64;
                prop_assert!((rect.width * rect.height - share).abs() < SLIP, "{rect:?} {share}");
            }
        }

        #[test]
        fn rectangles_lie_inside_and_apart(weights in weights(), aspect in 0.2..5.0) {
            let rects = squarify(&weights, aspect);
            for (at, a) in rects.iter().enumerate() {
                prop_assert!(a.x >= -SLIP && a.y >= -SLIP && a.x + a.width <= 1.0 + SLIP && a.y + a.height <= 1.0 + SLIP);
                for b in &rects[at + 1..] {
                    let wide = (a.x + a.width).min(b.x + b.width) - a.x.max(b.x);
                    let high = (a.y + a.height).min(b.y + b.height) - a.y.max(b.y);
                    prop_assert!(wide < SLIP || high < SLIP, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn rectangles_are_nearly_square_where_they_are_drawn() {
        // The example of the paper: 6 by 4.
        let rects = squarify(&[6, 6, 4, 3, 2, 2, 1], 1.5);
        let stretched = |rect: &Rect| {
            let aspect = rect.width * 6.0 / (rect.height * 4.0);
            aspect.max(1.0 / aspect)
        };
        assert!(rects.iter().all(|rect| stretched(rect) < 2.8), "{rects:?}");
        assert!((rects[0].width - 0.5).abs() < SLIP && (rects[0].height - 0.5).abs() < SLIP, "{rects:?}");
        assert_eq!(squarify(&[7], 2.0).len(), 1);
    }
}
