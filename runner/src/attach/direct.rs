//! The controller types and looks on behalf of the session's owner. It is no viewer: it is not counted, and neither the
//! size of the window nor who may type depends on it.

use std::time::Duration;

use podling_proto::terminal::{LookRequest, Snapshot, TypeInRequest, TypeInResponse, direct_server::Direct};
use podling_session::{
    capability::{GRANT_LIFE_MILLIS, Grant},
    token::Scope,
};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use super::{Door, Stage, begin::shown};

/// How long the emulator may take to show the screen.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

impl Door {
    /// Grants are seconds old when they are used, here as where they open streams.
    async fn fresh(&self, grant: &str) -> Result<(&Stage, Grant), Status> {
        let (stage, grant, now) = self.verify(grant).await?;
        if now.duration_since(grant.issued_at).as_millis() > i128::from(GRANT_LIFE_MILLIS) {
            return Err(Status::unauthenticated("the grant has expired"));
        }
        Ok((stage, grant))
    }
}

#[tonic::async_trait]
impl Direct for Door {
    async fn type_in(&self, request: Request<TypeInRequest>) -> Result<Response<TypeInResponse>, Status> {
        let TypeInRequest { grant, input } = request.into_inner();
        let (stage, grant) = self.fresh(&grant).await?;
        if grant.scope != Scope::ReadWrite {
            return Err(Status::unauthenticated("the grant is one to look"));
        }
        let head = *stage.log.head().borrow();
        if head.ended {
            return Err(Status::failed_precondition("the output has ended"));
        }
        let refused = |_| Status::resource_exhausted("the program has not taken what was typed before");
        stage.type_in(&self.direct, &input).map_err(refused)?;
        stage.activity.happened();
        Ok(Response::new(TypeInResponse { offset: head.offset }))
    }

    async fn look(&self, request: Request<LookRequest>) -> Result<Response<Snapshot>, Status> {
        let (stage, _) = self.fresh(&request.into_inner().grant).await?;
        let snapshot = timeout(LOOK_TIMEOUT, stage.follower.snapshot()).await.ok().flatten();
        let snapshot = snapshot.ok_or_else(|| Status::unavailable("the screen cannot be seen now"))?;
        Ok(Response::new(shown(&snapshot, false)))
    }
}
