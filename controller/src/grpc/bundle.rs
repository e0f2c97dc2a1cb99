//! A bundle on its way to the runner whose session is made from it.

use std::io::SeekFrom;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt};
use podling_proto::{
    control::{BundlePiece, FetchBundleRequest},
    convert::Malformed,
};
use podling_session::{
    id::Incarnation,
    phase::Phase,
    session::Session,
    source::{Checksum, Source},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};
use tonic::Status;

use super::error::Error;
use crate::{bundles::BundleError, core::Core};

/// In memory, of each bundle that is fetched.
const PIECE_BYTES: usize = 256 << 10;

pub(super) async fn pieces(
    core: &Core,
    life: Incarnation,
    wanted: &FetchBundleRequest,
) -> Result<BoxStream<'static, Result<BundlePiece, Status>>, Error> {
    let sum = Checksum::parse(&wanted.sha256).map_err(|_| Malformed("sha256"))?;
    let session = core.system.find(life.uid).await?.filter(|session| fetches(session, life, &sum));
    let tenant = session.ok_or(Error::NoBundle)?.owner.tenant;
    let (mut file, total) = core.bundles.open(&tenant, &sum).await?.ok_or(Error::NoBundle)?;
    file.seek(SeekFrom::Start(wanted.offset)).await.map_err(BundleError::Io)?;
    let first = BundlePiece { data: Bytes::new(), total_bytes: Some(total) };
    let rest = stream::unfold(Some(file), |file| async {
        let mut file = file?;
        match piece(&mut file).await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some(file))),
            Err(error) => Some((Err(error.into()), None)),
        }
    });
    Ok(stream::iter([Ok(first)]).chain(rest).boxed())
}

fn fetches(session: &Session, life: Incarnation, sum: &Checksum) -> bool {
    let named = matches!(&session.spec.source, Some(Source::Bundle(named)) if named == sum);
    session.life() == life && matches!(session.phase, Phase::Starting { .. }) && named
}

async fn piece(file: &mut File) -> Result<Option<BundlePiece>, Error> {
    let mut data = BytesMut::with_capacity(PIECE_BYTES);
    let count = file.read_buf(&mut data).await.map_err(BundleError::Io)?;
    Ok((count > 0).then(|| BundlePiece { data: data.freeze(), total_bytes: None }))
}
