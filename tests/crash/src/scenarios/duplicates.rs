//! S12: many copies of one delivery at the same moment, at two processes with one file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use inhook::BoxError;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Run;
use crate::child::{PATIENCE, Receiver};
use crate::client::{Client, id};
use crate::faults::{Fault, Lie};
use crate::naive::Naive;
use crate::receiver::{Said, Spec};
use crate::table::Figure;

/// Copies of each delivery, at each of the two processes.
const COPIES: usize = 64;
/// The same while a commit is held.
const HELD_COPIES: usize = 8;
/// How long a partner waits before it comes again.
const PAUSE: Duration = Duration::from_millis(20);

pub async fn run(run: Run) -> Result<Vec<Figure>, BoxError> {
    let ids = run.rounds(40, 1_000);
    let holds = run.rounds(2, 30);
    let spec = |name: &str, naive| Spec { naive, ..Spec::new(run.directory.join(name)) };
    let tested = accepts(&spec("copies.db", None), ids).await?;
    let control = Some(Naive::LooksThenInserts);
    let control = accepts(&spec("control.db", control), ids.min(100)).await?;
    let early = early(&spec("early.db", None), holds).await?;
    let control_early = Some(Naive::AnswersCopiesAtOnce);
    let control_early = self::early(&spec("early-control.db", control_early), 1).await?;
    let Accepts { once, never, twice, copies, again } = tested;
    Ok(vec![
        Figure {
            case: "S12",
            what: format!("{COPIES} copies x {ids} ids x 2 processes at once, {again} came again"),
            target: "each accepted once, every copy answered 200".into(),
            measured: format!("{once} once, {twice} twice, {never} never, {copies} copies 200"),
            control: format!("look up, then insert: {} of {} twice", control.twice, ids.min(100)),
            met: once == ids && copies == ids * COPIES * 2 && control.twice > 0,
        },
        Figure {
            case: "S12",
            what: format!(
                "{} copies at both while the first one's commit is in its sync, {holds} times",
                HELD_COPIES * 2
            ),
            target: "0 answered 200 before, then accepted once".into(),
            measured: format!("{} early, {} accepted once", early.early, early.once),
            control: format!(
                "copies of what is only in memory: {} of {} early",
                control_early.early,
                HELD_COPIES * 2
            ),
            met: early.early == 0 && early.once == holds && control_early.early > 0,
        },
    ])
}

#[derive(Default)]
struct Accepts {
    /// How many ids were accepted as new once, never, and more often.
    once: usize,
    never: usize,
    twice: usize,
    /// Copies that were answered 200 in the end.
    copies: usize,
    /// How often a partner came again after a 503.
    again: usize,
}

/// All copies of an id are sent at the same moment, half of them to each process.
async fn accepts(spec: &Spec, ids: usize) -> Result<Accepts, BoxError> {
    let receivers = [Receiver::start(spec).await?, Receiver::start(spec).await?];
    let ids: Arc<Vec<String>> = Arc::new((0..ids).map(|_| id()).collect());
    let barrier = Arc::new(Barrier::new(2 * COPIES));
    let mut partners = JoinSet::new();
    for copy in 0..2 * COPIES {
        let mut client = Client::connect(receivers[copy % 2].address()).await?;
        let (ids, barrier) = (ids.clone(), barrier.clone());
        partners.spawn(async move {
            let mut answers = Vec::new();
            for id in &*ids {
                barrier.wait().await;
                // Whatever goes wrong must not leave the others waiting.
                answers.push(until_ok(&mut client, id).await.unwrap_or_default());
            }
            answers
        });
    }
    let mut new = vec![0; ids.len()];
    let mut accepts = Accepts::default();
    while let Some(answers) = partners.join_next().await {
        for (position, answer) in answers?.into_iter().enumerate() {
            new[position] += usize::from(answer.new);
            accepts.copies += usize::from(answer.ok);
            accepts.again += answer.again;
        }
    }
    let count = |wanted: fn(&usize) -> bool| new.iter().filter(|new| wanted(new)).count();
    (accepts.once, accepts.never) = (count(|new| *new == 1), count(|new| *new == 0));
    accepts.twice = count(|new| *new > 1);
    Ok(accepts)
}

#[derive(Default)]
struct Answered {
    ok: bool,
    new: bool,
    again: usize,
}

/// Sends until it is answered 200.
async fn until_ok(client: &mut Client, id: &str) -> Result<Answered, BoxError> {
    let deadline = Instant::now() + PATIENCE;
    let mut again = 0;
    while Instant::now() < deadline {
        let answer = client.send(id).await?;
        match answer.status {
            StatusCode::OK => return Ok(Answered { ok: true, new: answer.new, again }),
            StatusCode::SERVICE_UNAVAILABLE => {
                again += 1;
                tokio::time::sleep(PAUSE.mul_f32(fastrand::f32())).await;
            }
            status => return Err(format!("a copy was answered {status}").into()),
        }
    }
    Ok(Answered { again, ..Answered::default() })
}

#[derive(Default)]
struct Early {
    /// Copies that were answered 200 while nothing was durable.
    early: usize,
    /// Ids that were accepted as new once, after all.
    once: usize,
}

/// One process is in the sync of the commit that holds the first copy, and stays there. Whatever the
/// other copies are answered meanwhile, it is not 200. Then that process dies, and all come again.
async fn early(spec: &Spec, rounds: usize) -> Result<Early, BoxError> {
    let spec = Spec { handler: None, faults: vec![Fault::Lie(Lie::Nothing)], ..spec.clone() };
    let other = Receiver::start(&spec).await?;
    let mut result = Early::default();
    for _ in 0..rounds {
        let mut holding = Receiver::start(&spec).await?;
        // Whatever comes before a first accept is over then.
        for address in [holding.address(), other.address()] {
            until_ok(&mut Client::connect(address).await?, &id()).await?;
        }
        let id = id();
        holding.set(Fault::HoldLogSync).await?;
        let mut partners = JoinSet::new();
        partners.spawn(once(Client::connect(holding.address()).await?, id.clone()));
        holding.wait_for(|said| *said == Said::InSync).await?;
        for address in [holding.address(), other.address()] {
            for _ in 0..HELD_COPIES {
                partners.spawn(once(Client::connect(address).await?, id.clone()));
            }
        }
        for ok in partners.join_all().await {
            result.early += usize::from(ok?);
        }
        holding.kill().await?;
        let mut new = 0;
        for _ in 0..2 {
            let copy = until_ok(&mut Client::connect(other.address()).await?, &id).await?;
            new += usize::from(copy.new);
        }
        result.once += usize::from(new == 1);
    }
    Ok(result)
}

/// Whether one request is answered 200.
async fn once(mut client: Client, id: String) -> Result<bool, String> {
    client.send(&id).await.map(|answer| answer.is_ok()).map_err(|error| error.to_string())
}
