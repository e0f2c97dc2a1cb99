//! What gRPC servers prove themselves with: a certificate from files, or one that is made at start and told by other ways.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use podling_proto::tls::{ALPN, provider};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use crate::watched::{FileError, Watched, read, read_shared_secret};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("no certificate could be made")]
    Make(#[from] rcgen::Error),
    #[error("the certificate cannot be used")]
    Use(#[from] rustls::Error),
}

/// A server's certificate and key. Clones share them.
#[derive(Clone)]
pub struct Identity(Arc<ServerConfig>);

impl Identity {
    /// A certificate and its key in PEM, as they are now and will be: see [`Watched::run`].
    ///
    /// # Errors
    /// When they cannot be read, do not belong together, or others may read the key.
    pub fn in_files(certificate: &Path, key: &Path) -> Result<(Identity, Arc<Watched<Pem>>), TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let pem = Watched::open(move || Pem::read(&certificate, &key))?;
        Ok((Identity::of(pem.clone())?, pem))
    }

    /// The same, for callers alone who have a certificate of this authority (PEM).
    ///
    /// # Errors
    /// As [`Identity::in_files`], and when the authority cannot be read.
    pub fn for_clients_of(
        authority: &Path,
        certificate: &Path,
        key: &Path,
    ) -> Result<(Identity, Arc<Watched<Pem>>), TlsError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let pem = Watched::open(move || Pem::read(&certificate, &key))?;
        let mut roots = RootCertStore::empty();
        let invalid = |why: String| FileError::Invalid { path: authority.to_owned(), why };
        for root in CertificateDer::pem_slice_iter(&read(authority)?) {
            let root = root.map_err(|error| invalid(format!("holds no certificate in PEM: {error}")))?;
            roots.add(root)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build();
        let verifier = verifier.map_err(|error| invalid(format!("is no authority: {error}")))?;
        Ok((Identity::with(pem.clone(), Some(verifier))?, pem))
    }

    /// A certificate that nobody signed, for whoever is told of it, and its DER. The key stays in memory.
    ///
    /// # Errors
    /// When a name is none.
    pub fn self_signed(name: &str) -> Result<(Identity, Vec<u8>), TlsError> {
        Identity::self_signed_for(&[name])
    }

    /// The same for several names.
    ///
    /// # Errors
    /// When a name is none.
    pub fn self_signed_for(names: &[&str]) -> Result<(Identity, Vec<u8>), TlsError> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names)?;
        let der = made.cert.der().to_vec();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let certified = CertifiedKey::from_der(vec![CertificateDer::from(der.clone())], key, &provider())?;
        Ok((Identity::of(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))?, der))
    }

    /// Callers show credentials of the layer above.
    fn of(resolver: Arc<dyn ResolvesServerCert>) -> Result<Identity, TlsError> {
        Identity::with(resolver, None)
    }

    fn with(
        resolver: Arc<dyn ResolvesServerCert>,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Identity, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12])?;
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Identity(Arc::new(config)))
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.clone()
    }
}

/// A certificate with its chain and key, as files hold them.
pub struct Pem {
    certified: Arc<CertifiedKey>,
}

impl PartialEq for Pem {
    /// A key belongs to one certificate: when that is the same, so is the key.
    fn eq(&self, other: &Pem) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(…)")
    }
}

impl Pem {
    fn read(certificate: &PathBuf, key: &PathBuf) -> Result<Pem, FileError> {
        let invalid = |path: &PathBuf, why: String| FileError::Invalid { path: path.clone(), why };
        let chain = CertificateDer::pem_slice_iter(&read(certificate)?).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| invalid(certificate, format!("holds no certificate in PEM: {error}")))?;
        if chain.is_empty() {
            return Err(invalid(certificate, "holds no certificate in PEM".to_owned()));
        }
        let private = PrivateKeyDer::from_pem_slice(&read_shared_secret(key)?)
            .map_err(|_| invalid(key, "holds no private key in PEM".to_owned()))?; // Its words could be the key's.
        // Also refuses a key of another certificate.
        let certified = CertifiedKey::from_der(chain, private, &provider())
            .map_err(|error| invalid(key, format!("is not the key of {}: {error}", certificate.display())))?;
        Ok(Pem { certified: Arc::new(certified) })
    }
}

impl ResolvesServerCert for Watched<Pem> {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().certified.clone())
    }
}

impl fmt::Debug for Watched<Pem> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched(…)")
    }
}
