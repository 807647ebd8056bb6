//! Secrets, which come from the environment and never from the command line.

use inhook::Secret;
use inhook::scheme::Scheme;

use crate::Failed;
use crate::output::note;

/// Where the secrets are, and what they are called.
#[derive(Debug, clap::Args)]
pub(crate) struct Secrets {
    /// The environment variable that has the secret. Again for each further one, as during a rotation.
    /// For a partner whose requests name their key, it may have
    /// `{"public_key":"…","private_key":"…"}`, of which the public one is the name.
    #[arg(long = "secret-env", value_name = "VAR", required = true)]
    secret_env: Vec<String>,
    /// More that the receiver has to know. `key_id=…` is the name of the key, for a partner whose
    /// requests name it; again for each further secret.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
}

/// A secret and the variable that it came from.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) variable: String,
    pub(crate) label: String,
    pub(crate) value: Vec<u8>,
}

impl Named {
    pub(crate) fn secret(&self) -> Secret {
        Secret::new(self.value.clone()).label(self.label.as_str())
    }
}

impl Secrets {
    pub(crate) fn read(&self, scheme: &Scheme) -> Result<Vec<Named>, Failed> {
        let mut key_ids = Vec::new();
        for param in &self.params {
            let (name, value) = param.split_once('=').ok_or("a `--param` is not NAME=VALUE")?;
            match name {
                "key_id" => key_ids.push(value.to_owned()),
                _ if is_name(name) => {
                    return Err(format!("there is no parameter `{name}`; known is `key_id`").into());
                }
                _ => return Err("there is no such parameter; known is `key_id`".into()),
            }
        }
        if key_ids.iter().any(String::is_empty) {
            return Err("a `--param key_id=` has no name".into());
        }
        let mut key_ids = key_ids.into_iter();
        let named = |(at, variable): (usize, &String)| {
            if !is_name(variable) && std::env::var_os(variable).is_none() {
                return Err(Failed::from(
                    "`--secret-env` takes the name of an environment variable, not the secret: others can see a command line",
                ));
            }
            let value = std::env::var_os(variable).ok_or_else(|| match is_usual(variable) {
                true => format!("the environment variable `{variable}` is not set"),
                false => {
                    let at = at.saturating_add(1);
                    format!(
                        "the environment variable that `--secret-env` number {at} names is not set"
                    )
                }
            })?;
            let value = value.into_encoded_bytes();
            let (label, value) = match (scheme.key_id.is_some(), Pair::parse(&value)) {
                (true, Some(pair)) if pair.public_key.is_empty() => {
                    return Err(format!("`public_key` in `{variable}` is empty").into());
                }
                (true, Some(pair)) => (pair.public_key, pair.private_key.into_bytes()),
                (true, None) => (key_ids.next().ok_or(NO_KEY_ID)?, value),
                (false, _) => (variable.clone(), value),
            };
            Ok(Named { variable: variable.clone(), label, value })
        };
        let secrets = self.secret_env.iter().enumerate().map(named).collect();
        if key_ids.len() > 0 {
            let unused = key_ids.len();
            note(format_args!(
                "warning: {unused} of `--param key_id=…` not used: no secret needs it"
            ));
        }
        secrets
    }
}

const NO_KEY_ID: &str = "this partner's requests name the key that signed: give the name of each with `--param key_id=…`, or nothing but `{\"public_key\":…,\"private_key\":…}` in the variable";

/// A key and its name.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    public_key: String,
    private_key: String,
}

impl Pair {
    fn parse(secret: &[u8]) -> Option<Self> {
        serde_json::from_slice(secret).ok()
    }
}

/// Whether it is a name as variables usually have, such as `STRIPE_SECRET`. Of a variable that is not
/// there, any other may be a secret that was given in its place.
fn is_usual(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = name.starts_with(|first: char| first.is_ascii_uppercase());
    begins && name.bytes().all(is_usual) && (name.len() <= 12 || name.contains('_'))
}

/// Whether it is a name, which may be shown, and not a secret that was given in its place.
fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=40).contains(&text.len()) && text.bytes().all(is_letter) && !text.starts_with("whsec_")
}
