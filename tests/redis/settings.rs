//! What the address and the server say, and whether that can be used.

use super::*;

#[tokio::test]
async fn d9_a_server_that_evicts_is_refused() {
    let Some(server) = Server::start(&["--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru"])
    else {
        return;
    };
    let error = RedisDedup::connect(&server.url()).await.unwrap_err().to_string();
    assert!(error.contains("allkeys-lru") && error.contains("noeviction"), "{error}");
    RedisDedup::options().allow_eviction().connect(&server.url()).await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_refused_is_an_error_at_the_start() {
    let Some(mut server) = Server::start(&[]) else { return };
    server.command(&["CONFIG", "SET", "requirepass", "hunter2"]);
    let address = server.url().replace("redis://", "");
    for url in
        [server.url(), format!("redis://:wrong@{address}"), format!("redis://me:x@{address}")]
    {
        let error = RedisDedup::connect(&url).await.unwrap_err().to_string();
        assert!(error.contains("refuses the user, the password"), "{url}: {error}");
    }
    let error = RedisDedup::connect(&format!("redis://:hunter2@{address}99")).await.unwrap_err();
    assert!(error.to_string().contains("the database"), "{error}");
    let right = RedisDedup::connect(&format!("redis://:hunter2@{address}")).await.unwrap();
    assert_eq!(right.claim(&ticket("1")).await.unwrap(), Claim::Granted);
    let printed = format!("{right:?}");
    assert!(printed.contains("noeviction") && !printed.contains("hunter2"), "{printed}");
    server.kill();
}

/// As where the passwords are set by a script that runs after the server has started.
#[tokio::test]
async fn a_password_that_is_refused_for_a_while_is_tried_again() {
    let (with, without) = (["--requirepass", "hunter2"], []);
    // A password that the server does not have; and none where it has one, which a database is asked for first.
    for (password, database, at_first, later) in
        [(":hunter2@", "", &with[..], &without[..]), ("", "1", &without, &with)]
    {
        let Some(mut server) = Server::start(at_first) else { return };
        let url = server.url().replace("redis://", &format!("redis://{password}")) + database;
        let dedup = RedisDedup::connect(&url).await.unwrap();
        assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
        server.restart_with(later);
        let error = dedup.claim(&ticket("2")).await.unwrap_err();
        assert!(matches!(error, DedupError::Misconfigured(_)), "{error}");
        server.restart_with(at_first);
        let start = Instant::now();
        while dedup.claim(&ticket("2")).await.is_err() {
            assert!(start.elapsed() < Duration::from_secs(2), "it is not tried again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_its_password() {
    for scheme in ["rediss", "valkeys"] {
        let url = format!("{scheme}://:hunter2@localhost/");
        let error = RedisDedup::connect(&url).await.unwrap_err().to_string();
        assert!(error.contains("TLS") && !error.contains("hunter2"), "{error}");
    }
    for url in ["", "localhost:6379", "http://user:hunter2@localhost/", "redis://:hunter2@:x/"] {
        let error = RedisDedup::connect(url).await.unwrap_err().to_string();
        assert!(error.contains("redis://host") && !error.contains("hunter2"), "{url}: {error}");
    }
}

/// A server repeats what came with a command that it does not know: with HELLO and AUTH that is the password.
#[tokio::test]
async fn a_password_is_not_repeated_where_the_server_repeats_it() {
    let without = |command| ["--requirepass", "hunter2", "--rename-command", command, ""];
    let Some(server) = Server::start(&without("AUTH")) else { return };
    let url = |server: &Server| server.url().replace("redis://", "redis://:hunter2@");
    for protocol in ["", "?protocol=resp3"] {
        let error = RedisDedup::connect(&(url(&server) + protocol)).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains("the password") && !said.contains("hunter2"), "{said}");
    }
    // This one is not needed.
    let Some(server) = Server::start(&without("HELLO")) else { return };
    let dedup = RedisDedup::connect(&(url(&server) + "?protocol=resp3")).await.unwrap();
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
}

/// What could be claimed and never be recorded would run again as soon as its lease is over.
#[tokio::test]
async fn a_user_who_may_not_do_what_is_needed_is_an_error_at_the_start() {
    let Some(server) = Server::start(&[]) else { return };
    for needed in ["get", "set", "del", "evalsha", "script|load"] {
        server.command(&["ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "+@all"]);
        RedisDedup::connect(&server.url()).await.unwrap();
        server.command(&["SCRIPT", "FLUSH"]);
        server.command(&["ACL", "SETUSER", "default", &format!("-{needed}")]);
        let error = RedisDedup::connect(&server.url()).await.unwrap_err().to_string();
        assert!(error.contains("does not let the user do it: SET, GET"), "{needed}: {error}");
    }
    for unknown in ["GET", "DEL", "EVALSHA", "SCRIPT"] {
        let server = Server::start(&["--rename-command", unknown, ""]).unwrap();
        let error = RedisDedup::connect(&server.url()).await.unwrap_err().to_string();
        assert!(error.contains("does not do what is needed"), "{unknown}: {error}");
    }
    // And no more than that is needed.
    let needed = ["+get", "+set", "+del", "+evalsha", "+script|load", "+info", "~mine:*"];
    let user = [&["ACL", "SETUSER", "user", "on", ">hunter2", "resetkeys", "-@all"], &needed[..]];
    server.command(&["ACL", "SETUSER", "default", "+@all"]);
    server.command(&user.concat());
    let url = server.url().replace("redis://", "redis://user:hunter2@");
    let dedup = RedisDedup::options().prefix("mine:").connect(&url).await.unwrap();
    let (commits, releases) = (ticket("commits"), ticket("releases"));
    for ticket in [&commits, &releases] {
        assert_eq!(dedup.claim(ticket).await.unwrap(), Claim::Granted);
    }
    assert_eq!(dedup.commit(&commits).await.unwrap(), Settled::Recorded);
    assert_eq!(dedup.release(&releases).await.unwrap(), Settled::Recorded);
    // What was tried out is gone.
    assert_eq!(server.command(&["DBSIZE"]), "int(1)");
}

/// Most keys are another node's.
#[tokio::test]
async fn a_node_of_a_cluster_is_an_error_at_the_start() {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let node =
        |bus: u16| Server::start(&["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()]);
    let buses = (free(), free());
    let (Some(one), Some(other)) = (node(buses.0), node(buses.1)) else { return };
    other.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let port = other.url().rsplit(':').next().unwrap().replace('/', "");
    one.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &buses.1.to_string()]);
    let start = Instant::now();
    let error = loop {
        // Before the nodes know each other, it is down.
        match RedisDedup::connect(&one.url()).await {
            Ok(_) => assert!(start.elapsed() < Duration::from_secs(30), "it is not refused"),
            Err(error) => break error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(error.contains("a node of a Redis Cluster"), "{error}");
    // It has one database, and says so at once.
    let error = RedisDedup::connect(&format!("{}1", one.url())).await.unwrap_err().to_string();
    assert!(error.contains("a node of a Redis Cluster"), "{error}");
}

#[tokio::test]
async fn an_evicting_server_that_comes_later_is_refused_as_well() {
    let Some(mut server) = Server::later(&["--maxmemory-policy", "volatile-ttl"]) else { return };
    let dedup = Arc::new(RedisDedup::connect(&server.url()).await.unwrap());
    let error = dedup.claim(&ticket("1")).await.unwrap_err();
    assert!(matches!(error, DedupError::Unavailable(_)), "{error}");
    server.restart();
    let error = dedup.claim(&ticket("1")).await.unwrap_err();
    assert!(
        matches!(&error, DedupError::Misconfigured(problem) if problem.contains("volatile-ttl"))
    );
    let runs = Arc::new(AtomicU32::new(0));
    let response = guarded(dedup, &runs).oneshot(request("1")).await.unwrap();
    assert_eq!((response.status().as_u16(), runs.load(Ordering::SeqCst)), (503, 0));
}

/// One who was asked answers for all of them, and for a minute.
#[tokio::test]
async fn a_server_is_not_asked_with_each_claim() {
    let Some(mut server) = Server::later(&[]) else { return };
    let dedup = Arc::new(RedisDedup::connect(&server.url()).await.unwrap());
    server.restart();
    // Whoever asks here is counted as well.
    let asked = || {
        let stats = server.command(&["INFO", "commandstats"]);
        let calls = stats.lines().find_map(|line| line.split_once("cmdstat_info:calls="));
        calls.map_or(0, |(_, calls)| calls.split(',').next().unwrap().parse::<u32>().unwrap())
    };
    let claims = async || {
        let mut claims = JoinSet::new();
        for id in 0..20 {
            let (dedup, ticket) = (dedup.clone(), ticket(&id.to_string()));
            claims.spawn(async move { dedup.claim(&ticket).await });
        }
        claims.join_all().await
    };
    let minute = async || pass(Duration::from_secs(61)).await;
    let before = asked();
    assert!(claims().await.iter().all(|claim| matches!(claim, Ok(Claim::Granted))));
    assert_eq!(asked(), before + 2);
    minute().await;
    let before = asked();
    assert!(claims().await.iter().all(|claim| matches!(claim, Ok(Claim::InFlight))));
    assert_eq!(asked(), before + 2);
    // Nor is one that can't be used.
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    minute().await;
    let start = Instant::now();
    let refused = async || dedup.claim(&ticket("0")).await.is_err();
    assert!(refused().await);
    let before = asked();
    assert!(claims().await.iter().all(|claim| matches!(claim, Err(DedupError::Misconfigured(_)))));
    // Each second.
    let seconds = u32::try_from(start.elapsed().as_secs()).unwrap();
    assert!((before + 1..=before + 1 + seconds).contains(&asked()));
}

/// At the next claim after a minute, and at once behind a new connection.
#[tokio::test]
async fn a_server_that_evicts_later_is_refused_as_well() {
    let Some(mut server) = Server::start(&[]) else { return };
    let dedup = RedisDedup::connect(&server.url()).await.unwrap();
    let refused = async |id: &str| {
        let error = dedup.claim(&ticket(id)).await.unwrap_err();
        assert!(matches!(&error, DedupError::Misconfigured(problem) if problem.contains("lru")));
    };
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    assert_eq!(dedup.claim(&ticket("1")).await.unwrap(), Claim::Granted);
    pass(Duration::from_secs(61)).await;
    refused("2").await;
    refused("3").await;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    pass(Duration::from_secs(2)).await;
    assert_eq!(dedup.claim(&ticket("4")).await.unwrap(), Claim::Granted);
    server.restart();
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    refused("5").await;
    // It was asked for nothing before it said so.
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    pass(Duration::from_secs(2)).await;
    assert_eq!(dedup.claim(&ticket("5")).await.unwrap(), Claim::Granted);
}
