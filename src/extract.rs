//! Extractors for axum's handlers, behind a [`VerifyLayer`](crate::VerifyLayer).
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, http::StatusCode, routing::post};
//! use inhook::{DedupLayer, Delivery, MemoryDedup, Secret, Verifier, VerifyLayer, presets};
//! use inhook::extract::Payload;
//! use tower::ServiceBuilder;
//!
//! #[derive(serde::Deserialize)]
//! struct Push { r#ref: String }
//!
//! async fn pushed(delivery: Delivery, Payload(push): Payload<Push>) -> StatusCode {
//!     println!("{} was pushed, {}", push.r#ref, delivery.key());
//!     StatusCode::NO_CONTENT
//! }
//!
//! # let secret = Secret::new("It's a Secret to Everybody");
//! let guard = ServiceBuilder::new()
//!     .layer(VerifyLayer::new(Verifier::new("github-acme", presets::GITHUB, secret)?))
//!     .layer(DedupLayer::new(Arc::new(MemoryDedup::new())));
//! let app: Router = Router::new().route("/webhooks/github", post(pushed)).route_layer(guard);
//! # Ok::<(), inhook::ConfigError>(())
//! ```
//!
//! None of them takes the body, so they may stand in any order, and one that does (`Bytes`, `String`)
//! may follow them. Where a handler is refused with "the trait `Handler` is not implemented", put
//! `#[axum::debug_handler]` on it: then the compiler names the argument, and says what it lacks.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::dedup::DedupStatus;
use crate::delivery::Delivery;
use crate::payload::{self, PayloadError};

/// The body of the verified delivery, as JSON of the type that the handler asks for. As much of it is signed
/// as [`Delivery::body`] says.
///
/// A body that does not deserialize is answered 400, which names the field and is logged. A
/// [`DedupLayer`](crate::DedupLayer) then releases the delivery, so that it runs once the type is mended
/// and the partner, or a person there, sends it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Payload<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Payload<T> {
    type Rejection = PayloadRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PayloadRejection> {
        let delivery = parts.extensions.get::<Delivery>().ok_or(MissingDelivery)?;
        Ok(Self::try_from(delivery)?)
    }
}

/// For handlers that look at the event type first.
impl<T: DeserializeOwned> TryFrom<&Delivery> for Payload<T> {
    type Error = PayloadError;

    fn try_from(delivery: &Delivery) -> Result<Self, PayloadError> {
        payload::from_json(delivery.body()).map(Self).inspect_err(|error| {
            tracing::warn!(source = delivery.source(), key = %delivery.key(), %error, "refused");
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Delivery {
    type Rejection = MissingDelivery;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingDelivery> {
        parts.extensions.get().cloned().ok_or(MissingDelivery)
    }
}

impl<S: Sync> FromRequestParts<S> for DedupStatus {
    type Rejection = MissingDedupStatus;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingDedupStatus> {
        parts.extensions.get().copied().ok_or(MissingDedupStatus)
    }
}

/// Why there is no [`Payload`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadRejection {
    /// A mistake in the program: 500.
    #[error(transparent)]
    Missing(#[from] MissingDelivery),
    /// The body is not what the type says: 400.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

impl IntoResponse for PayloadRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Missing(missing) => missing.into_response(),
            Self::Payload(error) => error.into_response(),
        }
    }
}

/// 400, with what is wrong where.
impl IntoResponse for PayloadError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

/// A mistake in the program, answered 500: no [`VerifyLayer`](crate::VerifyLayer) is around the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request has no Delivery: put a VerifyLayer around this route")]
#[non_exhaustive]
pub struct MissingDelivery;

impl IntoResponse for MissingDelivery {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// A mistake in the program, answered 500: no [`DedupLayer`](crate::DedupLayer) is around the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request has no DedupStatus: put a DedupLayer around this route")]
#[non_exhaustive]
pub struct MissingDedupStatus;

impl IntoResponse for MissingDedupStatus {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
