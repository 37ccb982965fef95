//! A registry in the test's own process, on std::net. It does as the distribution spec says, until a test gives it a fault.

#![allow(dead_code, unused_imports, reason = "each test uses a part")]

mod answers;
mod http;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

pub use http::{Answer, Asked};
use http::{Connection, Wire};
#[allow(unused_imports, reason = "each test uses a part")]
pub use tls::{CA, CLIENT, CLIENT_KEY, OTHER_KEY};

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This instead, once the body is read.
    Answer(Answer),
    /// This instead; the body is not read, and the connection ends.
    Early(Answer),
    /// So many bytes of the right answer's body, then the end.
    Cut(usize),
    /// The right answer with another header.
    Header(&'static str, String),
    /// The right answer's last byte is another.
    Flip,
    /// The right answer in chunks, and more bytes of it than there are.
    Endless,
    /// No answer.
    Silence,
    /// So many bytes of the right answer's body, and no end.
    Stall(usize),
    /// The right answer, but it takes a while until the body may be sent.
    Late,
    /// The connection ends before the answer, but what was asked is done.
    Lost,
}

/// Holds for the next `times` requests of this method whose path has this text.
struct Rule {
    method: &'static str,
    path: &'static str,
    times: usize,
    fault: Fault,
}

/// How several ranges are answered. One is always 206.
#[derive(Debug, Clone, Copy, Default)]
pub enum Several {
    #[default]
    Parts,
    /// Parts that lie near each other become one.
    Joined,
    Whole,
    Status(u16),
    /// So many ranges, and for more this status: 200 is the whole.
    UpTo(usize, u16),
}

#[derive(Debug, Clone, Default)]
pub enum Auth {
    #[default]
    None,
    Basic(&'static str, &'static str),
    /// Of the user and password, if there are; a push needs them.
    Token(Option<(&'static str, &'static str)>),
    /// As an identity token.
    Identity(&'static str),
}

#[derive(Default)]
pub struct State {
    pub blobs: BTreeMap<(String, String), Vec<u8>>,
    pub manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    pub uploads: BTreeMap<String, Vec<u8>>,
    pub several: Several,
    /// One range, too, gets the whole blob.
    pub no_ranges: bool,
    pub auth: Auth,
    /// The token server's URL, if it is another than this one.
    pub realm: Option<String>,
    pub expires_in: Option<String>,
    pub tokens: BTreeSet<String>,
    pub issued: usize,
    pub asked: Vec<Asked>,
    rules: Vec<Rule>,
    next_upload: usize,
}

impl State {
    /// No faults any more.
    pub fn rules_end(&mut self) {
        self.rules.clear();
    }
}

pub struct Registry {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    scheme: &'static str,
}

impl Registry {
    pub fn start() -> Self {
        Self::serve("http", |stream| Ok(Box::new(stream)))
    }

    /// With a certificate for `localhost` of [`CA`]; with `client`, only for those who show one of it.
    pub fn start_tls(client: bool) -> Self {
        let config = tls::config(client);
        Self::serve("https", move |stream| tls::accept(&config, stream))
    }

    fn serve(
        scheme: &'static str,
        accept: impl Fn(TcpStream) -> io::Result<Box<dyn Wire>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, over) = (Arc::<Mutex<State>>::default(), Arc::<AtomicBool>::default());
        let connections = Arc::<AtomicUsize>::default();
        let counted = connections.clone();
        let (shared, ends, accept) = (state.clone(), over.clone(), Arc::new(accept));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_nodelay(true).unwrap();
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let (shared, accept) = (shared.clone(), accept.clone());
                thread::spawn(move || {
                    // A client that hangs up is none of the test's business.
                    let _ = accept(stream).and_then(|wire| connection(BufReader::new(wire), scheme, address, &shared));
                });
            }
        });
        Self { address, state, over, connections, scheme }
    }

    /// That clients made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.host())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn fault(&self, method: &'static str, path: &'static str, times: usize, fault: Fault) {
        self.state().rules.push(Rule { method, path, times, fault });
    }

    /// Puts a blob there and gives its digest.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = answers::digest(bytes);
        self.state().blobs.insert((repository.to_owned(), digest.clone()), bytes.to_vec());
        digest
    }

    pub fn put_manifest(&self, repository: &str, tag: &str, bytes: &[u8]) -> String {
        let (digest, media_type) = (answers::digest(bytes), "application/vnd.oci.image.manifest.v1+json");
        for reference in [tag, &digest] {
            let key = (repository.to_owned(), reference.to_owned());
            self.state().manifests.insert(key, (media_type.to_owned(), bytes.to_vec()));
        }
        digest
    }

    /// `GET /v2/a`, in their order, pings and tokens left out.
    pub fn lines(&self) -> Vec<String> {
        let state = self.state();
        let asked = state.asked.iter().filter(|asked| asked.path != "/v2/" && asked.path != "/token");
        asked.map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn connection(mut wire: Connection, scheme: &str, address: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    let own = format!("{scheme}://localhost:{}", address.port());
    while let Some(mut asked) = Asked::read_head(&mut wire)? {
        let rule = {
            let mut state = state.lock().unwrap();
            let fits =
                |rule: &&mut Rule| rule.times > 0 && rule.method == asked.method && asked.path.contains(rule.path);
            state.rules.iter_mut().find(fits).map(|rule| {
                rule.times -= 1;
                rule.fault.clone()
            })
        };
        if matches!(rule, Some(Fault::Late)) {
            // Longer than clients wait for it.
            thread::sleep(Duration::from_millis(1500));
        }
        if !matches!(rule, Some(Fault::Early(_))) {
            asked.read_body(&mut wire)?;
        }
        let is_head = asked.method == "HEAD";
        state.lock().unwrap().asked.push(asked.clone());
        let right = |asked: &Asked| state.lock().unwrap().answer(asked, &own);
        match rule {
            None => right(&asked).write(&mut wire, is_head, None)?,
            Some(Fault::Answer(answer)) => answer.write(&mut wire, is_head, None)?,
            Some(Fault::Early(answer)) => {
                answer.header("Connection", "close").write(&mut wire, is_head, None)?;
                // Like a server that gives a client the time to read the answer.
                let _ = io::copy(&mut wire.take(1 << 20), &mut io::sink());
                return Ok(());
            }
            Some(Fault::Cut(bytes)) => return right(&asked).write(&mut wire, is_head, Some(bytes)),
            Some(Fault::Header(name, value)) => right(&asked).header(name, value).write(&mut wire, is_head, None)?,
            Some(Fault::Flip) => {
                let mut answer = right(&asked);
                *answer.body.last_mut().unwrap() ^= 1;
                answer.write(&mut wire, is_head, None)?;
            }
            Some(Fault::Endless) => {
                let mut answer = right(&asked);
                let body = std::mem::take(&mut answer.body);
                let head = answer.header("Transfer-Encoding", "chunked");
                head.write(&mut wire, is_head, None)?;
                loop {
                    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat();
                    wire.get_mut().write_all(&chunk)?;
                    wire.get_mut().flush()?;
                }
            }
            Some(Fault::Late) => right(&asked).write(&mut wire, is_head, None)?,
            Some(Fault::Stall(bytes)) => {
                right(&asked).write(&mut wire, is_head, Some(bytes))?;
                thread::sleep(Duration::from_secs(30));
            }
            Some(Fault::Silence) => thread::sleep(Duration::from_secs(30)),
            Some(Fault::Lost) => {
                right(&asked);
                return Ok(());
            }
        }
    }
    Ok(())
}
