use super::*;
use proptest::prelude::*;

fn chunks(pieces: &[&[u8]]) -> Vec<Cut> {
    let (mut chunker, mut cuts) = (Chunker::new(), Vec::new());
    for piece in pieces {
        chunker.push(piece, &mut cuts);
    }
    chunker.finish(&mut cuts);
    cuts
}

/// podman's rules, a byte at a time, with the sum from its definition over the last 64 bytes.
fn model(file: &[u8]) -> Vec<Cut> {
    let (mut cuts, mut open, mut at) = (Vec::new(), 0, 0);
    let cut = |open: &mut u64, cuts: &mut Vec<Cut>| {
        if *open > 0 {
            cuts.push(Cut { len: *open, kind: ChunkKind::Data });
            *open = 0;
        }
    };
    while at < file.len() {
        let zeros = file[at..].iter().take_while(|byte| **byte == 0).count();
        if zeros >= 1024 {
            cut(&mut open, &mut cuts);
            cuts.push(Cut { len: zeros as u64, kind: ChunkKind::Zeros });
            at += zeros;
            continue;
        }
        for _ in 0..zeros.max(1) {
            open += 1;
            at += 1;
            if sum(&file[..at]) & 0xffff == 0xffff {
                cut(&mut open, &mut cuts);
            }
        }
    }
    cut(&mut open, &mut cuts);
    cuts
}

/// Each byte of the window counts once for each step that it has been there.
fn sum(seen: &[u8]) -> u32 {
    let window = seen.iter().rev().take(64).enumerate();
    64 * 63 * 31 + window.map(|(age, byte)| (age as u32 + 1) * u32::from(*byte)).sum::<u32>()
}

/// Bytes without zeros (xorshift).
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        ((state >> 8) as u8).max(1)
    })
    .take(len)
    .collect()
}

/// 64 bytes behind which the sum cuts, wherever they stand.
fn cutting() -> Vec<u8> {
    // 0x1ffff - 64 * 63 * 31 = 6079 = 64 * 94 + 63.
    let mut window = vec![0; 64];
    (window[0], window[1]) = (94, 1);
    window
}

fn data(len: u64) -> Cut {
    Cut { len, kind: ChunkKind::Data }
}

fn zeros(len: u64) -> Cut {
    Cut { len, kind: ChunkKind::Zeros }
}

#[test]
fn an_empty_file_has_no_chunk() {
    assert_eq!(chunks(&[]), []);
    assert_eq!(chunks(&[b""]), []);
}

#[test]
fn a_hole_needs_1024_zeros() {
    let x = [b'x'];
    for (at_start, at_end) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let around = |zeros: &[u8]| chunks(&[&x[..at_start], zeros, &x[..at_end]]);
        let short = [0; 1023];
        assert_eq!(around(&short), [data((1023 + at_start + at_end) as u64)]);
        for len in [1024, 4096, 4097, 100_000] {
            let hole = vec![0; len];
            let expected = [data(at_start as u64), zeros(len as u64), data(at_end as u64)];
            assert_eq!(around(&hole), expected.into_iter().filter(|cut| cut.len > 0).collect::<Vec<_>>());
        }
    }
}

#[test]
fn cuts_behind_a_window_and_again_without_reset() {
    let window = cutting();
    assert_eq!(chunks(&[b"abc", &window, b"def"]), [data(67), data(3)]);
    assert_eq!(chunks(&[&window, &window]), [data(64), data(64)]);
}

#[test]
fn a_cut_right_at_a_hole_leaves_no_empty_chunk() {
    // Ends with another byte than zero, else the run of zeros would be longer.
    let mut window = cutting();
    (window[1], window[63]) = (0, 63);
    assert_eq!(sum(&window) & 0xffff, 0xffff);
    assert_eq!(chunks(&[&window, &[0; 2000], b"x"]), [data(64), zeros(2000), data(1)]);
    assert_eq!(chunks(&[&window]), [data(64)]);
}

#[test]
fn the_window_is_zeros_behind_a_hole() {
    // Weights 7 to 1, and zeros before: 217 * 28 + 3 = 6079.
    let few = [217, 217, 217, 217, 218, 217, 217];
    assert_eq!(chunks(&[b"abc", &[0; 1024], &few, b"x"]), [data(3), zeros(1024), data(7), data(1)]);
    assert_eq!(chunks(&[b"abc", &[0; 64], &few, b"x"]), [data(74), data(1)]);
    assert_eq!(chunks(&[&few, b"x"]), [data(7), data(1)]);
}

#[test]
fn cuts_noise_as_the_model_does() {
    let file = noise(7, 1 << 20);
    let cuts = chunks(&[&file]);
    assert!(cuts.len() > 8, "{} chunks", cuts.len());
    assert_eq!(cuts, model(&file));
}

/// Runs of noise, zeros and cutting windows.
fn files() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        (any::<u32>(), 0_usize..300).prop_map(|(seed, len)| noise(seed, len)),
        prop_oneof![0_usize..200, 1000_usize..1050, 400_usize..5000].prop_map(|len| vec![0; len]),
        Just(cutting()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_file_in_any_pieces_is_cut_as_the_model_does(
        file in files(),
        sizes in proptest::collection::vec(prop_oneof![1_usize..100, 1_usize..5000], 1..20),
    ) {
        let mut pieces = Vec::new();
        let mut rest = &file[..];
        for size in sizes.iter().cycle() {
            let (piece, more) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        let cuts = chunks(&pieces);
        prop_assert_eq!(cuts.iter().map(|cut| cut.len).sum::<u64>(), file.len() as u64);
        prop_assert_eq!(cuts, model(&file));
    }
}
