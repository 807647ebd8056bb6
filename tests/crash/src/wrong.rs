//! Intakes that break the promise: what some controls run instead of the real one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use inhook::Delivery;
use inhook::delivery::Key;
use inhook::inbox::{Inbox, InboxError, Put};
use serde::{Deserialize, Serialize};

/// What an intake does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wrong {
    /// It answers, and stores afterwards.
    AnswersFirst,
    /// It takes an error for success.
    IgnoresErrors,
    /// It remembers the key, and stores afterwards.
    MarksFirst,
}

/// An intake that does this.
pub fn intake<I: Inbox>(wrong: Wrong, inbox: Arc<I>) -> MethodRouter {
    let marked = Arc::new(Mutex::new(HashSet::new()));
    post(move |delivery: Delivery| async move {
        let put = match wrong {
            Wrong::AnswersFirst => {
                tokio::spawn(async move { inbox.put(delivery).await });
                Ok(Put::New)
            }
            Wrong::IgnoresErrors => Ok(inbox.put(delivery).await.unwrap_or(Put::New)),
            Wrong::MarksFirst => mark_and_put(&*inbox, &marked, delivery).await,
        };
        answer(put)
    })
}

async fn mark_and_put<I: Inbox>(
    inbox: &I,
    marked: &Mutex<HashSet<Key>>,
    delivery: Delivery,
) -> Result<Put, InboxError> {
    if !marked.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery.key()) {
        return Ok(Put::Duplicate);
    }
    // A store that is asked over a network is never done at once.
    tokio::task::yield_now().await;
    inbox.put(delivery).await
}

fn answer(put: Result<Put, InboxError>) -> Response {
    match put {
        Ok(put) => {
            let mut response = StatusCode::OK.into_response();
            response.extensions_mut().insert(put);
            response
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
