//! What a sequence of images costs with other options: forecasts of `rechunk`, from entries alone.
//!
//! `frontier NAME=DIR.. [--waste PERCENT,..] [--clients WEIGHTS].. [--previous N]`: the versions of a sequence are the
//! layouts DIR-v1, DIR-v2, .. Prints a row for each sequence, share of waste and kind of clients. Each version is planned
//! against the N before (5). benches/frontier.sh makes such layouts and calls this.

use std::collections::HashSet;
use std::path::Path;

use restrata::job::JobOptions;
use restrata::oci::Reference;
use restrata::order::Entry;
use restrata::order::changes::changes;
use restrata::order::cost::{Client, Instances, RegistryProfile};
use restrata::order::layers::{Label, Options, Share, Weights};
use restrata::order::layouts::{Owners, Sequence, Tally, Version, View};
use restrata::progress::Progress;
use restrata::survey::old::History;
use restrata::survey::{Roll, SurveyedImage, Surveyor, label};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const CLIENTS: [Client; 3] = [Client::Docker, Client::Plain, Client::Podman];

struct Asked {
    sequences: Vec<(String, String)>,
    wastes: Vec<u32>,
    clients: Vec<String>,
    previous: usize,
}

fn main() -> Outcome<()> {
    let asked = asked()?;
    println!("| sequence | waste | clients | docker | plain | podman | first pull | waste at the end | layers |");
    println!("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (name, dir) in &asked.sequences {
        let versions = versions(dir, asked.previous)?;
        for &waste in &asked.wastes {
            for clients in &asked.clients {
                let weights: Weights = clients.parse()?;
                let max_waste = Share(waste * 100);
                let options = Options { max_waste, clients: weights, ..Options::default() };
                println!("| {name} | {waste} % | {clients} | {} |", row(&versions, options, asked.previous)?);
            }
        }
    }
    Ok(())
}

fn asked() -> Outcome<Asked> {
    const USAGE: &str = "usage: frontier NAME=DIR.. [--waste PERCENT,..] [--clients WEIGHTS].. [--previous N]";
    let mut asked = Asked { sequences: Vec::new(), wastes: vec![10, 25, 40], clients: Vec::new(), previous: 5 };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        match arg.as_str() {
            "--waste" => asked.wastes = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--clients" => asked.clients.push(value()?),
            "--previous" => asked.previous = value()?.parse()?,
            sequence => {
                let (name, dir) = sequence.split_once('=').ok_or(USAGE)?;
                asked.sequences.push((name.to_owned(), dir.to_owned()));
            }
        }
    }
    if asked.clients.is_empty() {
        asked.clients = vec!["plain=1,podman=1".to_owned(), "plain=1,podman=1,docker=1".to_owned()];
    }
    if asked.sequences.is_empty() { Err(USAGE.into()) } else { Ok(asked) }
}

/// An image as the planner takes it.
struct Told {
    image: SurveyedImage,
    labels: Vec<Vec<Label>>,
    /// Compressed bytes of content that the version before has not.
    changed: u64,
}

fn versions(dir: &str, previous: usize) -> Outcome<Vec<Told>> {
    let resources = JobOptions::new(2, restrata::spool::default_dir());
    let progress = Progress::new();
    let mut surveyor = Surveyor::new(&resources, &progress);
    let mut told: Vec<Told> = Vec::new();
    for number in 1.. {
        let layout = format!("{dir}-v{number}");
        if !Path::new(&layout).exists() {
            break;
        }
        let source = resources.open(&format!("oci:{layout}").parse::<Reference>()?, &progress)?;
        let image = source.images(None)?.into_iter().next().ok_or("an index without images")?;
        let surveyed = surveyor.image(&source, &image, true)?;
        surveyor.forget_others(&surveyed);
        let owners = surveyor.owners(&surveyed, &source, &image)?;
        let mut history = History::default();
        for before in told.iter().rev().take(previous) {
            history.begin();
            for layer in &before.image.layers {
                let contents = history.contents(&layer.entries);
                history.add_layer(&contents);
            }
        }
        let mut roll = Roll::default();
        let mut labels = Vec::new();
        for layer in &surveyed.layers {
            let mut of_layer = Vec::with_capacity(layer.entries.len());
            for entry in &layer.entries {
                of_layer.push(label(&owners, &mut roll, &entry.path, history.changes_always(entry)));
            }
            labels.push(of_layer);
        }
        let changed = |before: &Told| changes(&before.image.sides(), &surveyed.sides(), |_| None).changed_bytes;
        let changed = told.last().map_or(0, changed);
        told.push(Told { image: surveyed, labels, changed });
    }
    if told.len() < 2 { Err(format!("{dir}-v1 and {dir}-v2: expected two layouts at least").into()) } else { Ok(told) }
}

/// The columns behind the options.
fn row(versions: &[Told], options: Options, previous: usize) -> Outcome<String> {
    let views = CLIENTS.map(|client| View { client, registry: RegistryProfile::MultiRange });
    let mut sequence = Sequence::planned(options, previous);
    let mut tally = Tally::default();
    let (mut pulled, mut last) = ([0; CLIENTS.len()], Vec::new());
    for (number, version) in versions.iter().enumerate() {
        let layers: Vec<&[Entry]> = version.image.layers.iter().map(|layer| layer.entries.as_slice()).collect();
        last = sequence.layers(Version { layers: &layers, labels: &version.labels, owners: Owners::default() })?;
        let (cells, _) = tally.add(Instances::alone(last.clone()), version.image.config_size, &views);
        if number > 0 {
            pulled.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell.blob_bytes);
        }
    }
    let changed: u64 = versions.iter().map(|version| version.changed).sum();
    let [docker, plain, podman] = pulled.map(|bytes| format!("{:.2}x", bytes as f64 / changed as f64));
    let mut seen = HashSet::new();
    let size: u64 = last.iter().filter(|layer| seen.insert(layer.digest)).map(|layer| layer.size).sum();
    let waste = sequence.dead_bytes() as f64 / size as f64 * 100.0;
    let (layers, size) = (last.len(), size as f64 / 1e6);
    Ok(format!("{docker} | {plain} | {podman} | {size:.1} MB | {waste:.1} % | {layers}"))
}
