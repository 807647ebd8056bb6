//! The three headers that nearly every scheme has, looked for in one pass over all headers.

use http::{HeaderMap, HeaderName};

use super::place::Header;
use super::rejection::Rejection;

/// The headers that decide.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The names of the signature, the id and the time, then their other names, each with its place
    /// in what was found.
    names: Vec<(HeaderName, usize)>,
    /// The marks of the wanted names: most other headers have another one.
    marks: u64,
}

impl Wanted {
    pub(crate) fn new(
        signature: Option<&Header>,
        id: Option<&Header>,
        time: Option<&Header>,
    ) -> Self {
        let headers = [signature, id, time];
        let names = headers.iter().map(|header| Some(header.as_ref()?.name.clone()));
        // Second names are rare, so they are compared last.
        let aliases = headers.iter().map(|header| header.as_ref()?.alias.clone());
        let names = names.chain(aliases).enumerate();
        let names: Vec<(HeaderName, usize)> =
            names.filter_map(|(place, name)| Some((name?, place))).collect();
        let marks = names.iter().fold(0, |marks, (name, _)| marks | mark(name));
        Self { names, marks }
    }

    /// The one value of each. Under two names it must be the same; twice under one it never counts.
    pub(crate) fn find<'h>(
        &self,
        headers: &'h HeaderMap,
    ) -> Result<[Option<&'h [u8]>; 3], Rejection> {
        let mut found: [Option<&[u8]>; 6] = [None; 6];
        for (name, value) in headers {
            if self.marks & mark(name) == 0 {
                continue;
            }
            let Some((_, place)) = self.names.iter().find(|(wanted, _)| wanted == name) else {
                continue;
            };
            let slot = found.get_mut(*place);
            if slot.is_some_and(|slot| slot.replace(value.as_bytes()).is_some()) {
                return Err(Rejection::RepeatedHeader { header: name.clone() });
            }
        }
        let one = |place, name: Option<&'h [u8]>, alias: Option<&'h [u8]>| match (name, alias) {
            (Some(name), Some(alias)) if name != alias => Err(self.contradicted(place)),
            _ => Ok(name.or(alias)),
        };
        let [signature, id, time, other_signature, other_id, other_time] = found;
        Ok([one(0, signature, other_signature)?, one(1, id, other_id)?, one(2, time, other_time)?])
    }

    /// A header whose other name has another value.
    fn contradicted(&self, place: usize) -> Rejection {
        let name = self.names.iter().find(|(_, at)| *at == place);
        name.map_or(Rejection::WrongSignature, |(name, _)| Rejection::RepeatedHeader {
            header: name.clone(),
        })
    }
}

/// One of 64 marks, by the name's length and first letter.
fn mark(name: &HeaderName) -> u64 {
    let name = name.as_str().as_bytes();
    let first = name.first().copied().map(usize::from).unwrap_or_default();
    1u64.rotate_left(u32::try_from(name.len().wrapping_add(first) % 64).unwrap_or_default())
}
