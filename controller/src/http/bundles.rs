//! Uploads of folders, as in tus 1.0 (<https://tus.io/protocols/resumable-upload>): `HEAD` says how far an upload has come,
//! `PATCH` goes on there. What arrived is kept however a request ends, so that a cut costs no more than itself.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, BodyDataStream},
    extract::{FromRequestParts, Path, Request, State},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use podling_session::{source::Checksum, spec::InvalidField};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::{
    Door,
    caller::{Reads, Writes},
    create::JsonBody,
    crowd::Turn,
    openapi::{AnnounceRefusals, BundleRefusals, UploadRefusals},
    refusal::Refusal,
};
use crate::bundles::{BundleError, Bundles, Progress, Resumed, Upload};

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const PIECE: &str = "application/offset+octet-stream";
/// How long one piece may take, below the time of any request: whoever is slow sends smaller pieces.
const PIECE_TIME: Duration = Duration::from_secs(20);

/// A folder that is to be uploaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Announcement {
    /// Of the packed folder, a `.tar.zst`: 64 hexadecimal digits.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    sha256: String,
    /// The size of the packed folder.
    bytes: u64,
}

/// What there is of a bundle.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BundleView {
    /// 64 lower case hexadecimal digits.
    sha256: String,
    /// The `code_url` of sessions that are to run it.
    code_url: String,
    /// Whether all of it is there, from this or an earlier upload: there is nothing to do.
    complete: bool,
    /// How many bytes are there: PATCH goes on at this offset.
    offset: u64,
    /// The largest that is taken.
    max_bytes: u64,
}

/// The `{sha256}` of a path.
pub(super) struct Sum(Checksum);

impl<S: Send + Sync> FromRequestParts<S> for Sum {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Sum, Refusal> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        Ok(Sum(checksum(&text.map(|Path(text)| text).unwrap_or_default())?))
    }
}

/// Asks whether a bundle has to be uploaded, and from where on.
#[utoipa::path(
    post, path = "/api/bundles", operation_id = "announceBundle", tag = "bundles", request_body = Announcement,
    responses((status = 200, description = "What there is of it", body = BundleView), AnnounceRefusals),
)]
pub(super) async fn announce(
    State(door): State<Arc<Door>>,
    caller: Writes,
    body: JsonBody,
) -> Result<Json<BundleView>, Refusal> {
    let Announcement { sha256, bytes } = body.read()?;
    let (sum, bundles) = (checksum(&sha256)?, &door.core.bundles);
    let found = bundles.find(caller.owner(), &sum).await?;
    let (complete, offset) = match found {
        Some(Progress::Whole(length)) => (true, length),
        Some(Progress::Part(offset)) => (false, offset),
        None => (false, 0),
    };
    if !complete {
        bundles.admit(&caller.owner().tenant, bytes, offset).await?;
    }
    let code_url = format!("bundle:sha256:{}", sum.as_str());
    let max_bytes = bundles.max_bytes();
    Ok(Json(BundleView { sha256: sum.as_str().to_owned(), code_url, complete, offset, max_bytes }))
}

/// How far an upload has come: it goes on at Upload-Offset. Upload-Length is there once it is whole.
#[utoipa::path(
    head, path = "/api/bundles/{sha256}", operation_id = "getBundleProgress", tag = "bundles",
    params(("sha256" = String, Path, description = "64 hexadecimal digits", pattern = "^[0-9A-Fa-f]{64}$")),
    responses(
        (status = 200, description = "So much is there", headers(
            ("Upload-Offset" = u64, description = "How many bytes are there"),
            ("Upload-Length" = u64, description = "As many, when that is all"),
            ("Tus-Resumable" = String, description = "1.0.0"),
        )),
        BundleRefusals,
    ),
)]
pub(super) async fn progress(State(door): State<Arc<Door>>, caller: Reads, Sum(sum): Sum) -> Result<Response, Refusal> {
    match door.core.bundles.find(caller.owner(), &sum).await? {
        Some(Progress::Whole(length)) => Ok(([(UPLOAD_LENGTH, length)], stands_at(length)).into_response()),
        Some(Progress::Part(offset)) => {
            let deferred = [(HeaderName::from_static("upload-defer-length"), HeaderValue::from_static("1"))];
            Ok((deferred, stands_at(offset)).into_response())
        }
        None => Err(Refusal::new(StatusCode::NOT_FOUND, "bundle-not-found", "Bundle not found")),
    }
}

