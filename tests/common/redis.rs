//! A real `redis-server`, on a free port, in a directory of its own.

#![allow(dead_code, reason = "each user of it is a crate of its own and uses a part of this")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) struct Server {
    port: u16,
    directory: tempfile::TempDir,
    options: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// Starts one, or says why there is none. With `INHOOK_REQUIRE_REDIS=1` there must be one.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if found.is_err() {
            let required = std::env::var("INHOOK_REQUIRE_REDIS").is_ok_and(|value| value == "1");
            assert!(!required, "redis-server is not installed, and INHOOK_REQUIRE_REDIS is 1");
            eprintln!("skipped: redis-server is not installed");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { port, directory, options, process: None };
        server.restart();
        Some(server)
    }

    /// A port with no server behind it yet.
    pub(crate) fn later(options: &[&str]) -> Option<Self> {
        let mut server = Self::start(options)?;
        server.kill();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Starts it again, on what it left on the disk.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--dir", self.directory.path().to_str().unwrap()])
            .args(&self.options)
            .stdout(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.answers() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The same with other options.
    pub(crate) fn restart_with(&mut self, options: &[&str]) {
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self.restart();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("it runs").id();
        kill(Pid::from_raw(process.try_into().unwrap()), signal).unwrap();
    }

    /// Sends a command and returns the answer as text.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        format!("{:?}", command.query::<redis::Value>(&mut connection).unwrap())
    }

    fn answers(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = [0; 7];
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            // Or that it wants a password first.
            && (&answer == b"+PONG\r\n" || &answer == b"-NOAUTH")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
