//! When a connection is given up for a new one, and when it is kept.

use std::sync::Mutex;

use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;

/// What happens on the way to a server.
#[derive(Clone, Copy, Default)]
struct Way {
    /// Its answers are so much later.
    delay: Duration,
    /// It is asked for a flag of a script that it does not know, as if it were another one.
    loses_flags: bool,
}

/// Connections to a server, which can be counted, and can go silent.
struct Proxy {
    url: String,
    /// Where the next ones lead.
    leads_to: Arc<Mutex<String>>,
    /// How many there were.
    opened: watch::Receiver<usize>,
    /// How many of them are silent, or over.
    silent: watch::Receiver<usize>,
    /// Says that those that are there go silent.
    silence: watch::Sender<()>,
    accepts: JoinHandle<()>,
}

impl Proxy {
    async fn start(server: &Server) -> Self {
        Self::with(server, Way::default()).await
    }

    async fn with(server: &Server, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}/", listener.local_addr().unwrap());
        let leads_to = Arc::new(Mutex::new(address(server)));
        let next = leads_to.clone();
        let (opens, opened) = watch::channel(0);
        let (silenced, silent) = watch::channel(0);
        let (silence, silences) = watch::channel(());
        let accepts = tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let address = next.lock().unwrap().clone();
                let Ok(mut server) = TcpStream::connect(address).await else { continue };
                let (silenced, mut silences) = (silenced.clone(), silences.clone());
                // Those that come later are not meant.
                silences.mark_unchanged();
                opens.send_modify(|count| *count += 1);
                tokio::spawn(async move {
                    tokio::select! {
                        () = relay(&mut client, &mut server, way) => {
                            silenced.send_modify(|count| *count += 1);
                            return;
                        }
                        _ = silences.changed() => {}
                    }
                    silenced.send_modify(|count| *count += 1);
                    // They are never closed.
                    std::future::pending::<()>().await;
                    drop((client, server));
                });
            }
        });
        Self { url, leads_to, opened, silent, silence, accepts }
    }

    /// As a name that is another server's from now on.
    fn lead_to(&self, address: String) {
        *self.leads_to.lock().unwrap() = address;
    }

    fn opened(&self) -> usize {
        *self.opened.borrow()
    }

    async fn silence(&mut self) {
        let opened = self.opened();
        self.silence.send_replace(());
        self.silent.wait_for(|silent| *silent >= opened).await.unwrap();
    }
}

