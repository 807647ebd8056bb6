//! [`Events`]: which handler runs for which event.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde::de::DeserializeOwned;
use tower_service::Service;

use crate::error::{BoxFuture, ConfigError};
use crate::inbox::Job;
use crate::payload;
use crate::retry::Failure;

/// Routes jobs to handlers by event type and source: the usual handler of a
/// [`Worker`](crate::Worker).
///
/// A handler gets an [`Event`] with the payload as the type it asks for, and returns `Ok(())`, or a
/// [`Handled`], or any error. A payload that does not deserialize is a permanent failure that names
/// the field, so it waits among the dead letters until the type is mended.
///
/// ```
/// use inhook::{Event, Events, Failure};
///
/// #[derive(serde::Deserialize)]
/// struct Push { r#ref: String }
///
/// let events = Events::builder()
///     .on("push", |event: Event<Push>| async move {
///         println!("{} was pushed, {}", event.payload.r#ref, event.key());
///         Ok::<_, Failure>(())
///     })
///     .build()?;
/// # Ok::<(), inhook::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Events {
    table: Arc<Table>,
}

impl Events {
    /// A table without handlers, in which every event is skipped.
    pub fn builder() -> EventsBuilder {
        EventsBuilder { table: Table::default(), wrong: None }
    }
}

impl Service<Job> for Events {
    type Response = Handled;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Handled, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, job: Job) -> Self::Future {
        match self.table.find(&job) {
            Some(Handler(handler)) => handler(job),
            None => Box::pin(std::future::ready(self.table.unhandled(&job))),
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

/// Registers handlers; everything is checked once, in [`build`](Self::build).
#[must_use = "nothing is handled until `build` is called"]
pub struct EventsBuilder {
    table: Table,
    wrong: Option<ConfigError>,
}

impl EventsBuilder {
    /// Handles events of a type, from any source.
    pub fn on<T, H, F, R, E>(mut self, event: impl Into<String>, handler: H) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        H: Fn(Event<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Handled>,
        E: Into<Failure>,
    {
        let event = event.into();
        if self.table.any_source.insert(event.clone(), boxed(handler)).is_some() {
            self.wrong.get_or_insert(ConfigError::DuplicateHandler { event, source_name: None });
        }
        self
    }

    /// Handles events of a type from one source; it goes before [`on`](Self::on).
    pub fn on_from<T, H, F, R, E>(
        mut self,
        source: impl Into<String>,
        event: impl Into<String>,
        handler: H,
    ) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        H: Fn(Event<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Handled>,
        E: Into<Failure>,
    {
        let (source, event) = (source.into(), event.into());
        let handlers = self.table.one_source.entry(source.clone()).or_default();
        if handlers.insert(event.clone(), boxed(handler)).is_some() {
            let source_name = Some(source);
            self.wrong.get_or_insert(ConfigError::DuplicateHandler { event, source_name });
        }
        self
    }

    /// Handles everything else, whatever its type and payload.
    pub fn fallback<H, F, R, E>(mut self, handler: H) -> Self
    where
        H: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Handled>,
        E: Into<Failure>,
    {
        let handler = move |job| finish(handler(job));
        if self.table.fallback.replace(Handler(Box::new(handler))).is_some() {
            let event = "fallback".into();
            self.wrong.get_or_insert(ConfigError::DuplicateHandler { event, source_name: None });
        }
        self
    }

    /// What becomes of events that nothing handles.
    pub fn unhandled(mut self, unhandled: Unhandled) -> Self {
        self.table.unhandled = unhandled;
        self
    }

    /// The table.
    ///
    /// # Errors
    ///
    /// Two handlers were registered for the same events.
    pub fn build(self) -> Result<Events, ConfigError> {
        match self.wrong {
            Some(error) => Err(error),
            None => Ok(Events { table: Arc::new(self.table) }),
        }
    }
}

impl fmt::Debug for EventsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

/// A job with its payload. It derefs to the [`Job`], which has the id, the key and the headers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event<T> {
    /// The body, as the type that the handler asked for.
    pub payload: T,
    /// The job.
    pub job: Job,
}

impl<T> Deref for Event<T> {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

/// How a handler ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "handlers match on it")]
pub enum Handled {
    /// It did its work.
    Done,
    /// There was nothing to do. The job is kept and listed like a handled one.
    Skipped,
}

impl From<()> for Handled {
    fn from((): ()) -> Self {
        Self::Done
    }
}

/// What becomes of events that nothing handles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unhandled {
    /// They are skipped: kept, listed, and replayable once there is a handler.
    #[default]
    Skip,
    /// They become dead letters at once.
    Dead,
}

/// A handler that has lost the types of its payload and of its future.
struct Handler(Box<dyn Fn(Job) -> BoxFuture<'static, Result<Handled, Failure>> + Send + Sync>);

#[derive(Default)]
struct Table {
    any_source: HashMap<String, Handler>,
    one_source: HashMap<String, HashMap<String, Handler>>,
    fallback: Option<Handler>,
    unhandled: Unhandled,
}

impl Table {
    fn find(&self, job: &Job) -> Option<&Handler> {
        let named = job.event().and_then(|event| {
            let one = self.one_source.get(job.source()).and_then(|handlers| handlers.get(event));
            one.or_else(|| self.any_source.get(event))
        });
        named.or(self.fallback.as_ref())
    }

    fn unhandled(&self, job: &Job) -> Result<Handled, Failure> {
        match self.unhandled {
            Unhandled::Skip => Ok(Handled::Skipped),
            Unhandled::Dead => Err(Failure::permanent(match job.event() {
                Some(event) => format!("no handler for event `{event}`"),
                None => "no handler for an event without a type".into(),
            })),
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.any_source.keys().map(String::as_str).collect();
        names.sort_unstable();
        f.debug_struct("Events")
            .field("on", &names)
            .field("on_from", &self.one_source.keys())
            .field("fallback", &self.fallback.is_some())
            .field("unhandled", &self.unhandled)
            .finish()
    }
}

fn boxed<T, H, F, R, E>(handler: H) -> Handler
where
    T: DeserializeOwned + Send + 'static,
    H: Fn(Event<T>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Into<Handled>,
    E: Into<Failure>,
{
    Handler(Box::new(move |job: Job| match payload::from_json(job.body()) {
        Ok(payload) => finish(handler(Event { payload, job })),
        Err(error) => Box::pin(std::future::ready(Err(Failure::permanent(error)))),
    }))
}

fn finish<F, R, E>(future: F) -> BoxFuture<'static, Result<Handled, Failure>>
where
    F: Future<Output = Result<R, E>> + Send + 'static,
    R: Into<Handled>,
    E: Into<Failure>,
{
    Box::pin(async move { future.await.map(Into::into).map_err(Into::into) })
}
