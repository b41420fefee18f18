//! `[copies]`: where copies are made.

use super::value::{CloneFidelityWord, ProviderWord, Text};
use super::{ConfigError, Over};
use crate::cli::CheckArgs;
use crate::copy::provider::clones::{Service, ServiceKind};
use crate::copy::provider::{Commands, Provider};
use crate::copy::url::SecretUrl;
use schemars::JsonSchema;
use std::path::Path;

/// Where copies are made.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CopyKeys {
    /// A server of the run's own for each copy (private), databases of an existing server (server), or what a command hands
    /// out (command); left out: as the other keys of this table have it, else private.
    pub provider: Option<ProviderWord>,
    /// The existing server: postgres://USER@HOST/DATABASE, with a database that is there already. SEATRIAL_COPIES_URL keeps
    /// a password out of this file.
    pub url: Option<Text>,
    /// A line for the shell that makes a clone and prints its postgres:// address as its last line; only with
    /// --run-command.
    pub create: Option<Text>,
    /// A line for the shell that removes the clone named by SEATRIAL_COPY_NAME and SEATRIAL_COPY_URL.
    pub destroy: Option<Text>,
    /// How near such clones are to the original; left out: nothing is promised, and reports say subset.
    pub fidelity: Option<CloneFidelityWord>,
}

impl Over for CopyKeys {
    fn over(self, below: Self) -> Self {
        Self {
            provider: self.provider.or(below.provider),
            url: self.url.or(below.url),
            create: self.create.or(below.create),
            destroy: self.destroy.or(below.destroy),
            fidelity: self.fidelity.or(below.fidelity),
        }
    }
}

fn refused<T>(message: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::Value { option: "copies", message: message.into() })
}

impl CopyKeys {
    /// Where copies are made, by these keys under the options. `folder` is the file's.
    ///
    /// # Errors
    /// Keys that do not go together, an address that cannot be read, or a command that was not allowed.
    pub(super) fn resolve(self, args: &CheckArgs, folder: &Path) -> Result<Provider, ConfigError> {
        let option = args.copies_url.as_deref().map(|url| ("--copies-url", url));
        let url = option.or(self.url.as_ref().map(|url| ("copies.url", url.0.as_str())));
        let commands = self.create.is_some() || self.destroy.is_some();
        let provider = match (&self.provider, option.is_some(), self.url.is_some(), commands) {
            // Who gives an address means it, whatever the file says.
            (_, true, _, _) => "server",
            (Some(provider), _, _, _) => provider.0,
            (None, _, true, true) => return refused("`url` is a server's, `create` a command's: give `provider`, too"),
            (None, _, true, false) => "server",
            (None, _, false, true) => "command",
            (None, _, false, false) => "private",
        };
        match provider {
            "server" => match url {
                Some((option, url)) => match SecretUrl::parse(url) {
                    Ok(url) => Ok(Provider::Server(url)),
                    Err(error) => Err(ConfigError::Value {
                        option,
                        message: error.to_string().replace("the source URL", "the address of the server"),
                    }),
                },
                None => refused(
                    "the provider `server` needs the address of one: `url`, --copies-url, or SEATRIAL_COPIES_URL",
                ),
            },
            "command" => self.commands(args, folder),
            _ => Ok(Provider::Private),
        }
    }

    fn commands(self, args: &CheckArgs, folder: &Path) -> Result<Provider, ConfigError> {
        let (Some(create), Some(destroy)) = (self.create, self.destroy) else {
            return refused("the provider `command` needs both `create` and `destroy`");
        };
        if args.run_command != Some(true) {
            return refused(format!(
                "`{}` is the project's own code and would run on this machine with your rights: allow it with --run-command \
                 (or SEATRIAL_RUN_COMMAND=true), or leave [copies] out",
                create.0
            ));
        }
        let commands = Commands { create: create.0, destroy: destroy.0, directory: folder.to_owned() };
        let fidelity = self.fidelity.map(|fidelity| fidelity.0);
        Ok(Provider::Clones(Service { kind: ServiceKind::Command(commands), fidelity, origin: None }))
    }
}