/// Until one side has ended.
async fn relay(client: &mut TcpStream, server: &mut TcpStream, way: Way) {
    let ((mut asks, mut hears), (mut answers, mut is_asked)) = (client.split(), server.split());
    let there = async {
        let mut asked = [0; 65_536];
        while let Ok(length @ 1..) = asks.read(&mut asked).await {
            if way.loses_flags {
                let flags = asked[..length].windows(9).position(|text| text == b"allow-oom");
                if let Some(at) = flags {
                    asked[at..at + 9].copy_from_slice(b"allow-new");
                }
            }
            if is_asked.write_all(&asked[..length]).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        let mut answer = [0; 65_536];
        while let Ok(length @ 1..) = answers.read(&mut answer).await {
            tokio::time::sleep(way.delay).await;
            if hears.write_all(&answer[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

fn address(server: &Server) -> String {
    server.url().replace("redis://", "").replace('/', "")
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

/// A connection that leads nowhere, without anybody saying so: as after a failover, or behind a firewall
/// that has forgotten it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_leads_nowhere_is_replaced() {
    let Some(server) = Server::start(&[]) else { return };
    let mut proxy = Proxy::start(&server).await;
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&proxy.url).await.unwrap()), &runs);
    assert_eq!(service.clone().oneshot(request("before")).await.unwrap().status(), 200);
    proxy.silence().await;
    assert_eq!(service.clone().oneshot(request("swallowed")).await.unwrap().status(), 503);
    let took = recovery(&service, "after").await;
    assert!(took <= Duration::from_secs(3), "{took:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    // It may lead to another server, which is asked again whether it evicts, before any of those who wait.
    proxy.silence().await;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let refused = async || loop {
        let mut requests = JoinSet::new();
        for _ in 0..8 {
            requests.spawn(service.clone().oneshot(request("evicts")));
        }
        let answers = requests.join_all().await.into_iter().map(Result::unwrap);
        let errors = answers.map(|answer| answer.extensions().get::<DedupError>().cloned());
        if errors.into_iter().any(|error| matches!(error, Some(DedupError::Misconfigured(_)))) {
            return;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused()).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

/// A server that has become a replica keeps its connections, and refuses to write; its name leads to another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_to_a_replica_is_replaced() {
    let (Some(old), Some(new)) = (Server::start(&[]), Server::start(&[])) else { return };
    let proxy = Proxy::start(&old).await;
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&proxy.url).await.unwrap()), &runs);
    assert_eq!(service.clone().oneshot(request("before")).await.unwrap().status(), 200);
    proxy.lead_to(address(&new));
    let (host, port) =
        address(&new).split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    old.command(&["REPLICAOF", &host, &port]);
    let took = recovery(&service, "after").await;
    assert!(took <= Duration::from_secs(3), "{took:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!(new.command(&["DBSIZE"]).contains('1'));
}

/// Another protocol would have connections made anew without a word.
#[tokio::test]
async fn the_protocol_is_the_one_whose_connections_are_known() {
    let Some(server) = Server::start(&[]) else { return };
    let dedup = RedisDedup::connect(&format!("{}?protocol=resp3", server.url())).await.unwrap();
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
    let clients = server.command(&["CLIENT", "LIST"]);
    assert!(clients.contains("resp=2") && !clients.contains("resp=3"), "{clients}");
}

/// A user who may not ask is no reason to give up a connection, however often that is tried.
#[tokio::test]
async fn a_connection_that_may_not_ask_is_kept() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::start(&server).await;
    server.command(&["ACL", "SETUSER", "default", "-info"]);
    let dedup = RedisDedup::options().allow_eviction().connect(&proxy.url).await.unwrap();
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
    let opened = proxy.opened();
    for id in ["2", "3"] {
        pass(Duration::from_secs(61)).await;
        assert_eq!(dedup.claim(&ticket(id)).await.unwrap(), Claim::Granted);
    }
    assert_eq!(proxy.opened(), opened);
}

/// One that answers keeps its connection, whatever it says and though it is late once.
#[tokio::test]
async fn a_connection_that_leads_somewhere_is_kept() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::start(&server).await;
    let dedup = RedisDedup::connect(&proxy.url).await.unwrap();
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
    let opened = proxy.opened();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    pass(Duration::from_secs(2)).await;
    for _ in 0..10 {
        assert!(matches!(dedup.claim(&ticket("2")).await, Err(DedupError::Full)));
    }
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    server.signal(Signal::SIGSTOP);
    let late = dedup.claim(&ticket("3")).await;
    server.signal(Signal::SIGCONT);
    assert!(matches!(late, Err(DedupError::Unavailable(_))), "{late:?}");
    assert_eq!(dedup.claim(&ticket("4")).await.unwrap(), Claim::Granted);
    assert_eq!(proxy.opened(), opened);
}

/// One that refuses is not made anew by each request, but soon: it may have become another one.
#[tokio::test]
async fn a_connection_whose_server_refuses_is_replaced_after_a_while() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::start(&server).await;
    let start = Instant::now();
    let dedup = RedisDedup::connect(&proxy.url).await.unwrap();
    let opened = proxy.opened();
    let refused = async || {
        let error = dedup.claim(&ticket("1")).await.unwrap_err();
        assert!(matches!(error, DedupError::Misconfigured(_)), "{error}");
    };
    server.command(&["ACL", "SETUSER", "default", "-set"]);
    for _ in 0..3 {
        refused().await;
    }
    // For a second, which a machine may take for this.
    assert!(proxy.opened() == opened || start.elapsed() >= Duration::from_secs(1));
    pass(Duration::from_secs(2)).await;
    refused().await;
    refused().await;
    assert!(proxy.opened() > opened, "it is kept");
    server.command(&["ACL", "SETUSER", "default", "+set"]);
    pass(Duration::from_secs(2)).await;
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
}

/// However many ask one that does not answer, it is not flooded with connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answering_gets_few_new_connections() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::start(&server).await;
    let dedup = Arc::new(RedisDedup::connect(&proxy.url).await.unwrap());
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
    let opened = proxy.opened();
    server.signal(Signal::SIGSTOP);
    let (mut claims, mut each) = (JoinSet::new(), tokio::time::interval(Duration::from_millis(10)));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        each.tick().await;
        let dedup = dedup.clone();
        claims.spawn(async move { dedup.claim(&ticket("2")).await.is_err() });
    }
    assert!(claims.join_all().await.into_iter().all(|failed| failed), "it was stopped");
    server.signal(Signal::SIGCONT);
    // One for each half of a second in which the one before came to nothing.
    let new = proxy.opened() - opened;
    assert!((1..=6).contains(&new), "{new} connections");
}

