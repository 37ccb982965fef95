//! TLS for a test's registry. The certificates are good for a hundred years, and for nothing else.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::http::Wire;

pub const CA: &str = include_str!("certs/ca.pem");
pub const CLIENT: &str = include_str!("certs/client.pem");
pub const CLIENT_KEY: &str = include_str!("certs/client.key");
/// Of no certificate.
pub const OTHER_KEY: &str = include_str!("certs/other.key");

pub fn config(client: bool) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match client {
        false => builder.with_no_client_auth(),
        true => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(CA.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let certificate = CertificateDer::from_pem_slice(include_bytes!("certs/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("certs/server.key")).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate], key).unwrap())
}

pub fn accept(config: &Arc<ServerConfig>, stream: TcpStream) -> io::Result<Box<dyn Wire>> {
    let connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}
