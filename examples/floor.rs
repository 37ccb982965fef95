//! The least work that a first run can do: two SHA-256 passes, the chunker and libzstd over the same bytes.
//!
//! `floor TAR LEVEL CORES`: prints seconds of each on one core, and their sum divided by the cores, as JSON. The tar's
//! bytes are read into memory file by file first, outside of what is timed.

use std::io::Read;
use std::time::{Duration, Instant};

use restrata::codec::{FrameEncoder, Level, Sha256Stream, WHOLE_FRAME_INPUT};
use restrata::toc::Chunker;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, tar, level, cores] = args.as_slice() else { return Err("usage: floor TAR LEVEL CORES".into()) };
    let level = Level::new(level.parse()?).ok_or("a level from 1 to 22")?;
    let cores: f64 = cores.parse()?;
    let mut encoder = FrameEncoder::new(level)?;
    let mut archive = tar::Archive::new(std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(tar)?));
    let (mut content, mut out, mut cuts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sha, mut chunk, mut zstd) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut bytes, mut compressed) = (0u64, 0u64);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() || entry.size() == 0 {
            continue;
        }
        content.clear();
        entry.read_to_end(&mut content)?;
        bytes += content.len() as u64;
        timed(&mut sha, || {
            for _ in 0..2 {
                std::hint::black_box(Sha256Stream::of(&content));
            }
            Ok(())
        })?;
        timed(&mut chunk, || {
            let mut chunker = Chunker::new();
            cuts.clear();
            chunker.push(&content, &mut cuts);
            chunker.finish(&mut cuts);
            Ok(())
        })?;
        timed(&mut zstd, || {
            out.clear();
            if content.len() as u64 <= WHOLE_FRAME_INPUT {
                compressed += encoder.frame(&content)?.len() as u64;
            } else {
                encoder.begin(content.len() as u64)?;
                encoder.push(&content, &mut out)?;
                encoder.end(&mut out)?;
                compressed += out.len() as u64;
            }
            Ok(())
        })?;
    }
    let [sha, chunk, zstd] = [sha, chunk, zstd].map(|time| time.as_secs_f64());
    let floor = (sha + chunk + zstd) / cores;
    println!(
        r#"{{"content_bytes":{bytes},"compressed_bytes":{compressed},"sha256_seconds":{sha:.2},"chunker_seconds":{chunk:.2},"zstd_seconds":{zstd:.2},"floor_seconds":{floor:.2}}}"#
    );
    Ok(())
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn timed(total: &mut Duration, work: impl FnOnce() -> Outcome) -> Outcome {
    let start = Instant::now();
    let result = work();
    *total += start.elapsed();
    result
}
