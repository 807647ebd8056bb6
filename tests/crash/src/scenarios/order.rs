//! S8: what the log is asked to do, and when, beside what is answered.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use inhook::{BoxError, SqliteInbox};
use tokio::task::JoinSet;

use super::Run;
use crate::child::PATIENCE;
use crate::client::{Client, id};
use crate::faults::{FAULTS, Fault, Lie, Seen};
use crate::here::Here;
use crate::naive::Naive;
use crate::table::Figure;
use crate::vfs;

const PARTNERS: usize = 64;
/// Each delivery is sent so often, at about the same time.
const COPIES: usize = 3;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    vfs::install(None);
    let file = |name: &str| run.directory.join(name);
    let ids = run.rounds(1_000, 20_000);
    // A sync that takes its time leaves some to answer too early.
    FAULTS.set(Fault::LogSyncTakes(Duration::from_millis(2)));
    let tested = traced(&file("inbox.db"), ids, None).await?;
    let first = traced(&file("first.db"), 1_000, Some(Naive::AnswersFirst)).await?;
    FAULTS.set(Fault::Lie(Lie::Log));
    let lying = traced(&file("lying.db"), 1_000, None).await?;
    FAULTS.set(Fault::Lie(Lie::Nothing));
    FAULTS.set(Fault::LogSyncTakes(Duration::ZERO));
    let Traced { acks, early, ids: acked } = tested;
    Ok(vec![Figure {
        case: "S8",
        what: format!("{acks} answers of {PARTNERS} partners for {ids} deliveries, traced"),
        target: format!("each of {ids} answered, and always after its sync"),
        measured: format!("{acked} answered, {early} answers before their sync"),
        control: format!(
            "an intake that answers first: {} of {} early; a log that is not synced: {} of {}",
            first.early, first.acks, lying.early, lying.acks
        ),
        met: early == 0 && acked == ids && first.early > 0 && lying.early == lying.acks,
    }])
}

/// What was seen of answers.
struct Traced {
    /// How many there were with 200, and for how many deliveries.
    acks: usize,
    ids: usize,
    /// How many came before what they promise was on disk.
    early: usize,
}

/// Sends so many deliveries, each several times at once.
async fn traced(db: &Path, ids: usize, naive: Option<Naive>) -> Result<Traced, BoxError> {
    let inbox = Arc::new(SqliteInbox::open(db).await?);
    let here = Here::serve(inbox, naive).await?;
    let ids: Arc<Vec<String>> = Arc::new((0..ids).map(|_| id()).collect());
    let sent = Arc::new(AtomicUsize::new(0));
    FAULTS.watch();
    let mut partners = JoinSet::new();
    for _ in 0..PARTNERS {
        let mut client = Client::connect(here.address).await?;
        let (ids, sent) = (ids.clone(), sent.clone());
        partners.spawn(async move {
            while let Some(id) = ids.get(sent.fetch_add(1, Ordering::Relaxed) / COPIES) {
                // One that is refused is sent again, as partners do.
                while !client.send(id).await?.is_ok() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            Ok::<_, BoxError>(())
        });
    }
    tokio::time::timeout(10 * PATIENCE, async {
        while let Some(ended) = partners.join_next().await {
            ended??;
        }
        Ok::<_, BoxError>(())
    })
    .await??;
    Ok(judge(&FAULTS.seen()))
}

/// A sync counts for what was complete in the log before it began. An answer is due when the first
/// transaction with its id is: later ones write the same page again, for other rows.
fn judge(seen: &[Seen]) -> Traced {
    // Where each id was first complete.
    let mut committed = HashMap::new();
    let mut written = Vec::new();
    let mut synced_before = 0;
    let mut answered = HashMap::new();
    let mut early = 0;
    for (at, seen) in seen.iter().enumerate() {
        match seen {
            Seen::Written(id) => written.push(id),
            Seen::Committed => {
                for id in written.drain(..) {
                    committed.entry(id).or_insert(at);
                }
            }
            Seen::Synced { since } => synced_before = synced_before.max(*since),
            Seen::Answered(id) => {
                *answered.entry(id).or_insert(0) += 1;
                let in_time = committed.get(id).is_some_and(|at| *at < synced_before);
                early += usize::from(!in_time);
            }
        }
    }
    Traced { acks: answered.values().sum(), ids: answered.len(), early }
}
