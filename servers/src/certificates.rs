//! A certificate authority of a server's own.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// PEM, all of it.
pub struct Certificates {
    pub ca: String,
    /// For `localhost` and 127.0.0.1.
    pub certificate: String,
    pub key: String,
}

/// An authority made for the occasion, and a certificate of it.
pub fn certificates() -> Certificates {
    let ca_key = KeyPair::generate().expect("there is randomness");
    let mut ca = params("podling test authority", &[]);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("the parameters are in order").pem();
    let key = KeyPair::generate().expect("there is randomness");
    let issuer = Issuer::new(ca, ca_key);
    let certificate = params("podling test server", &["localhost", "127.0.0.1"]).signed_by(&key, &issuer);
    Certificates {
        ca: ca_certificate,
        certificate: certificate.expect("the parameters are in order").pem(),
        key: key.serialize_pem(),
    }
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("the names are in order");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
