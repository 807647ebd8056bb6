//! How `inhook doctor` is told what the receiver is configured with.

use super::Attack;
use crate::fuzzing::shell::quoted;
use crate::presets;
use crate::scheme::{Part, Scheme};

impl Attack {
    /// The command, but for the time and the request. Secrets are in variables, and a scheme that is no preset is in
    /// a file, which a comment of the shell's says.
    pub(super) fn doctor(&self) -> String {
        let word = |text: &str| quoted(text.as_bytes()).unwrap_or_default();
        let (before, scheme) = match preset(&self.scheme) {
            Some(name) => ("", name),
            None => (
                "# scheme.toml: the attack's scheme, by `Scheme::to_toml` of feature `toml`\n",
                "scheme.toml",
            ),
        };
        let secrets = (1..).zip(self.signers()).map(|(number, signer)| {
            let end = if number == 1 { String::new() } else { format!("_{number}") };
            let label = format!("key_id={}", signer.label());
            let param = self.scheme.key_id.as_ref().map(|_| format!(" --param {}", word(&label)));
            format!(" --secret-env SECRET{end}{}", param.unwrap_or_default())
        });
        let parts = Part::leaves(&self.scheme.content);
        let signs_url = parts.iter().any(|part| matches!(part, Part::Url | Part::Path));
        let url = self.url.as_ref().filter(|_| signs_url);
        let url = url.map(|url| format!(" --url {}", word(url))).unwrap_or_default();
        format!("{before}inhook doctor --scheme {scheme}{}{url}", secrets.collect::<String>())
    }
}

/// The name of the preset that the scheme is, unchanged: the partner's where that is enough.
fn preset(scheme: &Scheme) -> Option<&'static str> {
    let names = presets::all().flat_map(|preset| [preset.provider(), preset.name]);
    names.into_iter().find(|name| presets::find(name).is_some_and(|it| it.scheme == *scheme))
}
