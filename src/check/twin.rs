//! Whether the two images of a platform are the same one, and stand in their order.

use crate::source::Image;

pub(super) fn problems(image: &Image) -> Vec<String> {
    let mut problems = image.twin_differences();
    if image.hides_twin() {
        problems.push(
            "the zstd image stands before the gzip image in the index: clients that take the first one take the zstd image"
                .to_owned(),
        );
    }
    problems
}
