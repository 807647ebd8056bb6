//! S18: a handler that ends its process, and what that does to the jobs beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inhook::inbox::{Entry, Filter, Ledger, State};
use inhook::{BoxError, SqliteInbox};
use tokio::task::JoinSet;

use super::Run;
use crate::child::{PATIENCE, Receiver};
use crate::client::{Client, id};
use crate::naive::Naive;
use crate::receiver::{Handler, Said, Spec};
use crate::store::unsettled;
use crate::table::Figure;

/// How long the neighbours take. The poison ends the process within that time.
const TAKES: Duration = Duration::from_millis(300);
const MAX_ATTEMPTS: u32 = 4;
/// The types of the events whose handler ends the process, before and after a lease has passed.
const POISONS: [&str; 2] = ["poison", "late poison"];
/// Beside a poison that makes as many as run at a time.
const NEIGHBOURS: usize = 15;
const LETTERS: usize = 1_000;

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let file = |name: String| run.directory.join(name);
    let control = Some(Naive::Polls(Duration::from_millis(20)));
    let control = spec(file("control.db".into()), control);
    let rounds = run.rounds(1, 20);
    let often = async |poisons: usize| {
        let mut all = Poisoned::default();
        for round in 0..rounds {
            // The first round is the plain one; afterwards not everything runs at once, and the
            // poison may take more than a lease.
            let (poison, more) = match round {
                0 => ("poison", 0),
                _ => (POISONS[round % 2], fastrand::usize(..10 * NEIGHBOURS)),
            };
            let spec = spec(file(format!("{poisons}-{round}.db")), None);
            let events = events(poison, poisons, NEIGHBOURS + 1 - poisons + more);
            all.add(poisoned(&spec, events).await?);
        }
        Ok::<_, BoxError>(all)
    };
    // Most of the time nothing happens in any of them.
    let (control, one, two) =
        tokio::try_join!(poisoned(&control, events("poison", 1, NEIGHBOURS)), often(1), often(2))?;
    let mut figures = Vec::new();
    for (poisons, tested) in [(1, one), (2, two)] {
        let Poisoned { ends, dead, done, neighbours, charged } = tested;
        let (least, most) = (ends.iter().min().unwrap_or(&0), ends.iter().max().unwrap_or(&0));
        let expected = poisons * MAX_ATTEMPTS as usize;
        figures.push(Figure {
            case: "S18",
            what: format!("{poisons} job(s) of {MAX_ATTEMPTS} attempts that abort(), {rounds} times"),
            target: "dead after exactly these, neighbours done and charged at most once".into(),
            measured: format!(
                "{least} to {most} aborts, {dead} dead, {done} of {neighbours} done, charged <= {charged}"
            ),
            control: format!(
                "suspects leased with others: charged {} times, {} of {NEIGHBOURS} done",
                control.charged, control.done
            ),
            // One abort may be an attempt of both.
            met: *least > expected - poisons
                && *most <= expected
                && dead == poisons * rounds
                && done == neighbours
                && charged <= 1
                && control.charged > 1,
        });
    }
    let Replayed { dead, before, after, done } = replayed(&file("letters.db".into())).await?;
    figures.push(Figure {
        case: "S18",
        what: format!("replay of {dead} dead letters, while a worker runs"),
        target: format!("{LETTERS} run, each once"),
        measured: format!("{after} run, {done} done"),
        control: format!("before the replay {before} run"),
        met: before == 0 && (dead, after, done) == (LETTERS, LETTERS, LETTERS),
    });
    Ok(figures)
}

