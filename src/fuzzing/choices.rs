//! A fuzzer's bytes, as choices.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "lists have items")]

/// What is left of the data; behind its end there are zeros.
pub(super) struct Choices<'d>(pub(super) &'d [u8]);

impl<'d> Choices<'d> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    /// A number in `0..end`, of one byte; `end` must not be 0.
    pub(super) fn below_byte(&mut self, end: u8) -> usize {
        usize::from(self.byte() % end)
    }

    /// A number in `0..end`, of two bytes; `end` must not be 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()])) % end
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()].clone()
    }

    /// One of these, if there is any.
    pub(super) fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| self.one(of))
    }

    /// True for one draw in `n`; false once the data is used up.
    pub(super) fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == 1
    }

    pub(super) fn rest(&self) -> &'d [u8] {
        self.0
    }
}
