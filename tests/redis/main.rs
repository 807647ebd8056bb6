//! [`RedisDedup`] on a real server that is killed, stopped, restarted, flushed, misconfigured, or that
//! answers garbage.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use inhook::dedup::cached::CachedDedup;
use inhook::dedup::{Claim, Dedup, DedupError, Ticket};
use inhook::inbox::Settled;
use inhook::sign::Message;
use inhook::testing::Partner;
use inhook::testing::conformance::{self, Time};
use inhook::{DedupLayer, Delivery, RedisDedup, Verifier, VerifyLayer, presets};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt, service_fn};

#[path = "../common/redis.rs"]
mod redis_server;

mod connections;
mod settings;

use redis_server::Server;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LEASE: Duration = Duration::from_secs(30);

fn delivery(id: &str) -> Delivery {
    let request =
        Partner::new(presets::STANDARD_WEBHOOKS, SECRET).valid(&Message::new("{}").id(id));
    let request = request.map(|_| Bytes::from_static(b"{}"));
    Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap().verify(request).unwrap()
}

fn ticket(id: &str) -> Ticket {
    Ticket::new(&delivery(id), LEASE)
}

/// Lets time pass for this process alone.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A handler behind both layers that counts its runs.
fn guarded<D: Dedup>(
    dedup: Arc<D>,
    runs: &Arc<AtomicU32>,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Body>,
    Error = inhook::BoxError,
    Future: Send,
> + Clone
+ use<D> {
    let verify = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let runs = runs.clone();
    let handler = service_fn(move |_: Request<Full<Bytes>>| {
        runs.fetch_add(1, Ordering::SeqCst);
        async { Ok(Response::new(Body::empty())) }
    });
    VerifyLayer::new(verify).layer(DedupLayer::new(dedup).layer(handler))
}

fn request(id: &str) -> Request<Full<Bytes>> {
    Partner::new(presets::STANDARD_WEBHOOKS, SECRET).valid(&Message::new("{}").id(id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_the_rules() {
    let Some(server) = Server::start(&[]) else { return };
    let open = async |_| Arc::new(RedisDedup::connect(&server.url()).await.unwrap());
    conformance::dedup(open, Time::Real).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_cache_it_keeps_the_rules_too() {
    let Some(server) = Server::start(&[]) else { return };
    let open =
        async |_| Arc::new(CachedDedup::new(RedisDedup::connect(&server.url()).await.unwrap()));
    conformance::dedup(open, Time::Real).await;
}

/// Some providers forbid INFO, and servers before version 7 can't claim with one command: a script does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_known_of_the_server_it_keeps_the_rules_by_scripts() {
    let Some(server) = Server::start(&["--rename-command", "INFO", ""]) else { return };
    let error = RedisDedup::connect(&server.url()).await.unwrap_err().to_string();
    assert!(error.contains("does not say whether it evicts"), "{error}");
    let options = RedisDedup::options().allow_eviction();
    let open = async |_| Arc::new(options.clone().connect(&server.url()).await.unwrap());
    conformance::dedup(open, Time::Real).await;
    let stats = server.command(&["CONFIG", "GET", "maxmemory-policy"]);
    assert!(stats.contains("noeviction"), "{stats}");
}

#[tokio::test]
async fn each_operation_is_one_round_trip() {
    let Some(server) = Server::start(&[]) else { return };
    let dedup = RedisDedup::connect(&server.url()).await.unwrap();
    // The first time a script is used it is loaded.
    let first = ticket("first");
    let _ = dedup.claim(&first).await.unwrap();
    let _ = dedup.commit(&first).await.unwrap();
    let _ = dedup.release(&first).await.unwrap();
    server.command(&["CONFIG", "RESETSTAT"]);
    let (commits, releases) = (ticket("commits"), ticket("releases"));
    for ticket in [&commits, &releases] {
        assert_eq!(dedup.claim(ticket).await.unwrap(), Claim::Granted);
    }
    assert_eq!(dedup.commit(&commits).await.unwrap(), Settled::Recorded);
    assert_eq!(dedup.release(&releases).await.unwrap(), Settled::Recorded);
    let stats = server.command(&["INFO", "commandstats"]);
    let calls = |name: &str| {
        let at = stats.find(&format!("cmdstat_{name}:calls="));
        let rest = at.map(|at| stats[at..].split("calls=").nth(1).unwrap());
        rest.map_or(0, |rest| rest.split(',').next().unwrap().parse::<u32>().unwrap())
    };
    // The scripts' own commands are counted as well: each sets or deletes one key.
    assert_eq!((calls("evalsha"), calls("eval"), calls("script|load")), (2, 0, 0), "{stats}");
    assert_eq!((calls("set"), calls("del")), (2 + 1, 1), "{stats}");
}

#[tokio::test]
async fn the_keys_are_digests_and_end_by_themselves() {
    let Some(server) = Server::start(&[]) else { return };
    let dedup = RedisDedup::options().prefix("mine:").connect(&server.url()).await.unwrap();
    let ticket = ticket("evt_of_somebody");
    let _ = dedup.claim(&ticket).await.unwrap();
    let key = format!("mine:{}", ticket.key());
    let keys = server.command(&["KEYS", "*"]);
    assert!(keys.contains(&key) && !keys.contains("evt_of_somebody"), "{keys}");
    let left = |answer: String| -> u64 {
        answer.trim_start_matches("int(").trim_end_matches(')').parse().unwrap()
    };
    assert!(left(server.command(&["PTTL", &key])) <= 30_000);
    let _ = dedup.commit(&ticket).await.unwrap();
    let window = u64::try_from(ticket.ttl().as_millis()).unwrap();
    let left = left(server.command(&["PTTL", &key]));
    assert!(left <= window && left > window - 10_000, "{left}");
}

#[tokio::test]
async fn a_server_that_is_full_refuses_new_deliveries_and_records_the_end_of_others() {
    let Some(server) = Server::start(&[]) else { return };
    let dedup = RedisDedup::connect(&server.url()).await.unwrap();
    let claimed = ticket("claimed");
    assert_eq!(dedup.claim(&claimed).await.unwrap(), Claim::Granted);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(dedup.claim(&ticket("new")).await, Err(DedupError::Full)));
    // Nor has that changed when the server is asked again.
    pass(Duration::from_secs(61)).await;
    assert!(matches!(dedup.claim(&ticket("new")).await, Err(DedupError::Full)));
    assert_eq!(dedup.commit(&claimed).await.unwrap(), Settled::Recorded);
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(dedup.claim(&ticket("claimed")).await.unwrap(), Claim::Committed);
    assert_eq!(dedup.claim(&ticket("new")).await.unwrap(), Claim::Granted);
}

#[tokio::test]
async fn a_server_that_answers_slowly_works_inside_the_budget_and_is_503_beyond() {
    let Some(server) = Server::start(&[]) else { return };
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&server.url()).await.unwrap()), &runs);
    assert_eq!(service.clone().oneshot(request("fast")).await.unwrap().status(), 200);
    server.command(&["CLIENT", "PAUSE", "200", "ALL"]);
    assert_eq!(service.clone().oneshot(request("slow")).await.unwrap().status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    server.command(&["CLIENT", "PAUSE", "1500", "ALL"]);
    let start = Instant::now();
    assert_eq!(service.clone().oneshot(request("slower")).await.unwrap().status(), 503);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    recovery(&service, "slower").await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

/// Requests until one is answered 200; how long that took.
async fn recovery(
    service: &(
         impl Service<Request<Full<Bytes>>, Response = Response<Body>, Error = inhook::BoxError> + Clone
     ),
    id: &str,
) -> Duration {
    let start = Instant::now();
    loop {
        let before = Instant::now();
        let status = service.clone().oneshot(request(id)).await.unwrap().status();
        assert!(before.elapsed() < Duration::from_secs(2), "answered after {:?}", before.elapsed());
        match status.as_u16() {
            200 => return start.elapsed(),
            503 => assert!(start.elapsed() < Duration::from_secs(10), "it does not come back"),
            other => panic!("{other}"),
        }
        // As a partner's next request.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn down_at_the_start_it_is_503_and_works_soon_after_the_server_does() {
    let Some(mut server) = Server::later(&[]) else { return };
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&server.url()).await.unwrap()), &runs);
    for _ in 0..3 {
        assert_eq!(service.clone().oneshot(request("1")).await.unwrap().status(), 503);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    server.restart();
    let took = recovery(&service, "1").await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_it_is_503_and_works_soon_after_a_restart() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&server.url()).await.unwrap()), &runs);
    assert_eq!(service.clone().oneshot(request("before")).await.unwrap().status(), 200);
    server.kill();
    for n in 0..20 {
        let status = service.clone().oneshot(request(&format!("down-{n}"))).await.unwrap().status();
        assert_eq!(status, 503);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    server.restart();
    let took = recovery(&service, "after").await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    // With `appendfsync always` nothing is forgotten.
    assert_eq!(service.oneshot(request("before")).await.unwrap().status(), 200);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn after_a_restart_that_nobody_saw_the_first_request_works() {
    let Some(mut server) = Server::start(&[]) else { return };
    let dedup = RedisDedup::connect(&server.url()).await.unwrap();
    let _ = dedup.claim(&ticket("1")).await.unwrap();
    server.restart();
    assert_eq!(dedup.claim(&ticket("2")).await.unwrap(), Claim::Granted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_in_the_midst_of_claims_leaves_no_false_200() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&server.url()).await.unwrap()), &runs);
    let (answers, mut answered) = watch::channel(0u32);
    let partners: Vec<_> = (0..16)
        .map(|partner| {
            let (service, answers) = (service.clone(), answers.clone());
            tokio::spawn(async move {
                // Until it is killed: nobody is answered 200 without a run.
                for n in 0.. {
                    let id = format!("{partner}-{n}");
                    match service.clone().oneshot(request(&id)).await.unwrap().status().as_u16() {
                        200 => answers.send_modify(|count| *count += 1),
                        503 => return,
                        other => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    let many = answered.wait_for(|count| *count >= 100);
    tokio::time::timeout(Duration::from_secs(30), many).await.expect("nobody is answered").unwrap();
    server.kill();
    for partner in partners {
        partner.await.unwrap();
    }
    let answered = *answered.borrow();
    assert_eq!(runs.load(Ordering::SeqCst), answered, "a handler that ran is answered 200");
    server.restart();
    recovery(&service, "after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answering_is_503_inside_the_budget() {
    let Some(server) = Server::start(&[]) else { return };
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&server.url()).await.unwrap()), &runs);
    assert_eq!(service.clone().oneshot(request("before")).await.unwrap().status(), 200);
    server.signal(Signal::SIGSTOP);
    let stopped: Vec<_> = (0..32)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(async move {
                let start = Instant::now();
                let response = service.oneshot(request(&format!("stopped-{n}"))).await.unwrap();
                (response.status().as_u16(), start.elapsed())
            })
        })
        .collect();
    for request in stopped {
        let (status, took) = request.await.unwrap();
        assert_eq!(status, 503);
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    server.signal(Signal::SIGCONT);
    let took = recovery(&service, "after").await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    // What was claimed although nobody heard the answer is released, and runs at the next attempt.
    let took = recovery(&service, "stopped-0").await;
    assert!(took <= Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_flushed_server_has_forgotten_and_goes_on() {
    let Some(mut server) = Server::start(&[]) else { return };
    let plain = RedisDedup::connect(&server.url()).await.unwrap();
    let cached = CachedDedup::new(RedisDedup::connect(&server.url()).await.unwrap());
    let (one, two) = (ticket("one"), ticket("two"));
    for (dedup, ticket) in [(&plain as &dyn Dedup, &one), (&cached, &two)] {
        assert_eq!(dedup.claim(ticket).await.unwrap(), Claim::Granted);
        assert_eq!(dedup.commit(ticket).await.unwrap(), Settled::Recorded);
    }
    server.command(&["FLUSHALL"]);
    server.command(&["SCRIPT", "FLUSH"]);
    let again = ticket("one");
    assert_eq!(plain.claim(&again).await.unwrap(), Claim::Granted, "documented: Redis forgot it");
    assert_eq!(
        plain.commit(&again).await.unwrap(),
        Settled::Recorded,
        "the script is loaded again"
    );
    assert_eq!(cached.claim(&ticket("two")).await.unwrap(), Claim::Committed, "the cache did not");
    server.kill();
    assert_eq!(cached.claim(&ticket("two")).await.unwrap(), Claim::Committed, "not even now");
    cached.claim(&ticket("three")).await.unwrap_err();
}

#[tokio::test]
async fn garbage_is_an_error_and_no_panic() {
    for garbage in [
        &b"HTTP/1.1 200 OK\r\n\r\n"[..],
        b"\x00\xff\xfe garbage \r\n",
        b"$-7\r\n",
        b":1\r\n:1\r\n:1\r\n:1\r\n",
        b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        if stream.write_all(garbage).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        let runs = Arc::new(AtomicU32::new(0));
        let dedup = RedisDedup::options().allow_eviction().connect(&url).await.unwrap();
        let service = guarded(Arc::new(dedup), &runs);
        for id in ["1", "2"] {
            let start = Instant::now();
            let status = service.clone().oneshot(request(id)).await.unwrap().status();
            assert_eq!(status, 503, "{:?}", String::from_utf8_lossy(garbage));
            assert!(start.elapsed() < Duration::from_secs(2));
        }
        assert_eq!(runs.load(Ordering::SeqCst), 0);
        server.abort();
    }
}

/// Sends a delivery until it is answered 200, as a partner does: on a machine that has no time for it, some are too
/// late.
async fn copy(
    service: impl Service<Request<Full<Bytes>>, Response = Response<Body>, Error = inhook::BoxError>
    + Clone,
    id: String,
) {
    let start = Instant::now();
    loop {
        let answer = service.clone().oneshot(request(&id)).await.unwrap();
        match answer.status().as_u16() {
            200 => return,
            503 => assert!(start.elapsed() < Duration::from_secs(60), "{id} is never answered"),
            status => panic!("{id}: {status}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ended at the latest when this is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Copies at two processes that share a server: each delivery runs once, and nobody is answered 2xx before it
/// has. The other process is this test again.
#[test]
fn s12_copies_at_two_processes_run_once() {
    const IDS: u32 = 1_000;
    const COPIES: usize = 64;
    let run = |url: &str, ended: PathBuf| -> Vec<u32> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let dedup = Arc::new(RedisDedup::connect(url).await.unwrap());
            let verify = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
            let ran = Arc::new(std::sync::Mutex::new(Vec::new()));
            let (runs, done) = (ran.clone(), ended.clone());
            let handler = service_fn(move |request: Request<Full<Bytes>>| {
                let id = request.extensions().get::<Delivery>().unwrap().id().unwrap().to_owned();
                runs.lock().unwrap().push(id.parse().unwrap());
                let done = done.join(id);
                async move {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    // What both processes see of the end of the work.
                    std::fs::write(done, "").unwrap();
                    Ok::<_, inhook::BoxError>(Response::new(Body::empty()))
                }
            });
            let service = VerifyLayer::new(verify).layer(DedupLayer::new(dedup).layer(handler));
            // Both begin together, so that both get some.
            std::fs::write(ended.join(format!("begun {}", std::process::id())), "").unwrap();
            let start = Instant::now();
            while std::fs::read_dir(&ended).unwrap().count() < 2 {
                assert!(start.elapsed() < Duration::from_secs(30), "the other one does not begin");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for id in 0..IDS {
                let (mut copies, done) = (JoinSet::new(), ended.join(id.to_string()));
                for _ in 0..COPIES {
                    copies.spawn(copy(service.clone(), id.to_string()));
                }
                while let Some(answered) = copies.join_next().await {
                    answered.unwrap();
                    assert!(done.exists(), "{id} is answered before its work is done");
                }
            }
            ran.lock().unwrap().clone()
        })
    };
    if let Ok(url) = std::env::var("INHOOK_TEST_OTHER_PROCESS") {
        let ended = std::env::var("INHOOK_TEST_ENDED").unwrap();
        let ran: Vec<String> = run(&url, ended.into()).iter().map(u32::to_string).collect();
        println!("ran: {}", ran.join(" "));
        return;
    }
    let Some(server) = Server::start(&[]) else { return };
    let ended = tempfile::tempdir().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "s12_copies_at_two_processes_run_once", "--nocapture"])
        .env("INHOOK_TEST_OTHER_PROCESS", server.url())
        .env("INHOOK_TEST_ENDED", ended.path())
        .stdout(Stdio::piped())
        .spawn()
        .map(Process)
        .unwrap();
    let mut ran = run(&server.url(), ended.path().to_owned());
    let here = ran.len();
    let mut output = String::new();
    other.0.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(other.0.wait().unwrap().success());
    let line = output.lines().find_map(|line| line.split("ran: ").nth(1)).unwrap();
    ran.extend(line.split_whitespace().map(|id| id.parse::<u32>().unwrap()));
    assert!(here > 0 && here < ran.len(), "both had some: {here} of {}", ran.len());
    ran.sort_unstable();
    assert_eq!(ran, (0..IDS).collect::<Vec<_>>());
}
