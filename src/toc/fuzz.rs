//! Bodies of the fuzz targets: whatever is read is written back and read again as the same.

use super::{TarSplitItem, TarSplitReader, TarSplitWriter, Toc, TocWriter, decode_footer, encode_footer};

pub fn fuzz_toc(data: &[u8]) {
    let Ok(toc) = Toc::parse(data) else { return };
    let (mut writer, mut json) = (TocWriter::new(), Vec::new());
    for entry in &toc.entries {
        writer.push(entry, &mut json).expect("what a TOC said, a TOC can hold");
    }
    writer.finish(toc.tar_split_digest, &mut json);
    assert_eq!(Toc::parse(&json).expect("what was written is valid"), toc);
}

pub fn fuzz_footer(data: &[u8]) {
    let Ok(footer) = data.try_into() else { return };
    if let Ok(positions) = decode_footer(footer) {
        assert_eq!(encode_footer(&positions), *footer);
    }
}

/// The first byte says how the rest is cut into pieces, which must make no difference.
pub fn fuzz_tarsplit(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let whole = read_tarsplit(stream, stream.len().max(1));
    let pieces = read_tarsplit(stream, usize::from(size).max(1));
    assert_eq!(whole, pieces);
    let Some(items) = whole else { return };
    let (mut writer, mut written) = (TarSplitWriter::new(), Vec::new());
    for item in &items {
        match item {
            TarSplitItem::Segment(raw) => writer.segment(raw, &mut written),
            TarSplitItem::File { name, size, crc64 } => writer.file(name, *size, *crc64, &mut written),
        }
    }
    let lasting = items.into_iter().filter(|item| *item != TarSplitItem::Segment(Vec::new())).collect::<Vec<_>>();
    assert_eq!(read_tarsplit(&written, 4096), Some(lasting));
}

fn read_tarsplit(stream: &[u8], piece: usize) -> Option<Vec<TarSplitItem>> {
    let (mut reader, mut items) = (TarSplitReader::new(), Vec::new());
    for piece in stream.chunks(piece) {
        reader.push(piece, &mut items).ok()?;
    }
    reader.finish(&mut items).ok()?;
    Some(items)
}