/// So many poisons, somewhere among their neighbours.
fn events(poison: &'static str, poisons: usize, neighbours: usize) -> Vec<&'static str> {
    let mut events = vec![poison; poisons];
    events.resize(poisons + neighbours, "user.created");
    fastrand::shuffle(&mut events);
    events
}

fn spec(db: PathBuf, naive: Option<Naive>) -> Spec {
    Spec {
        accepts: false,
        handler: Some(Handler::Obeys(TAKES)),
        max_attempts: MAX_ATTEMPTS,
        naive,
        ..Spec::new(db)
    }
}

#[derive(Default)]
struct Poisoned {
    /// How often the process ended, by round.
    ends: Vec<usize>,
    /// Poisons that are dead letters after all their attempts, and no more.
    dead: usize,
    neighbours: usize,
    /// Neighbours that are done.
    done: usize,
    /// The most attempts that a neighbour was charged beyond the one in which it was done.
    charged: u32,
}

impl Poisoned {
    fn add(&mut self, other: Self) {
        self.ends.extend(other.ends);
        self.dead += other.dead;
        self.neighbours += other.neighbours;
        self.done += other.done;
        self.charged = self.charged.max(other.charged);
    }
}

/// Starts the process again and again, until everything is settled.
async fn poisoned(spec: &Spec, events: Vec<&'static str>) -> Result<Poisoned, BoxError> {
    let db = spec.db.as_deref().ok_or("there is no file")?;
    accept(db, &events).await?;
    let mut ends = 0;
    let deadline = Instant::now() + PATIENCE;
    while unsettled(db)? > 0 {
        if Instant::now() > deadline {
            return Err("not everything is settled".into());
        }
        let receiver = Receiver::start(spec).await?;
        tokio::select! {
            ended = receiver.ended() => {
                ended?;
                ends += 1;
            }
            settled = settled(db) => settled?,
        }
    }
    let mut poisoned = Poisoned { ends: vec![ends], ..Poisoned::default() };
    for entry in entries(db, None).await? {
        if entry.event.is_some_and(|event| POISONS.contains(&&*event)) {
            let dead = entry.state == State::Dead && entry.total_attempts == MAX_ATTEMPTS;
            poisoned.dead += usize::from(dead);
        } else {
            poisoned.neighbours += 1;
            let done = entry.state == State::Done;
            poisoned.done += usize::from(done);
            let charged = entry.total_attempts - u32::from(done);
            poisoned.charged = poisoned.charged.max(charged);
        }
    }
    Ok(poisoned)
}

struct Replayed {
    dead: usize,
    /// Runs before the replay, and after it.
    before: usize,
    after: usize,
    done: usize,
}

/// Makes dead letters, and replays them from another process than the one with the worker.
async fn replayed(db: &Path) -> Result<Replayed, BoxError> {
    accept(db, &vec!["failure"; LETTERS]).await?;
    let broken = Receiver::start(&spec(db.into(), None)).await?;
    settled(db).await?;
    broken.kill().await?;
    let dead = entries(db, Some(State::Dead)).await?;
    let handler = Some(Handler::Sleeps(Duration::from_millis(2)));
    let mended = Receiver::start(&Spec { handler, ..spec(db.into(), None) }).await?;
    let runs = |said: Vec<Said>| said.iter().filter(|s| matches!(s, Said::Began { .. })).count();
    // Time enough to run what it must not.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = runs(mended.said());
    let inbox = Arc::new(SqliteInbox::open(db).await?);
    let mut replays = JoinSet::new();
    for letter in &dead {
        let (inbox, key) = (inbox.clone(), letter.key);
        replays.spawn(async move { inbox.replay(key).await });
    }
    while let Some(replay) = replays.join_next().await {
        replay??;
    }
    drop(inbox);
    settled(db).await?;
    let after = runs(mended.kill().await?) - before;
    let done = entries(db, Some(State::Done)).await?.len();
    Ok(Replayed { dead: dead.len(), before, after, done })
}

/// Accepts one delivery for each of these events, with no worker.
async fn accept(db: &Path, events: &[&str]) -> Result<(), BoxError> {
    let receiver = Receiver::start(&Spec { handler: None, ..Spec::new(db) }).await?;
    let mut partners = JoinSet::new();
    for events in events.chunks(events.len().div_ceil(16)) {
        let events: Vec<String> = events.iter().map(|event| event.to_string()).collect();
        let mut client = Client::connect(receiver.address()).await?;
        partners.spawn(async move {
            for event in events {
                let request = client.sign_event(&id(), &event)?;
                let status = client.request(request).await?.status();
                if status != 200 {
                    return Err(format!("it was answered {status}").into());
                }
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(partner) = partners.join_next().await {
        partner??;
    }
    receiver.kill().await?;
    Ok(())
}

async fn entries(db: &Path, state: Option<State>) -> Result<Vec<Entry>, BoxError> {
    let mut filter = Filter::all();
    (filter.state, filter.limit) = (state, Filter::MAX_LIMIT);
    Ok(SqliteInbox::open(db).await?.list(filter).await?)
}

/// Waits until nothing is pending or leased.
async fn settled(db: &Path) -> Result<(), BoxError> {
    let deadline = Instant::now() + PATIENCE;
    while unsettled(db)? > 0 {
        if Instant::now() > deadline {
            return Err("not everything is settled".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
