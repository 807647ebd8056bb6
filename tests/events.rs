//! Which handler gets which event, and what it makes of the payload.

use std::sync::Arc;

use inhook::events::{Handled, Unhandled};
use inhook::inbox::{Filter, Inbox, Job, Ledger, State};
use inhook::{ConfigError, Event, Events, Failure, MemoryInbox};
use serde::Deserialize;
use tokio::sync::mpsc;

mod common;
use common::worker::{delivery, put, settled, sqlite, start};

#[derive(Deserialize)]
struct Push {
    #[expect(dead_code, reason = "it is there to be deserialized")]
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    #[expect(dead_code, reason = "it is there to be deserialized")]
    id: u64,
}

#[tokio::test]
async fn e8_a_signed_payload_that_does_not_deserialize_names_the_field() {
    let inbox = Arc::new(MemoryInbox::new());
    let bodies = [
        (r#"{"commits":[{"id":1},{"id":"x"}]}"#, "commits[1].id"),
        (r#"{"commits":[{}]}"#, "commits[0]"),
        ("[1,2", "[0]"),
        ("", "."),
        ("\u{0}", "."),
        (r#"{"commits":[]} trailing"#, "trailing"),
    ];
    for (n, (body, _)) in bodies.iter().enumerate() {
        inbox.put(delivery("acme", &n.to_string(), "push", body)).await.unwrap();
    }
    let events = Events::builder().on("push", async |_: Event<Push>| Ok::<_, Failure>(()));
    let worker = start(&inbox, events.build().unwrap(), |worker| worker);
    settled(&*inbox, State::Dead, bodies.len()).await;
    worker.stop().await;
    for (entry, (body, names)) in inbox.list(Filter::all()).await.unwrap().iter().zip(bodies) {
        let error = entry.last_error.as_deref().unwrap();
        assert!(error.contains(names), "{body}: {error}");
        assert_eq!(entry.attempts, 1, "trying again would not help");
    }
}

#[tokio::test]
async fn events_go_to_the_handler_of_their_source_then_type_then_to_the_fallback() {
    let inbox = Arc::new(MemoryInbox::new());
    let (seen, mut calls) = mpsc::unbounded_channel();
    let to = |name: &'static str| {
        let seen = seen.clone();
        move |event: Event<serde_json::Value>| {
            seen.send((name, event.id().unwrap().to_owned())).unwrap();
            async { Ok::<_, Failure>(()) }
        }
    };
    let fallback = seen.clone();
    let events = Events::builder()
        .on("push", to("any"))
        .on_from("acme", "push", to("acme"))
        .fallback(move |job: Job| {
            fallback.send(("fallback", job.id().unwrap().to_owned())).unwrap();
            async { Ok::<_, Failure>(Handled::Skipped) }
        });
    for (id, source, event) in
        [("1", "acme", "push"), ("2", "other", "push"), ("3", "acme", "fork")]
    {
        inbox.put(delivery(source, id, event, "{}")).await.unwrap();
    }
    let worker = start(&inbox, events.build().unwrap(), |worker| worker.concurrency(1));
    let mut got = Vec::new();
    for _ in 0..3 {
        got.push(calls.recv().await.unwrap());
    }
    worker.stop().await;
    let want = [("acme", "1"), ("any", "2"), ("fallback", "3")];
    assert_eq!(got, want.map(|(name, id)| (name, id.to_owned())));
}

#[tokio::test]
async fn events_that_nothing_handles_are_skipped_or_dead_letters() {
    let directory = tempfile::tempdir().unwrap();
    let inbox = sqlite(directory.path()).await;
    put(&*inbox, "1", "fork").await;
    let worker = start(&inbox, Events::builder().build().unwrap(), |worker| worker);
    settled(&*inbox, State::Skipped, 1).await;
    worker.stop().await;
    assert_eq!(inbox.stats().await.unwrap().skipped, 1);
    // Kept, so it can be replayed once there is a handler.
    let key = inbox.list(Filter::state(State::Skipped)).await.unwrap()[0].key;
    inbox.replay(key).await.unwrap();

    let strict = Events::builder().unhandled(Unhandled::Dead).build().unwrap();
    let worker = start(&inbox, strict, |worker| worker);
    settled(&*inbox, State::Dead, 1).await;
    worker.stop().await;
    let entry = inbox.get(key).await.unwrap().entry;
    assert_eq!(entry.last_error.as_deref(), Some("no handler for event `fork`"));
}

#[test]
fn a_pair_that_is_registered_twice_is_an_error() {
    let handler = async |_: Event<serde_json::Value>| Ok::<_, Failure>(());
    let twice = Events::builder().on("push", handler).on("push", handler).build().unwrap_err();
    assert_eq!(twice, ConfigError::DuplicateHandler { event: "push".into(), source_name: None });
    let twice = Events::builder().on_from("acme", "push", handler).on_from("acme", "push", handler);
    assert!(matches!(
        twice.build(),
        Err(ConfigError::DuplicateHandler { source_name: Some(_), .. })
    ));
    let apart = Events::builder()
        .on("push", handler)
        .on_from("acme", "push", handler)
        .on_from("b", "push", handler);
    apart.build().unwrap();
}
