//! The partners that Inhook knows, one constant for each way in which they sign.

use super::Scheme;

mod ably;
mod adyen;
mod airtable;
mod anthropic;
mod asana;
mod bigcommerce;
mod bitbucket;
mod box_;
mod braintree;
mod buildkite;
mod calcom;
mod calendly;
mod checkout_com;
mod circleci;
mod clerk;
mod coinbase_commerce;
mod convoy;
mod cursor;
mod docusign;
mod dropbox;
mod dropbox_sign;
mod easypost;
mod elevenlabs;
mod generic;
mod gitea;
mod github;
mod gitlab;
mod gocardless;
mod heroku;
mod hookdeck;
mod hubspot;
mod inngest;
mod intercom;
mod kontent_ai;
mod lemonsqueezy;
mod line;
mod linear;
mod lithic;
mod liveblocks;
mod mailersend;
mod mailgun;
mod mailtrap;
mod mandrill;
mod mercadopago;
mod meta;
mod modern_treasury;
mod mollie;
mod mux;
mod notion;
mod openai;
mod paddle;
mod pagerduty;
mod persona;
mod polar;
mod pusher;
mod razorpay;
mod recurly;
mod replicate;
mod resend;
mod sanity;
mod sentry;
mod shopify;
mod slack;
mod square;
mod standard_webhooks;
mod stripe;
mod tebex;
mod trello;
mod twilio;
mod twitch;
mod typeform;
mod vercel;
mod viber;
mod webflow;
mod woocommerce;
mod workos;
mod x_twitter;
mod xero;
mod zendesk;
mod zoom;

/// A partner that Inhook knows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Preset {
    /// The partner and the way in which it signs: `twilio/json-body-sha256`.
    pub name: &'static str,
    /// How it signs.
    pub scheme: Scheme,
    /// How sure that is.
    pub confirmed: Confirmed,
    /// The partner's own page about it.
    pub page: &'static str,
    /// What is used of a request, or could be, and is not authenticated.
    pub unsigned: &'static str,
}

/// How sure it is that a partner signs as its preset says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmed {
    /// By the source of the partner's own library or server.
    BySource,
    /// By the partner's documentation.
    ByDocs,
    /// By third parties' code or documentation only.
    ByThirdParty,
}

impl Preset {
    /// The partner.
    pub fn provider(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(provider, _)| provider)
    }
}

/// All presets, by the name of the partner. Of several of one partner, the first is the one that it
/// recommends now.
pub fn all() -> impl Iterator<Item = &'static Preset> {
    ALL.iter().copied().flatten()
}

/// The preset with this name: `twilio/json-body-sha256`, or `twilio` for the one that the partner
/// recommends now.
///
/// ```
/// use inhook::presets;
///
/// assert_eq!(presets::find("twilio").unwrap().scheme, presets::TWILIO);
/// assert_eq!(presets::find("twilio/json-body-sha256").unwrap().scheme, presets::TWILIO_JSON);
/// assert!(presets::find("nobody").is_none());
/// ```
pub fn find(name: &str) -> Option<&'static Preset> {
    all().find(|preset| preset.name == name || preset.provider() == name)
}

/// The constants of each file, in public, and all of its presets in the list.
macro_rules! partners {
    ($($partner:ident => $($preset:ident),+;)+) => {
        $(pub use $partner::{$($preset),+};)+
        static ALL: &[&[Preset]] = &[$($partner::PRESETS),+];
    };
}

partners! {
    ably => ABLY;
    adyen => ADYEN, ADYEN_PLATFORM;
    airtable => AIRTABLE;
    anthropic => ANTHROPIC;
    asana => ASANA;
    bigcommerce => BIGCOMMERCE;
    bitbucket => BITBUCKET;
    box_ => BOX, BOX_SECONDARY;
    braintree => BRAINTREE;
    buildkite => BUILDKITE;
    calcom => CALCOM;
    calendly => CALENDLY;
    checkout_com => CHECKOUT_COM;
    circleci => CIRCLECI;
    clerk => CLERK;
    coinbase_commerce => COINBASE_COMMERCE;
    convoy => CONVOY, CONVOY_BASE64, CONVOY_SHA512, CONVOY_SHA512_BASE64, CONVOY_SIMPLE, CONVOY_SIMPLE_BASE64, CONVOY_SIMPLE_SHA512, CONVOY_SIMPLE_SHA512_BASE64;
    cursor => CURSOR;
    docusign => DOCUSIGN;
    dropbox => DROPBOX;
    dropbox_sign => DROPBOX_SIGN;
    easypost => EASYPOST;
    elevenlabs => ELEVENLABS;
    generic => GENERIC;
    gitea => GITEA;
    github => GITHUB;
    gitlab => GITLAB;
    gocardless => GOCARDLESS;
    heroku => HEROKU;
    hookdeck => HOOKDECK;
    hubspot => HUBSPOT;
    inngest => INNGEST;
    intercom => INTERCOM;
    kontent_ai => KONTENT_AI;
    lemonsqueezy => LEMONSQUEEZY;
    line => LINE;
    linear => LINEAR;
    lithic => LITHIC;
    liveblocks => LIVEBLOCKS;
    mailersend => MAILERSEND;
    mailgun => MAILGUN, MAILGUN_FORM;
    mailtrap => MAILTRAP;
    mandrill => MANDRILL;
    mercadopago => MERCADOPAGO;
    meta => META;
    modern_treasury => MODERN_TREASURY;
    mollie => MOLLIE;
    mux => MUX;
    notion => NOTION;
    openai => OPENAI;
    paddle => PADDLE;
    pagerduty => PAGERDUTY;
    persona => PERSONA;
    polar => POLAR;
    pusher => PUSHER;
    razorpay => RAZORPAY;
    recurly => RECURLY;
    replicate => REPLICATE;
    resend => RESEND;
    sanity => SANITY;
    sentry => SENTRY;
    shopify => SHOPIFY, SHOPIFY_EVENTS;
    slack => SLACK;
    square => SQUARE;
    standard_webhooks => STANDARD_WEBHOOKS, SVIX;
    stripe => STRIPE;
    tebex => TEBEX;
    trello => TRELLO;
    twilio => TWILIO, TWILIO_JSON;
    twitch => TWITCH;
    typeform => TYPEFORM;
    vercel => VERCEL;
    viber => VIBER;
    webflow => WEBFLOW;
    woocommerce => WOOCOMMERCE;
    workos => WORKOS;
    x_twitter => X_TWITTER;
    xero => XERO;
    zendesk => ZENDESK;
    zoom => ZOOM;
}
