//! Plans in which the layers of all members have one numbering: content is compressed once, whoever has it.

use crate::order::layers::Label;
use crate::order::{Place, Plan, Role, Written};
use crate::rechunk::image::Layout;

/// `layers` are those of the member, by their numbers among `all`.
pub(super) fn numbered(layout: Layout, layers: &[usize], all: usize) -> Layout {
    let mut labels: Vec<Vec<Label>> = vec![Vec::new(); all];
    for (own, &number) in layout.labels.into_iter().zip(layers) {
        labels[number] = own;
    }
    let place = |(layer, entry): Place| (layers[layer as usize] as u32, entry);
    let mut plan: Plan = layout.plan;
    for written in plan.layers.iter_mut().flat_map(|layer| &mut layer.entries) {
        if let Written::Entry { at, role, .. } = written {
            *at = place(*at);
            *role = match *role {
                Role::Itself => Role::Itself,
                Role::Heir(inode) => Role::Heir(place(inode)),
                Role::LinkTo(holder) => Role::LinkTo(place(holder)),
            };
        }
    }
    Layout { plan, labels, ..layout }
}