/// As a proxy that has nobody behind it for a while, and says so by HTTP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_redis_for_a_while_is_tried_again() {
    let Some(server) = Server::start(&[]) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
        }
    });
    let mut proxy = Proxy::start(&server).await;
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&proxy.url).await.unwrap()), &runs);
    assert_eq!(service.clone().oneshot(request("before")).await.unwrap().status(), 200);
    proxy.lead_to(elsewhere);
    proxy.silence().await;
    for _ in 0..5 {
        assert_eq!(service.clone().oneshot(request("after")).await.unwrap().status(), 503);
    }
    proxy.lead_to(address(&server));
    let took = recovery(&service, "after").await;
    assert!(took <= Duration::from_secs(3), "{took:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

/// A server that is far away answers in time, but not all that it is asked on a new connection: connecting goes on where
/// the request that began it was answered 503.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_take_longer_than_an_operation() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy =
        Proxy::with(&server, Way { delay: Duration::from_millis(180), ..Way::default() }).await;
    proxy.lead_to("127.0.0.1:1".into());
    let runs = Arc::new(AtomicU32::new(0));
    let service = guarded(Arc::new(RedisDedup::connect(&proxy.url).await.unwrap()), &runs);
    assert_eq!(service.clone().oneshot(request("1")).await.unwrap().status(), 503);
    proxy.lead_to(address(&server));
    recovery(&service, "1").await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// Whoever takes connections and ends them, as a server that has too many does, is not asked by each request.
#[tokio::test]
async fn who_ends_connections_at_once_gets_few() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    let (takes, taken) = watch::channel(0);
    let ends = tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
            takes.send_modify(|count| *count += 1);
        }
    });
    let dedup = RedisDedup::connect(&url).await.unwrap();
    let (start, mut claims) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(1) {
        dedup.claim(&ticket("1")).await.unwrap_err();
        claims += 1;
        tokio::task::yield_now().await;
    }
    // Each tenth of a second.
    let taken = *taken.borrow();
    assert!((2..=12).contains(&taken) && claims > 100, "{taken} connections for {claims} claims");
    ends.abort();
}

/// The same of one that says what it can do, and does not do it.
#[tokio::test]
async fn who_ends_connections_when_it_is_asked_gets_few() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    let (takes, taken) = watch::channel(0);
    let ends = tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            takes.send_modify(|count| *count += 1);
            let mut asked = [0; 4_096];
            while let Ok(length @ 1..) = client.read(&mut asked).await {
                let asked = String::from_utf8_lossy(&asked[..length]);
                let answer = if asked.contains("$4\r\nINFO\r\n") {
                    "$27\r\nmaxmemory_policy:noeviction\r\n".to_owned()
                } else if asked.contains("inhook:dedup:try\r\n") {
                    ":1\r\n".to_owned()
                } else {
                    "+OK\r\n".repeat(asked.matches("SETINFO").count())
                };
                if answer.is_empty() || client.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    let dedup = RedisDedup::connect(&url).await.unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        dedup.claim(&ticket("1")).await.unwrap_err();
        tokio::task::yield_now().await;
    }
    let taken = *taken.borrow();
    assert!((2..=24).contains(&taken), "{taken} connections");
    ends.abort();
}

/// A server whose version has flags of scripts, and that does not know the one that is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_flag_for_a_full_server_it_keeps_the_rules() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::with(&server, Way { loses_flags: true, ..Way::default() }).await;
    let open = async |_| Arc::new(RedisDedup::connect(&proxy.url).await.unwrap());
    conformance::dedup(open, Time::Real).await;
}

/// Then the end of a delivery is not recorded where there is no room.
#[tokio::test]
async fn without_the_flag_for_a_full_server_that_is_used_all_the_same() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::with(&server, Way { loses_flags: true, ..Way::default() }).await;
    let (dedup, claimed) = (RedisDedup::connect(&proxy.url).await.unwrap(), ticket("claimed"));
    assert_eq!(dedup.claim(&claimed).await.unwrap(), Claim::Granted);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(dedup.commit(&claimed).await, Err(DedupError::Full)));
    // That it is full is no reason not to use it.
    let later = RedisDedup::connect(&proxy.url).await.unwrap();
    assert!(matches!(later.claim(&ticket("new")).await, Err(DedupError::Full)));
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(later.commit(&claimed).await.unwrap(), Settled::Recorded);
}

fn single_threaded() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Whoever connects may be on a runtime that stands still, as one whose thread is busy; the others don't wait for it
/// without end. When it goes on, its connection is not used: by then the address leads to another server.
#[test]
fn one_who_connects_and_does_not_go_on_is_not_waited_for() {
    let (Some(old), Some(new)) = (Server::start(&[]), Server::start(&[])) else { return };
    assert_eq!(claim_of_one_who_goes_on_late(&old, Some(&new)).unwrap(), Claim::Granted);
    let keys = |server: &Server| server.command(&["DBSIZE"]);
    assert_eq!((keys(&old), keys(&new)), ("int(0)".into(), "int(2)".into()));
}

