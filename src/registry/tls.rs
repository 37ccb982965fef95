//! What certificates are taken and shown.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::endpoint::{ClientCertificate, Tls};

/// For the registry itself, and for the hosts that it sends clients to: those see no client certificate.
pub(super) fn configs(tls: &Tls) -> Result<[TlsConfig; 2], String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = roots(&tls.roots)?;
    let client = tls.client.as_ref().map(|client| client_certificate(client, &provider)).transpose()?;
    let config = |client: Option<ClientCert>| {
        let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider.clone());
        builder.root_certs(roots.clone()).disable_verification(!tls.verify).client_cert(client).build()
    };
    Ok([config(client), config(None)])
}

fn roots(more: &[Vec<u8>]) -> Result<RootCerts, String> {
    if more.is_empty() {
        return Ok(RootCerts::PlatformVerifier);
    }
    // Some may be of no use, as everywhere; the others are.
    let system = rustls_native_certs::load_native_certs().certs;
    let mut roots: Vec<_> = system.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    for pem in more {
        let before = roots.len();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| "a CA certificate is not in PEM".to_owned())?;
            roots.push(Certificate::from_der(&der).to_owned());
        }
        if roots.len() == before {
            return Err("expected a CA certificate in PEM, found none in the file".to_owned());
        }
    }
    Ok(roots.into())
}

/// A key that does not belong to its certificate is found here: the connection would panic.
fn client_certificate(client: &ClientCertificate, provider: &CryptoProvider) -> Result<ClientCert, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&client.certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| "the client certificate is not in PEM".to_owned())?;
    if chain.is_empty() {
        return Err("expected a client certificate in PEM, found none in the file".to_owned());
    }
    let key = client.key.expose().as_bytes();
    let der = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| "expected the client certificate's key in PEM, found something else".to_owned())?;
    CertifiedKey::from_der(chain.clone(), der, provider)
        .map_err(|_| "the client certificate and its key do not belong together, or are of no known kind".to_owned())?;
    let chain: Vec<_> = chain.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    let key = PrivateKey::from_pem(key).map_err(|_| "the client certificate's key is of no known kind".to_owned())?;
    Ok(ClientCert::new_with_certs(&chain, key))
}
