//! Sequences from a fuzzer's bytes. Any bytes are one, and a byte that changes changes one step, so that a
//! fuzzer can build on what it has.

use super::op::{
    BODIES, Case, DAY, Edge, End, HOUR, IDS, MINUTE, Name, Op, PROCESSES, SECOND, SOURCES, Setup,
    Then,
};

/// No longer than what proptest draws.
const MAX_STEPS: usize = 120;

impl Case {
    pub(crate) fn from_bytes(data: &[u8]) -> Self {
        let mut bytes = Bytes(data);
        let setup = Setup {
            max_attempts: bytes.one(&[1, 2, 3]),
            revives: bytes.one(&[true, true, true, false]),
            retain: bytes.one(&[7 * DAY, HOUR, 0]),
        };
        let mut ops = Vec::new();
        while !bytes.0.is_empty() && ops.len() < MAX_STEPS {
            ops.push(bytes.op());
        }
        Self { setup, ops }
    }
}

/// What is left; zeros behind the end.
struct Bytes<'d>(&'d [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> usize {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*byte)
    }

    fn below(&mut self, end: usize) -> usize {
        self.byte() % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn name(&mut self) -> Name {
        let byte = self.byte();
        Name(byte % SOURCES, byte / SOURCES % IDS)
    }

    fn length(&mut self) -> i64 {
        self.one(&[MINUTE, 10 * SECOND])
    }

    /// The process is chosen with the step.
    fn op(&mut self) -> Op {
        let byte = self.byte();
        let by = byte / 16 % PROCESSES;
        match byte % 16 {
            0..=2 => Op::Put { by, name: self.name(), body: byte / 32 % BODIES },
            3 | 4 => Op::Lease { by, max: self.below(5), length: self.length(), suspects: false },
            5 => Op::Lease { by, max: self.below(4), length: self.length(), suspects: true },
            6 => {
                let leases = (0..=self.below(3)).map(|_| self.below(30)).collect();
                Op::Extend { by, leases, length: self.length() }
            }
            7..=9 => Op::Settle { by, lease: self.below(30), end: self.end() },
            10 => Op::Replay { by, name: self.name() },
            11 => Op::Discard { by, name: self.name() },
            12 => self.seldom(by),
            13 => Op::Advance(self.advance()),
            14 => Op::Approach {
                edge: self.one(&[Edge::Due, Edge::Revival, Edge::Retention, Edge::Expiry]),
                nth: self.below(4),
                after: self.one(&[-1, 0, 1]),
                then: self.one(&[
                    Then::Nothing,
                    Then::Put { body: 0 },
                    Then::Put { body: 1 },
                    Then::Reopen,
                ]),
            },
            _ => Op::Crash { process: by },
        }
    }

    fn seldom(&mut self, by: usize) -> Op {
        match self.below(3) {
            0 => Op::List {
                by,
                state: self.one(&[None, Some(0), Some(1), Some(2), Some(3), Some(4)]),
                source: self.one(&[None, Some(0), Some(1)]),
                skip: self.below(5),
                limit: self.one(&[0, 1, 2, 3, 1_000]),
            },
            1 => Op::Health { by },
            _ => {
                let before_1970 = -57 * 365 * DAY;
                let hours = [0, 1, -1, 120, -120, 31 * 24].map(|hours| hours * HOUR);
                Op::WallClock(
                    self.one(&[hours.as_slice(), &[SECOND, -SECOND, before_1970]].concat()),
                )
            }
        }
    }

    fn end(&mut self) -> End {
        match self.below(8) {
            0 | 1 => End::Done,
            2 => End::Skipped,
            3 => End::Retry { after: 0 },
            4 => End::Retry { after: self.one(&[1, SECOND, HOUR]) },
            5 | 6 => End::Dead,
            _ => End::Released,
        }
    }

    fn advance(&mut self) -> i64 {
        let around = self.one(&[-1, 0, 1]);
        around
            + self.one(&[2, 250, SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 4 * DAY, 30 * DAY])
    }
}
