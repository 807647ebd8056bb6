//! `inhook presets`.

use std::process::ExitCode;

use inhook::presets::{self, Confirmed, Preset};
use serde_json::{Value, json};

use crate::Failed;
use crate::output::{note, say, write};

/// Lists the partners that are known, or shows one as a scheme file.
#[derive(Debug, clap::Args)]
pub(crate) struct Presets {
    /// `twilio`, or `twilio/json-body-sha256` where a partner has several.
    name: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Presets {
    pub(crate) fn run(&self) -> Result<ExitCode, Failed> {
        let Some(name) = &self.name else {
            if self.json {
                say(Value::Array(presets::all().map(as_json).collect()))?;
            } else {
                presets::all().try_for_each(|preset| say(line(preset)))?;
            }
            return Ok(ExitCode::SUCCESS);
        };
        let Some(preset) = presets::find(name) else {
            note(format_args!("there is no preset `{name}`; `inhook presets` lists them"));
            return Ok(ExitCode::from(1));
        };
        match self.json {
            true => say(as_json(preset))?,
            false => write(as_file(preset).as_bytes())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(preset: &Preset) -> String {
    format!("{:<44} {:<16} not signed: {}", preset.name, how(preset.confirmed), preset.unsigned)
}

fn how(confirmed: Confirmed) -> &'static str {
    match confirmed {
        Confirmed::BySource => "source",
        Confirmed::ByDocs => "docs",
        _ => "third parties",
    }
}

fn as_json(preset: &Preset) -> Value {
    json!({
        "name": preset.name,
        "confirmed": how(preset.confirmed),
        "page": preset.page,
        "unsigned": preset.unsigned,
        "scheme": &preset.scheme,
    })
}

fn as_file(preset: &Preset) -> String {
    let head = format!(
        "# {}, known by {}\n# {}\n# Not signed: {}.\n",
        preset.name,
        how(preset.confirmed),
        preset.page,
        preset.unsigned
    );
    head + &preset.scheme.to_toml()
}
