//! The partners that Inhook knows, one constant each.
//!
//! | preset | identity | signed time | what the MAC does not cover |
//! |---|---|---|---|
//! | [`GITHUB`] | delivery id and content | none | the delivery id, the event type |
//! | [`SHOPIFY`] | webhook id and content | none | the webhook id, the topic, the shop's domain |
//! | [`SLACK`] | content | header | the headers that count retries |
//! | [`STANDARD_WEBHOOKS`], [`SVIX`] | message id | header | nothing that is used |
//! | [`STRIPE`] | event id | in the signature header | nothing that is used |

mod github;
mod shopify;
mod slack;
mod standard_webhooks;
mod stripe;

pub use github::GITHUB;
pub use shopify::SHOPIFY;
pub use slack::SLACK;
pub use standard_webhooks::{STANDARD_WEBHOOKS, SVIX};
pub use stripe::STRIPE;
