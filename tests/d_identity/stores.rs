//! What a store makes of identities: sources, restarts, and the end of a window.

use super::*;

#[tokio::test]
async fn d1_a_refused_request_leaves_no_trace() {
    let verifier = verifier(presets::STANDARD_WEBHOOKS);
    let inbox = inbox();
    let mut forged = standard_request("msg_1", NOW, BODY);
    *forged.body_mut() = OTHER_BODY.into();
    assert_eq!(verifier.verify(forged).unwrap_err(), Rejection::WrongSignature);
    let real = standard(&verifier, "msg_1", NOW, BODY);
    assert_eq!(inbox.put(real.clone()).await.unwrap(), Put::New);
}

#[tokio::test]
async fn d5_a_durable_inbox_remembers_across_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inhook.db");
    let delivery = standard(&verifier(presets::STANDARD_WEBHOOKS), "msg_1", NOW, BODY);
    let open = async || {
        let options = SqliteInbox::options().clock(Arc::new(FakeClock::new()));
        options.open(&path).await.unwrap()
    };
    let before = open().await;
    assert_eq!(before.put(delivery.clone()).await.unwrap(), Put::New);
    drop(before);
    assert_eq!(open().await.put(delivery.clone()).await.unwrap(), Put::Duplicate);
    // A volatile one remembers for as long as it lives, as its documentation says.
    let before = inbox();
    assert_eq!(before.put(delivery.clone()).await.unwrap(), Put::New);
    assert_eq!(before.put(delivery.clone()).await.unwrap(), Put::Duplicate);
    assert_eq!(inbox().put(delivery.clone()).await.unwrap(), Put::New);
}

#[tokio::test]
async fn d6_two_sources_do_not_share_ids() {
    for identity in [Identity::Content, Identity::IdAndContent, Identity::UnsignedId] {
        let from = |source: &str| {
            let builder = Verifier::builder(source, presets::GITHUB, SECRET);
            let verifier = builder.identity(identity.clone()).build().unwrap();
            verifier.verify(signed(&presets::GITHUB, Some(b"1"), b"", BODY)).unwrap()
        };
        let puts = put([from("github-a"), from("github-b"), from("github-a")]);
        assert_eq!(puts.await, [Put::New, Put::New, Put::Duplicate]);
    }
    // One id that is fanned out to several receivers behind one URL: a composite identity.
    let scheme = by_fields(&["/webhook_id", "/tenant"]);
    let tenant = |tenant: &str| {
        let body = format!(r#"{{"webhook_id":"1","tenant":"{tenant}"}}"#);
        verifier(scheme.clone()).verify(signed(&scheme, None, b"", body)).unwrap()
    };
    let puts = put([tenant("a"), tenant("b"), tenant("a")]);
    assert_eq!(puts.await, [Put::New, Put::New, Put::Duplicate]);
}

/// Where a key is kept no longer than its request is fresh: dated as far ahead as may be, and sent again at
/// the last moment.
#[tokio::test]
async fn d13_a_key_is_known_at_the_last_moment_of_its_request() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::new());
    let options = SqliteInbox::options().clock(clock.clone());
    let sqlite = options.open(directory.path().join("inhook.db")).await.unwrap();
    let memory = MemoryInbox::new().clock(clock.clone());
    let inboxes: [(&str, &dyn Inbox); 2] = [("SQLite", &sqlite), ("memory", &memory)];
    let (past, future) = (Duration::from_secs(300), Duration::from_secs(60));
    let builder = builder(presets::STANDARD_WEBHOOKS).clock(clock.clone());
    let verifier = builder.tolerance(past, future).ttl(past + future).build().unwrap();
    for (name, inbox) in inboxes {
        clock.jump_to(at(NOW));
        let request = standard_request("msg_1", NOW + 60, BODY);
        let delivery = verifier.verify(request.clone()).unwrap();
        assert_eq!(inbox.put(delivery).await.unwrap(), Put::New);
        let lease = LeaseOptions::new(1, Duration::from_secs(30), 3);
        let job = inbox.lease(lease).await.unwrap().jobs.pop().unwrap();
        let settled = inbox.settle(job.lease(), Outcome::Done).await.unwrap();
        assert_eq!(settled, Settled::Recorded);
        clock.jump_to(at(NOW + 360));
        let again = verifier.verify(request.clone()).unwrap();
        assert_eq!(inbox.put(again).await.unwrap(), Put::Duplicate, "{name}");
        clock.jump_to(at(NOW + 360) + Duration::from_nanos(1));
        assert!(verifier.verify(request).is_err());
    }
    let dedup = MemoryDedup::new().clock(clock.clone());
    clock.jump_to(at(NOW));
    let request = standard_request("msg_1", NOW + 60, BODY);
    let ticket =
        || Ticket::new(&verifier.verify(request.clone()).unwrap(), Duration::from_secs(30));
    let first = ticket();
    assert_eq!(dedup.claim(&first).await.unwrap(), Claim::Granted);
    assert_eq!(dedup.commit(&first).await.unwrap(), Settled::Recorded);
    clock.advance(Duration::from_secs(360));
    assert_eq!(dedup.claim(&ticket()).await.unwrap(), Claim::Committed);
}
