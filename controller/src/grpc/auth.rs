//! Who is calling: runners by the credential of Register, gateways by the service credential.

use podling_daemon::service_key::ServiceKeys;
use podling_session::store::RunnerRow;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tonic::{Request, Status, metadata::MetadataMap, service::Interceptor};

use super::error::Error;
use crate::core::Core;

/// Admits calls that carry a service key.
#[derive(Clone)]
pub(super) struct ServiceAuth(pub(super) ServiceKeys);

impl Interceptor for ServiceAuth {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let shown = bearer(request.metadata()).ok_or(Error::Credential)?;
        if !self.0.admits(shown) {
            return Err(Error::Credential.into());
        }
        Ok(request)
    }
}

/// The row of the runner whose credential the call carries. From its first use on, Register is refused.
pub(super) async fn runner(core: &Core, metadata: &MetadataMap) -> Result<RunnerRow, Error> {
    let shown = bearer(metadata).ok_or(Error::Credential)?;
    let (id, _) = shown.split_once('.').ok_or(Error::Credential)?;
    let id = id.parse().map_err(|_| Error::Credential)?;
    let row = core.system.runner(id).await?.ok_or(Error::Credential)?;
    // A row without a certificate has no credential yet: nothing may match it.
    if row.certificate.is_empty() || !equal(shown, &core.seal.credential(id, &row.certificate)) {
        return Err(Error::Credential);
    }
    if !row.credential_used {
        core.system.credential_used(id).await?;
    }
    Ok(row)
}

/// Compares in a time that does not depend on where the first difference is.
pub(super) fn equal(shown: &str, secret: &SecretString) -> bool {
    shown.as_bytes().ct_eq(secret.expose_secret().as_bytes()).into()
}

fn bearer(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_service_credential_admits() {
        let mut auth = ServiceAuth(SecretString::from("s3cret").into());
        let mut check = |header: Option<&str>, ok: bool| {
            let mut request = Request::new(());
            if let Some(header) = header {
                request.metadata_mut().insert("authorization", header.parse().expect("ASCII"));
            }
            assert_eq!(auth.call(request).is_ok(), ok, "{header:?}");
        };
        check(Some("Bearer s3cret"), true);
        for bad in [None, Some(""), Some("s3cret"), Some("Bearer "), Some("Bearer s3cre"), Some("Bearer s3crett")] {
            check(bad, false);
        }
    }
}
