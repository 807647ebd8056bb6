//! Many attempts, and the smallest data that show the same.

use bytes::Bytes;
use http::Request;

use super::clock::Now;
use super::genuine::Genuine;
use super::{Attack, SAID};
use crate::fuzzing::choices::Choices;
use crate::fuzzing::finding::Finding;
use crate::fuzzing::oracle::Oracle;
use crate::fuzzing::random::random_bytes;
use crate::fuzzing::receiver::Receiver;

/// The data of an attempt is shorter, in bytes.
const DATA: usize = 97;
/// How many smaller data are tried at most, once there is a finding.
const SHRINKS: usize = 2_000;

impl Attack {
    /// Runs `iterations` attempts. A seed always gives the same input bytes; the requests are identical too if
    /// [`Receiver::now`] is fixed. 10,000 take some seconds in a debug build; some mistakes show in one of a thousand.
    /// What it finds is made smaller; a panic that it finds is printed once more for each try.
    ///
    /// # Errors
    ///
    /// A property that does not hold, or [`Oracle::Tried`] if none of the attempts applies to the scheme, or of
    /// many hardly any. Its `Debug` is what a test prints that unwraps it.
    ///
    /// # Panics
    ///
    /// As [`check`](Self::check).
    pub fn run(
        &self,
        receiver: &impl Receiver,
        iterations: u32,
        seed: u64,
    ) -> Result<(), Box<Finding>> {
        let mut bytes = random_bytes(seed);
        let mut tried = 0u32;
        for _ in 0..iterations {
            let length = usize::from(bytes.next().unwrap_or_default()) % DATA;
            let data: Vec<u8> = bytes.by_ref().take(length).collect();
            match self.check(receiver, &data) {
                Ok(is_tried) => tried = tried.saturating_add(is_tried.into()),
                Err(finding) => return Err(self.shrink(receiver, finding)),
            }
        }
        if tried > 0 && (iterations < 50 || tried >= iterations.div_ceil(20)) {
            return Ok(());
        }
        let now = Now::of(receiver);
        let why = if iterations == 0 { "none was asked for".into() } else { self.obstacle(now) };
        Err(Box::new(Finding {
            oracle: Oracle::Tried,
            what: format!("{tried} of {iterations} attempts; {why}"),
            scheme: self.scheme.name.to_string(),
            request: Request::new(Bytes::new()),
            genuine: None,
            received_at: now.at,
            data: Vec::new(),
            doctor: self.doctor(),
        }))
    }

    /// The smallest data in sight that break the same property.
    fn shrink(&self, receiver: &impl Receiver, finding: Box<Finding>) -> Box<Finding> {
        let mut smallest = finding;
        let mut tries = 0usize;
        loop {
            let data = smallest.data.clone();
            // By halves, so that there are not too many to try.
            let lengths = std::iter::successors(Some(data.len()), |length| Some(length / 2));
            let cuts = lengths.take_while(|length| *length > 0).flat_map(|length| {
                let starts = 0..=data.len().saturating_sub(length);
                starts.map(move |start| (start, length))
            });
            let cut = |(start, length): (usize, usize)| {
                let end = start.saturating_add(length);
                let (front, rest) = (data.get(..start), data.get(end..));
                [front.unwrap_or_default(), rest.unwrap_or_default()].concat()
            };
            let zeroed = (0..data.len()).filter_map(|at| {
                let mut data = data.clone();
                let byte = data.get_mut(at).filter(|byte| **byte != 0)?;
                *byte = 0;
                Some(data)
            });
            let most = if smallest.oracle == Oracle::NoPanic { SHRINKS / 4 } else { SHRINKS };
            let smaller = cuts.map(cut).chain(zeroed).take(most.saturating_sub(tries));
            let found = smaller.into_iter().find_map(|data| {
                tries = tries.saturating_add(1);
                let found = self.check(receiver, &data).err();
                found.filter(|found| is_same(found, &smallest))
            });
            match found {
                Some(found) => smallest = found,
                None => return smallest,
            }
        }
    }

    /// Why there is hardly anything to try.
    fn obstacle(&self, now: Now) -> String {
        match Genuine::new(self, now, &mut Choices(&[])) {
            Err(error) => error.to_string(),
            Ok(genuine) => match self.reference.verify_at(genuine.request, now.at) {
                Err(rejection) => format!("a request as it is signed is refused: {rejection}"),
                Ok(_) => "most of what is tried does not apply to this scheme".into(),
            },
        }
    }
}

/// Of what a panic says, how many letters are compared: what comes behind them is mostly about the data. Where the data
/// begins sooner, what is found stays larger; two panics that begin alike are taken for one.
const LETTERS: usize = 34;

/// Whether two findings are one: a panic may leave something behind that panics in another way, as a lock that is
/// poisoned, of which `unwrap` says so in the 31st letter.
fn is_same(one: &Finding, other: &Finding) -> bool {
    let said = |finding: &Finding| -> String {
        let said = finding.what.split_once(SAID).map(|(_, said)| said).unwrap_or_default();
        said.chars().filter(|char| char.is_alphabetic()).take(LETTERS).collect()
    };
    one.oracle == other.oracle && said(one) == said(other)
}
