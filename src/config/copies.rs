//! `[copies]`: where copies are made.

use super::value::{CloneFidelityWord, ProviderWord, Text};
use super::{ConfigError, Over};
use crate::cli::CheckArgs;
use crate::copy::provider::clones::{Service, ServiceKind};
use crate::copy::provider::dblab::{self, Dblab, DblabOptions};
use crate::copy::provider::http::{Limits, Secret, SetupError};
use crate::copy::provider::neon::{self, Neon, NeonOptions};
use crate::copy::provider::service::{CloneService, Pace};
use crate::copy::provider::{Commands, Hosted, Provider};
use crate::copy::url::SecretUrl;
use schemars::JsonSchema;
use std::path::Path;
use std::sync::Arc;

/// Where copies are made.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CopyKeys {
    /// A server of the run's own for each copy (private), databases of an existing server (server), what a command hands
    /// out (command), or clones of a service (dblab, neon); left out: as the other keys of this table have it, else private.
    pub provider: Option<ProviderWord>,
    /// The existing server: postgres://USER@HOST/DATABASE, with a database that is there already. SEATRIAL_COPIES_URL keeps
    /// a password out of this file.
    pub url: Option<Text>,
    /// A line for the shell that makes a clone and prints its postgres:// address as its last line; only with
    /// --run-command.
    pub create: Option<Text>,
    /// A line for the shell that removes the clone named by SEATRIAL_COPY_NAME and SEATRIAL_COPY_URL.
    pub destroy: Option<Text>,
    /// How near such clones are to the original; left out: what a service says, else nothing is promised, and reports say
    /// subset.
    pub fidelity: Option<CloneFidelityWord>,
    /// The id of a Neon project.
    pub project: Option<Text>,
    /// The branch clones are made of: a name at DBLab, an id at Neon; left out: the service's default.
    pub branch: Option<Text>,
    /// The snapshot at DBLab clones are made of; left out: the newest.
    pub snapshot: Option<Text>,
    /// The database in each clone. Neon may be left to say it where there is one.
    pub database: Option<Text>,
    /// The user who works in each clone: made there by DBLab, a role of the branch at Neon.
    pub user: Option<Text>,
    /// Whether DBLab makes that user a superuser of the clone.
    pub superuser: Option<bool>,
    /// Where DBLab's clones are reached, when the engine names an address that only it can use.
    pub host: Option<Text>,
    /// Send the token of a service unencrypted, where the network to it is trusted.
    pub insecure: Option<bool>,
}

impl Over for CopyKeys {
    fn over(self, below: Self) -> Self {
        Self {
            provider: self.provider.or(below.provider),
            url: self.url.or(below.url),
            create: self.create.or(below.create),
            destroy: self.destroy.or(below.destroy),
            fidelity: self.fidelity.or(below.fidelity),
            project: self.project.or(below.project),
            branch: self.branch.or(below.branch),
            snapshot: self.snapshot.or(below.snapshot),
            database: self.database.or(below.database),
            user: self.user.or(below.user),
            superuser: self.superuser.or(below.superuser),
            host: self.host.or(below.host),
            insecure: self.insecure.or(below.insecure),
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
        if let Some(kind @ ("dblab" | "neon")) = self.provider.as_ref().map(|word| word.0)
            && args.copies_url.as_ref().is_none_or(|url| url.starts_with("http"))
        {
            return self.service(kind, args.copies_url.as_deref());
        }
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

    /// A service of clones. Its token comes from the environment, and so does the address the token is sent to: a change of
    /// `seatrial.toml` in somebody's branch must not carry it elsewhere.
    fn service(self, kind: &str, url: Option<&str>) -> Result<Provider, ConfigError> {
        if self.url.is_some() {
            return refused(format!(
                "the address of `{kind}` gets its token, so it is not taken from this file: leave `url` out, and set \
                 SEATRIAL_COPIES_URL or give --copies-url"
            ));
        }
        let text = |text: Option<Text>| text.map(|text| text.0);
        let insecure = self.insecure == Some(true);
        let wrong = |error: SetupError| ConfigError::Value { option: "copies", message: error.to_string() };
        let service: Arc<dyn CloneService> = if kind == "dblab" {
            let Some(url) = url else {
                return refused(
                    "the provider `dblab` needs the address of an engine: SEATRIAL_COPIES_URL or --copies-url, as \
                     https://HOST[:PORT][/api]",
                );
            };
            let options = DblabOptions {
                url: url.to_owned(),
                insecure,
                branch: text(self.branch),
                snapshot: text(self.snapshot),
                database: text(self.database).unwrap_or_default(),
                user: text(self.user),
                superuser: self.superuser == Some(true),
                host: text(self.host),
            };
            let token = Secret::from_environment(dblab::TOKEN).map_err(wrong)?;
            Arc::new(Dblab::new(options, token, Limits::default()).map_err(wrong)?)
        } else {
            let options = NeonOptions {
                url: url.map(str::to_owned),
                insecure,
                project: text(self.project).unwrap_or_default(),
                parent: text(self.branch),
                database: text(self.database),
                role: text(self.user),
            };
            let token = Secret::from_environment(neon::TOKEN).map_err(wrong)?;
            Arc::new(Neon::new(options, token, Limits::default()).map_err(wrong)?)
        };
        let fidelity = self.fidelity.map(|fidelity| fidelity.0);
        let kind = ServiceKind::Hosted(Hosted::new(service, Pace::default()));
        Ok(Provider::Clones(Service { kind, fidelity, origin: None }))
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
