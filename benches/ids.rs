//! What a remembered id costs, in memory and in time: `cargo bench --bench ids`. Each store fills a
//! process of its own, whose resident memory is read before and after.

use std::process::Command;
use std::time::{Duration, Instant};

use inhook::dedup::{Claim, Dedup, Ticket};
use inhook::inbox::{Inbox, LeaseOptions, Outcome};
use inhook::sign::{Message, Signer};
use inhook::{Delivery, MemoryDedup, MemoryInbox, Verifier, presets};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const IDS: usize = 1_000_000;
/// As many as are signed before they are measured, so that signing is no part of it.
const AT_ONCE: usize = 1_000;

fn main() {
    match std::env::args().skip_while(|arg| arg != "--store").nth(1) {
        Some(store) => measure(&store),
        None => {
            println!("{:<32}{:>12}{:>12}", format!("{IDS} ids"), "bytes an id", "µs an id");
            for store in ["MemoryDedup", "MemoryInbox"] {
                let program = std::env::current_exe().unwrap();
                let output = Command::new(program).args(["--store", store]).output().unwrap();
                assert!(output.status.success(), "{output:?}");
                print!("{}", String::from_utf8(output.stdout).unwrap());
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn measure(store: &str) {
    let signer = Signer::new(presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let verifier = Verifier::new("acme", presets::STANDARD_WEBHOOKS, SECRET).unwrap();
    let delivery = |n: usize| {
        let message = Message::new("{}").id(format!("msg_{n}"));
        verifier.verify(signer.request(&message).unwrap()).unwrap()
    };
    let (dedup, inbox) = (
        MemoryDedup::new().max_deliveries(IDS),
        MemoryInbox::new().max_key_bytes(IDS * 48 + 48_000),
    );
    // The buffers of the measurement itself.
    drop((0..AT_ONCE).map(delivery).collect::<Vec<Delivery>>());
    let (before, mut time) = (resident(), Duration::ZERO);
    for start in (0..IDS).step_by(AT_ONCE) {
        let deliveries: Vec<Delivery> = (start..start + AT_ONCE).map(delivery).collect();
        let begin = Instant::now();
        match store {
            "MemoryDedup" => {
                for delivery in deliveries {
                    let ticket = Ticket::new(&delivery, Duration::from_secs(30));
                    assert_eq!(dedup.claim(&ticket).await.unwrap(), Claim::Granted);
                    let _ = dedup.commit(&ticket).await.unwrap();
                }
            }
            _ => {
                for delivery in deliveries {
                    let _ = inbox.put(delivery).await.unwrap();
                }
                let options = LeaseOptions::new(AT_ONCE, Duration::from_secs(60), 5);
                for job in inbox.lease(options).await.unwrap().jobs {
                    let _ = inbox.settle(job.lease(), Outcome::Done).await.unwrap();
                }
            }
        }
        time += begin.elapsed();
    }
    let bytes = resident().saturating_sub(before) as f64 / IDS as f64;
    let micros = time.as_secs_f64() * 1e6 / IDS as f64;
    println!("{store:<32}{bytes:>12.0}{micros:>12.2}");
}

/// The resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1_024
}
