//! The ledger, whole and in parts, against the model.

use std::collections::BTreeMap;
use std::time::SystemTime;

use inhook::inbox::{Entry, Filter, LedgerError, State, Stats};

use super::{Answer, Name, World, inbox_error, partner, patiently, rules, same};

const STATES: [State; 5] =
    [State::Pending, State::Leased, State::Done, State::Skipped, State::Dead];

impl World {
    /// All that an operator sees.
    pub(super) async fn check_ledger(&mut self, by: usize) -> Result<(), String> {
        let entries = self.entries(by, Filter::all()).await?;
        let inbox = &self.inboxes[by];
        let stats = patiently(|| async { inbox.stats().await.map_err(inbox_error) }).await?;

        let mut counted = Stats::default();
        let mut listed = BTreeMap::new();
        let mut last = (0, 0);
        for entry in entries {
            *counted.count_mut(entry.state) += 1;
            let name = self.names.get(&entry.key).copied().ok_or("an unknown key is listed")?;
            let row = self.model.rows.get(&name);
            let Some(row) = row.filter(|row| self.model.is_listed(row).1) else {
                return Err(format!("{name:?} is listed, and should not be: {entry:?}"));
            };
            same("entry", Line::of_row(name, row), Line::of_entry(&entry))?;
            if entry.position <= last.0 || row.position <= last.1 {
                return Err(format!("{name:?} is listed out of the order of accepts"));
            }
            last = (entry.position, row.position);
            listed.insert(name, entry);
        }
        self.promise.check(&listed)?;
        let missing: Vec<Name> =
            self.model.rows.keys().filter(|name| !listed.contains_key(name)).copied().collect();
        for name in missing {
            let (must, may) = self.model.is_listed(&self.model.rows[&name]);
            if must {
                return Err(format!("{name:?} is not listed"));
            }
            if may {
                self.model.forget(name);
            }
        }

        counted.changed_duplicates = stats.changed_duplicates;
        same("stats", counted, stats)?;
        let (least, most) = self.model.changed;
        if !(least..=most).contains(&stats.changed_duplicates) {
            return Err(format!("changed duplicates: {least} to {most}, and not {stats:?}"));
        }
        self.model.changed = (stats.changed_duplicates, stats.changed_duplicates);
        Ok(())
    }

    /// One delivery by its key, with its bytes.
    pub(super) async fn check_one(&mut self, name: Name) -> Result<(), String> {
        let (inbox, key) = (&self.inboxes[0], self.keys[&name]);
        let got = patiently(|| async {
            match inbox.get(key).await {
                Ok(detail) => Ok(Some(detail)),
                Err(LedgerError::NotFound) => Ok(None),
                Err(error) => Err(inbox_error(error)),
            }
        });
        let got = got.await?;
        let found = match &got {
            Some(detail) if detail.record.is_some() => Answer::Whole,
            Some(_) => Answer::BytesGone,
            None => Answer::NotFound,
        };
        same("get", self.model.get(self.now(), name, found), found)?;
        let (Some(detail), Some(row)) = (got, self.model.rows.get(&name)) else { return Ok(()) };
        same("entry", Line::of_row(name, row), Line::of_entry(&detail.entry))?;
        if let Some(record) = detail.record {
            same("body", partner::body(name, row.body).as_bytes(), &record.body()[..])?;
            same("key", key, record.key())?;
        }
        Ok(())
    }

    /// One page, against the same page of the whole list.
    pub(super) async fn list(
        &mut self,
        by: usize,
        state: Option<usize>,
        source: Option<usize>,
        skip: usize,
        limit: usize,
    ) -> Result<String, String> {
        let all = self.entries(by, Filter::all()).await?;
        let mut filter = Filter::all();
        filter.state = state.map(|state| STATES[state]);
        filter.source = source.map(|source| partner::NAMES[source].into());
        filter.after = all.get(skip).map(|entry| entry.position);
        filter.limit = limit;
        let expected: Vec<Entry> = all
            .into_iter()
            .filter(|entry| filter.state.is_none_or(|state| entry.state == state))
            .filter(|entry| filter.source.as_ref().is_none_or(|source| entry.source == *source))
            .filter(|entry| filter.after.is_none_or(|after| entry.position > after))
            .take(limit)
            .collect();
        let page = self.entries(by, filter).await?;
        same("page", &expected, &page)?;
        Ok(format!("{} entries", page.len()))
    }

    async fn entries(&self, by: usize, filter: Filter) -> Result<Vec<Entry>, String> {
        let inbox = &self.inboxes[by];
        patiently(|| async { inbox.list(filter.clone()).await.map_err(inbox_error) }).await
    }
}

/// What an entry says, by the inbox or by the model.
#[derive(Debug, PartialEq)]
struct Line {
    state: State,
    source: String,
    id: Option<String>,
    event: Option<String>,
    received_at: SystemTime,
    attempts: u32,
    total_attempts: u32,
    revivals: u32,
    last_error: Option<String>,
    expires_at: Option<SystemTime>,
}

impl Line {
    fn of_row(name: Name, row: &rules::Row) -> Self {
        Self {
            state: row.state,
            source: partner::NAMES[name.0].into(),
            id: Some(partner::id(name)),
            event: Some("test".into()),
            received_at: partner::time(row.received_at),
            attempts: row.attempts,
            total_attempts: row.total_attempts,
            revivals: row.revivals,
            last_error: row.last_error.clone(),
            expires_at: row.expires_at.map(partner::time),
        }
    }

    fn of_entry(entry: &Entry) -> Self {
        Self {
            state: entry.state,
            source: entry.source.clone(),
            id: entry.id.clone(),
            event: entry.event.clone(),
            received_at: entry.received_at,
            attempts: entry.attempts,
            total_attempts: entry.total_attempts,
            revivals: entry.revivals,
            last_error: entry.last_error.clone(),
            expires_at: entry.expires_at,
        }
    }
}
