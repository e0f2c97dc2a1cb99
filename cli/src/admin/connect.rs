//! The way to the admin service.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgMatches, parser::ValueSource};
use podling_proto::{
    admin::admin_client::AdminClient,
    channel::{Address, Route},
    tls::Trust,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use super::args::Place;

/// No answer takes longer; the service gives up sooner.
const ANSWER: Duration = Duration::from_secs(40);
/// Answers are pages of sessions, whose commands and labels are long.
const MAX_ANSWER: usize = 64 << 20;

pub(super) type Admin = AdminClient<InterceptedService<Channel, Credential>>;

#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    #[error("{}", .0.message())]
    Refused(Status),
    #[error("{0}")]
    Here(String),
    #[error("{} cannot be read: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

impl AdminError {
    /// What to do next, in one sentence; empty where nobody knows.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            AdminError::Refused(status) => match status.code() {
                Code::Unauthenticated | Code::PermissionDenied => {
                    "Put an operator's key into PODLING_API_KEY, or its file's path into PODLING_API_KEY_FILE."
                }
                Code::Unavailable => "Try again soon.",
                _ => "",
            },
            AdminError::Here(_) => "Say where the service is with --admin and --admin-ca, or with --data-dir.",
            AdminError::File { .. } => "",
        }
    }
}

/// Shows the operator's key with every call.
#[derive(Clone)]
pub(super) struct Credential(Option<MetadataValue<Ascii>>);

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(authorization) = &self.0 {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        Ok(request)
    }
}

/// What the service answers, in time.
pub(super) async fn answered<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, AdminError> {
    match timeout(ANSWER, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(AdminError::Refused(status)),
        Err(_) => Err(AdminError::Refused(Status::unavailable("the admin service does not answer"))),
    }
}

pub(super) async fn connect(place: &Place, said: &ArgMatches) -> Result<Admin, AdminError> {
    if said.value_source("admin_api_key") == Some(ValueSource::CommandLine) {
        return Err(AdminError::Here("a key in an argument can be read by everybody on this machine".to_owned()));
    }
    let credential = Credential(key(place)?.map(|key| bearer(&key)).transpose()?);
    let channel = match &place.admin {
        Some(address) => open(address.clone(), &trust(place)?).await?,
        None => of_this_machine(&data_dir(place)?.join("admin")).await?,
    };
    let service = InterceptedService::new(channel, credential);
    Ok(AdminClient::new(service).max_decoding_message_size(MAX_ANSWER))
}

async fn open(address: Address, trust: &Trust) -> Result<Channel, AdminError> {
    let route = Route::new(vec![address], Some(trust)).map_err(|error| AdminError::Here(error.to_string()))?;
    let refused = |error: tonic::transport::Error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        AdminError::Here(format!("the admin service cannot be reached: {cause}"))
    };
    route.connect().await.map_err(refused)
}

/// Whichever controller of this machine answers.
async fn of_this_machine(directory: &Path) -> Result<Channel, AdminError> {
    let file = |source| AdminError::File { path: directory.to_owned(), source };
    let mut refused = AdminError::Here(format!("no Podling serves operators from {}", directory.display()));
    for entry in std::fs::read_dir(directory).map_err(file)? {
        let told = match std::fs::read(entry.map_err(file)?.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // It has just ended.
            told => told.map_err(file)?,
        };
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
        let (Some(address), Some(pem)) = (told["address"].as_str(), told["certificate"].as_str()) else { continue };
        let (Ok(address), Ok(trust)) = (address.parse(), Trust::authority(pem.as_bytes())) else { continue };
        match open(address, &trust).await {
            Ok(channel) => return Ok(channel),
            Err(error) => refused = error, // A dead process leaves its file behind.
        }
    }
    Err(refused)
}

fn trust(place: &Place) -> Result<Trust, AdminError> {
    let authority = read(place.admin_ca.as_deref().unwrap_or(Path::new("")))?;
    let trust = match (&place.admin_cert, &place.admin_key) {
        (Some(certificate), Some(key)) => Trust::mutual(&authority, &read(certificate)?, &read(key)?),
        _ => Trust::authority(&authority),
    };
    trust.map_err(|error| AdminError::Here(format!("the certificates cannot be used: {error}")))
}

/// None where a certificate is shown in place of it, or the service is elsewhere.
fn key(place: &Place) -> Result<Option<SecretString>, AdminError> {
    if let Some(key) = &place.admin_api_key {
        return Ok(Some(key.clone()));
    }
    let path = match (&place.api_key_file, &place.admin) {
        (Some(path), _) => path.clone(),
        (None, Some(_)) => return Ok(None),
        (None, None) => data_dir(place)?.join("operator.key"),
    };
    let text = String::from_utf8(read(&path)?).unwrap_or_default();
    Ok(Some(text.trim().into()))
}

fn bearer(key: &SecretString) -> Result<MetadataValue<Ascii>, AdminError> {
    let value = MetadataValue::try_from(format!("Bearer {}", key.expose_secret()));
    let mut value = value.map_err(|_| AdminError::Here("the API key has characters that no key has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn data_dir(place: &Place) -> Result<PathBuf, AdminError> {
    let share = place.xdg_data_home.clone().filter(|path| path.is_absolute());
    let share = share.or_else(|| Some(place.home.as_ref()?.join(".local/share")));
    let found = place.data_dir.clone().or_else(|| Some(share?.join("podling")));
    found.ok_or_else(|| AdminError::Here("neither --data-dir nor HOME says where a Podling keeps things".to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, AdminError> {
    std::fs::read(path).map_err(|source| AdminError::File { path: path.to_owned(), source })
}