/// Goes on with an upload, for up to 20 s. When Upload-Offset reaches Upload-Length its SHA-256 is checked, and it can be run.
#[utoipa::path(
    patch, path = "/api/bundles/{sha256}", operation_id = "uploadBundle", tag = "bundles",
    params(
        ("sha256" = String, Path, description = "64 hexadecimal digits", pattern = "^[0-9A-Fa-f]{64}$"),
        ("Upload-Offset" = u64, Header, description = "Where the body belongs: what the server has"),
        ("Upload-Length" = u64, Header, description = "The size of the whole bundle"),
    ),
    request_body(content = String, content_type = "application/offset+octet-stream", description = "The next bytes"),
    responses(
        (status = 204, description = "They are stored", headers(
            ("Upload-Offset" = u64, description = "Where to go on; Upload-Length when it is done"),
            ("Tus-Resumable" = String, description = "1.0.0"),
        )),
        UploadRefusals,
    ),
)]
pub(super) async fn upload(
    State(door): State<Arc<Door>>,
    caller: Writes,
    Sum(sum): Sum,
    request: Request,
) -> Result<Response, Refusal> {
    let headers = request.headers();
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != PIECE) {
        let detail = format!("Content-Type must be {PIECE}");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail));
    }
    let (offset, length) = (number(headers, UPLOAD_OFFSET)?, number(headers, UPLOAD_LENGTH)?);
    let turn = request.extensions().get::<Turn>().cloned();
    let storing = store(&door.core.bundles, &caller, &sum, offset, length, request.into_body());
    let stored = match turn {
        Some(turn) => turn.aside_to_store(storing).await?,
        None => storing.await,
    };
    match stored {
        Ok(Stored::Up(offset)) => Ok((StatusCode::NO_CONTENT, stands_at(offset)).into_response()),
        Ok(Stored::Slowly(offset)) => {
            let detail = "The body took too long to arrive; go on at Upload-Offset, in smaller pieces";
            let refusal = Refusal::new(StatusCode::REQUEST_TIMEOUT, "slow-body", detail);
            Ok((stands_at(offset), refusal).into_response())
        }
        Err(BundleError::Offset { offset }) => {
            Ok((stands_at(offset), Refusal::from(BundleError::Offset { offset })).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// What became of a piece: so much is there now.
enum Stored {
    Up(u64),
    /// Before the time was over, and more was to come.
    Slowly(u64),
}

async fn store(
    bundles: &Bundles,
    caller: &Writes,
    sum: &Checksum,
    offset: u64,
    length: u64,
    body: Body,
) -> Result<Stored, BundleError> {
    let mut upload = match bundles.resume(caller.owner(), sum, offset, length).await? {
        Resumed::Whole(length) => return Ok(Stored::Up(length)),
        Resumed::Upload(upload) => upload,
    };
    let in_time = copy(body.into_data_stream(), &mut upload).await?;
    let stands = upload.finish().await?;
    Ok(if in_time { Stored::Up(stands) } else { Stored::Slowly(stands) })
}

/// Whether the body ended in time. What came before it broke off is kept; nobody is left to be told.
async fn copy(mut body: BodyDataStream, upload: &mut Upload) -> Result<bool, BundleError> {
    let deadline = Instant::now() + PIECE_TIME;
    loop {
        match timeout_at(deadline, body.next()).await {
            Ok(Some(Ok(bytes))) => upload.append(&bytes).await?,
            Ok(Some(Err(_)) | None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

fn stands_at(offset: u64) -> [(HeaderName, HeaderValue); 2] {
    [(UPLOAD_OFFSET, offset.into()), (TUS_RESUMABLE, TUS_VERSION)]
}

fn checksum(text: &str) -> Result<Checksum, InvalidField> {
    let refused = |_| InvalidField::new("sha256", "sha256 must be 64 hexadecimal digits");
    Checksum::parse(text).map_err(refused)
}

fn number(headers: &HeaderMap, name: HeaderName) -> Result<u64, InvalidField> {
    let text = headers.get(&name).and_then(|value| value.to_str().ok());
    let refused = || InvalidField::new(name.as_str(), format!("the header {name} must be a number of bytes"));
    text.and_then(|text| text.parse().ok()).ok_or_else(refused)
}
