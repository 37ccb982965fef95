//! Waits for clients; a thread for each connection.

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use listenfd::ListenFd;

use crate::limits::BRIDGE_CONNECTIONS;
use crate::progress::Progress;
use crate::threads::start;

use super::answer::{Exchange, Server};
use super::http::{Head, Stream, Wire};
use super::route::Refused;
use super::{BridgeError, Listen};

const SLICE: Duration = Duration::from_millis(20);
const LOG: Duration = Duration::from_secs(1);

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    at: String,
    is_local: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Option<PathBuf>),
}

impl Listener {
    pub fn bind(listen: &Listen) -> Result<Self, BridgeError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BridgeError::InUse { listen: listen.to_string() },
            _ => BridgeError::Listen { listen: listen.to_string(), source },
        };
        let socket = match listen {
            Listen::Address(address) => {
                let socket = TcpListener::bind(address).map_err(failed)?;
                // With the port that the system chose, if 0 was asked for.
                let listen = Listen::Address(socket.local_addr().map_err(failed)?);
                return Self::prepared(Socket::Tcp(socket), listen.to_string(), listen.is_local()).map_err(failed);
            }
            Listen::Unix(path) => {
                if is_left_behind(path) {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                Socket::Unix(UnixListener::bind(path).map_err(failed)?, Some(path.clone()))
            }
        };
        Self::prepared(socket, listen.to_string(), listen.is_local()).map_err(failed)
    }

    /// The socket that systemd hands over (`LISTEN_FDS`), if it does.
    pub fn handed() -> Result<Option<Self>, BridgeError> {
        let mut sockets = ListenFd::from_env();
        let failed = |source| BridgeError::Listen { listen: "systemd's socket".to_owned(), source };
        let odd = |found: &str| Err(BridgeError::Handed { found: found.to_owned() });
        match sockets.len() {
            0 => return Ok(None),
            1 => {}
            count => return odd(&format!("{count} sockets")),
        }
        if let Ok(Some(socket)) = sockets.take_tcp_listener(0) {
            let address = socket.local_addr().map_err(failed)?;
            let listen = Listen::Address(address);
            return Self::prepared(Socket::Tcp(socket), listen.to_string(), listen.is_local())
                .map(Some)
                .map_err(failed);
        }
        match sockets.take_unix_listener(0) {
            Ok(Some(socket)) => Self::prepared(Socket::Unix(socket, None), "systemd's socket".to_owned(), true)
                .map(Some)
                .map_err(failed),
            _ => odd("another one"),
        }
    }

    fn prepared(socket: Socket, at: String, is_local: bool) -> io::Result<Self> {
        match &socket {
            Socket::Tcp(socket) => socket.set_nonblocking(true)?,
            Socket::Unix(socket, _) => socket.set_nonblocking(true)?,
        }
        Ok(Self { socket, at, is_local })
    }

    /// As if others than this machine's users reached it.
    #[cfg(test)]
    pub(super) fn shared(mut self) -> Self {
        self.is_local = false;
        self
    }

    /// No web page reaches it.
    pub(super) fn is_unix(&self) -> bool {
        matches!(self.socket, Socket::Unix(..))
    }

    /// Only this machine's users reach it.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Where it listens, as `--listen` has it.
    pub fn at(&self) -> &str {
        &self.at
    }

    fn accept(&self) -> io::Result<(Stream, String)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept()?;
                Ok((Stream::Tcp(stream), address.ip().to_canonical().to_string()))
            }
            Socket::Unix(socket, _) => Ok((Stream::Unix(socket.accept()?.0), "a Unix socket's client".to_owned())),
        }
    }

    fn wait(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let timeout = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let mut fds = match &self.socket {
            Socket::Tcp(socket) => [PollFd::new(socket, PollFlags::IN)],
            Socket::Unix(socket, _) => [PollFd::new(socket, PollFlags::IN)],
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A socket that nobody listens at any more. A file refuses connections, too, and is none.
fn is_left_behind(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, Some(path)) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) fn serve(
    listener: &Listener,
    server: &Server,
    tell: &(dyn Fn(&str) + Sync),
    progress: &Progress,
) -> Result<(), BridgeError> {
    let open = AtomicUsize::new(0);
    let served = scope(|scope| {
        let mut told = Instant::now();
        while !progress.is_cancelled() {
            if told.elapsed() > LOG {
                server.counts.news().iter().for_each(|line| tell(line));
                server.counts.finished(false).iter().for_each(|line| tell(line));
                told = Instant::now();
            }
            listener.wait().map_err(BridgeError::Accept)?;
            if open.load(Ordering::Relaxed) >= BRIDGE_CONNECTIONS {
                sleep(SLICE);
                continue;
            }
            let (stream, client) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                // The client is gone already, or files are short for the moment.
                Err(_) => {
                    sleep(SLICE);
                    continue;
                }
            };
            open.fetch_add(1, Ordering::Relaxed);
            let counted = Open(&open);
            let connection = move || {
                let _counted = counted;
                // A client that hangs up, or an answer that ends early, ends this connection and nothing else.
                let _ = serve_one(stream, client, server, progress);
            };
            // Without a thread the client's connection ends.
            if start(scope, connection).is_err() {
                sleep(SLICE);
            }
        }
        Ok(())
    });
    server.counts.news().iter().for_each(|line| tell(line));
    server.counts.finished(true).iter().for_each(|line| tell(line));
    served
}

struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve_one(stream: Stream, client: String, server: &Server, progress: &Progress) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    loop {
        let asked = match wire.next(progress)? {
            Head::Asked(asked) => asked,
            Head::End => return Ok(()),
            Head::Bad(status, message) => {
                let refused = Refused { status, code: "UNSUPPORTED", message: message.to_owned() };
                return server.refuse_unread(&mut wire, &refused);
            }
        };
        let keeps = asked.keeps;
        server.answer(Exchange { asked: &asked, wire: &mut wire, client: &client })?;
        if !keeps || wire.is_ended() {
            return Ok(());
        }
    }
}
