//! The rotation of the keys that sign session tokens.

use podling_proto::admin::RotateKeysResponse;

use super::{error::Error, view};
use crate::{core::Core, sign::rotation};

pub(super) async fn rotate(core: &Core) -> Result<RotateKeysResponse, Error> {
    let next = rotation::rotate(core).await.map_err(Error::Signer)?;
    Ok(RotateKeysResponse { kid: next.kid, signs_at: Some(view::timestamp(next.signs_at)) })
}
