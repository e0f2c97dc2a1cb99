//! TLS of gRPC, as its clients see it: whom they take for the server that they asked for.
//!
//! There is no public authority in this. A controller's certificate comes from the operator's own authority; a runner's
//! is signed by nobody and known because the runner registered it.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

/// The one protocol inside (RFC 7301): a peer that speaks another is not ours.
pub const ALPN: &[u8] = b"h2";

/// The one implementation of cryptography, named wherever TLS begins, so that nothing rests on a process-wide default.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAuthority {
    #[error("it holds no certificate in PEM")]
    Empty,
    #[error("it holds a certificate that cannot be read: {0}")]
    Unreadable(String),
}

/// What a server has to prove before a word is said to it. Clones share it.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// That one of these authorities (PEM) signed its certificate for the name by which it is called.
    ///
    /// # Errors
    /// When there is no certificate in it, or one that cannot be read.
    pub fn authority(pem: &[u8]) -> Result<Trust, InvalidAuthority> {
        let unreadable = |error: &dyn fmt::Display| InvalidAuthority::Unreadable(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
        if roots.is_empty() {
            return Err(InvalidAuthority::Empty);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12]) // A balancer in between may be older than we are.
            .expect("the provider has suites for both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust::of(config))
    }

    /// The same, and shows a certificate (PEM, with its chain) and its key in return.
    ///
    /// # Errors
    /// As [`Trust::authority`], and when certificate and key cannot be used.
    pub fn mutual(authority: &[u8], certificate: &[u8], key: &[u8]) -> Result<Trust, InvalidAuthority> {
        let unreadable = |error: &dyn fmt::Display| InvalidAuthority::Unreadable(error.to_string());
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| unreadable(&error))?;
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|_| unreadable(&"it holds no private key in PEM"))?; // Its words could be the key's.
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| unreadable(&error))?;
        let mut config = ClientConfig::clone(&Trust::authority(authority)?.0);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        Ok(Trust::of(config))
    }

    /// That it has this certificate (DER) and its key. Names and dates in the certificate count for nothing: whoever
    /// told us of it vouches for it.
    pub fn pinned(certificate: &[u8]) -> Trust {
        let verifier = Pinned { certificate: CertificateDer::from(certificate.to_vec()), provider: provider() };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites for it")
            .dangerous() // It is not: the verifier knows the one certificate.
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled(); // One connection to each runner, and thousands of runners.
        Trust::of(config)
    }

    fn of(mut config: ClientConfig) -> Trust {
        config.alpn_protocols = vec![ALPN.to_vec()];
        Trust(Arc::new(config))
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.0.clone()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust(…)")
    }
}

/// Knows one certificate, and leaves it to the handshake's signature that the server has its key.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_without_certificates_is_refused() {
        assert_eq!(Trust::authority(b"").expect_err("empty"), InvalidAuthority::Empty);
        let no_certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(Trust::authority(no_certificate), Err(InvalidAuthority::Unreadable(_))));
    }
}
