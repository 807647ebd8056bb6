//! The partners that Inhook knows, one constant each.
//!
//! | preset | identity | signed time | what the MAC does not cover |
//! |---|---|---|---|
//! | [`GITHUB`] | delivery id and content | none | the delivery id, the event type |
//! | [`STANDARD_WEBHOOKS`], [`SVIX`] | message id | header | nothing that is used |

mod github;
mod standard_webhooks;

pub use github::GITHUB;
pub use standard_webhooks::{STANDARD_WEBHOOKS, SVIX};