/// Nor is it used where nobody is at that address.
#[test]
fn one_who_connects_and_goes_on_too_late_has_no_connection() {
    let Some(old) = Server::start(&[]) else { return };
    let claim = claim_of_one_who_goes_on_late(&old, None);
    assert!(matches!(claim, Err(DedupError::Unavailable(_))), "{claim:?}");
}

/// One connects and stands still, the address leads to another server or to nobody, others are served there or not, and
/// the first one goes on and claims.
fn claim_of_one_who_goes_on_late(old: &Server, new: Option<&Server>) -> Result<Claim, DedupError> {
    let (stopped, other) = (single_threaded(), single_threaded());
    let proxies = Runtime::new().unwrap();
    let mut proxy = proxies.block_on(Proxy::start(old));
    old.signal(Signal::SIGSTOP);
    let dedup = Arc::new(other.block_on(RedisDedup::connect(&proxy.url)).unwrap());
    let (claimed, brief) = (ticket("1"), Duration::from_millis(200));
    let claim = async { tokio::time::timeout(brief, dedup.claim(&claimed)).await };
    assert!(stopped.block_on(claim).is_err(), "nobody answers");
    other.block_on(proxy.opened.wait_for(|opened| *opened == 2)).unwrap();
    old.signal(Signal::SIGCONT);
    proxy.lead_to(new.map_or("127.0.0.1:1".into(), address));

    let service = guarded(dedup.clone(), &Arc::default());
    let status = async || service.clone().oneshot(request("2")).await.unwrap().status();
    other.block_on(async {
        assert_eq!(status().await, 503, "the first one is under way");
        pass(Duration::from_secs(6)).await;
        match new {
            Some(_) => drop(recovery(&service, "2").await),
            None => assert_eq!(status().await, 503),
        }
        let goes_on = tokio::task::spawn_blocking(move || {
            stopped.block_on(async {
                // The one that failed at first, and one that nobody uses.
                let over = proxy.silent.wait_for(|over| *over >= 2);
                let over = tokio::time::timeout(Duration::from_secs(5), over).await;
                over.expect("it is used").unwrap();
                dedup.claim(&ticket("3")).await
            })
        });
        let claim = goes_on.await.unwrap();
        let commands = old.command(&["INFO", "commandstats"]);
        assert!(commands.contains("cmdstat_evalsha"), "it has not gone on: {commands}");
        claim
    })
}

/// Nor for one who waits, on such a runtime, for somebody else to connect.
#[test]
fn one_who_waits_and_does_not_go_on_is_not_waited_for() {
    let Some(server) = Server::start(&[]) else { return };
    let (stopped, other) = (single_threaded(), Runtime::new().unwrap());
    server.signal(Signal::SIGSTOP);
    let dedup = Arc::new(other.block_on(RedisDedup::connect(&server.url())).unwrap());
    let (claimed, brief) = (ticket("1"), Duration::from_millis(20));
    let claim = async { tokio::time::timeout(brief, dedup.claim(&claimed)).await };
    assert!(other.block_on(claim).is_err(), "nobody answers");
    let (waiting, waits) = (dedup.clone(), ticket("2"));
    stopped.block_on(async {
        tokio::spawn(async move { waiting.claim(&waits).await });
        tokio::task::yield_now().await;
    });
    let in_vain = other.block_on(dedup.claim(&claimed));
    assert!(matches!(in_vain, Err(DedupError::Unavailable(_))), "{in_vain:?}");
    server.signal(Signal::SIGCONT);
    let runs = Arc::new(AtomicU32::new(0));
    let took = other.block_on(recovery(&guarded(dedup, &runs), "3"));
    assert!(took <= Duration::from_secs(3), "{took:?}");
}

/// Between two processes somebody forgets a connection that nobody uses for a while: the next question is whether the
/// server has other settings by now, and what asks it has a new connection at once.
#[tokio::test]
async fn a_connection_that_was_forgotten_meanwhile_is_replaced_at_once() {
    let Some(server) = Server::start(&[]) else { return };
    let mut proxy = Proxy::start(&server).await;
    let dedup = RedisDedup::connect(&proxy.url).await.unwrap();
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
    proxy.silence().await;
    pass(Duration::from_secs(150)).await;
    assert_eq!(dedup.claim(&ticket("2")).await.unwrap(), Claim::Granted);
}
