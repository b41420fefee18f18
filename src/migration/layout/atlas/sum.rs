//! `atlas.sum`: what the directory held when somebody last vouched for it.

use super::directive;
use crate::migration::MigrationError;
use crate::migration::layout::MigrationFile;
use crate::migration::layout::writing::{File, verbatim};
use crate::migration::source_file::SourceFileError;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Its name.
pub(super) const NAME: &str = "atlas.sum";

/// The hash of each file, in their order, once the whole agrees with `atlas.sum`; a file that asks to be left out has
/// none.
///
/// # Errors
/// A sum that is missing or broken, or a directory that is no longer what it says.
pub(super) fn verify(path: &Path, files: &[MigrationFile]) -> Result<Vec<Option<String>>, MigrationError> {
    let refused = |reason: String| MigrationError::Refused { layout: "atlas", reason };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(refused(format!("{} is not there: write it with `atlas migrate hash`", path.display())));
        }
        Err(source) => return Err(SourceFileError::Read { path: path.to_owned(), source }.into()),
    };
    let mut lines = text.lines();
    let total = lines.next().unwrap_or_default().trim_start_matches("h1:");
    let mut noted = Vec::new();
    for line in lines {
        let Some((name, hash)) = line.split_once("h1:") else {
            let reason =
                format!("{} has a line without a hash: write it anew with `atlas migrate hash`", path.display());
            return Err(refused(reason));
        };
        noted.push((name.trim(), hash));
    }
    let hashes = hashes(files);
    let named = || files.iter().zip(&hashes).filter_map(|(file, hash)| Some((file_name(file), hash.as_deref()?)));
    if total == sum(noted.iter().copied()) && noted.iter().copied().eq(named()) {
        return Ok(hashes);
    }
    let mut pairs = noted.iter().copied().zip(named());
    let first = pairs.find(|(noted, named)| noted != named);
    let count = named().count();
    let where_from = match first {
        Some(((noted, _), (named, _))) if noted == named => format!("{named} was changed"),
        Some(((noted, _), (named, _))) => format!("it has {noted} where {named} is"),
        None if noted.len() > count => format!("{} is gone", noted[count].0),
        None => {
            named().nth(noted.len()).map_or("it was changed itself".to_owned(), |(name, _)| format!("{name} is new"))
        }
    };
    Err(refused(format!(
        "the directory is not what {} says ({where_from}): look at the change, then run `atlas migrate hash`",
        path.display()
    )))
}

fn file_name(file: &MigrationFile) -> &str {
    file.file().path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What `atlas migrate hash` writes for files, given in the order of their names.
pub(super) fn write(files: &[File]) -> String {
    let hashes = chained(files.iter().map(|file| (file.name.as_str(), file.text.as_str())));
    let named = || files.iter().zip(&hashes).filter_map(|(file, hash)| Some((file.name.as_str(), hash.as_deref()?)));
    let lines: String = named().map(|(name, hash)| format!("{name} h1:{hash}\n")).collect();
    format!("h1:{}\n{lines}", sum(named()))
}

/// Each hash goes over all names and contents up to its file.
fn hashes(files: &[MigrationFile]) -> Vec<Option<String>> {
    let texts: Vec<String> = files.iter().map(verbatim).collect();
    chained(files.iter().zip(&texts).map(|(file, text)| (file_name(file), text.as_str())))
}

fn chained<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Option<String>> {
    let mut digest = Sha256::new();
    let hash = |(name, text): (&str, &str)| {
        digest.update(name);
        if text.trim_start_matches('\u{feff}').lines().next().and_then(|line| directive(line, "sum")) == Some("ignore")
        {
            return None;
        }
        digest.update(text);
        Some(base64(&digest.clone().finalize()))
    };
    files.map(hash).collect()
}

/// The hash of names and hashes, which the first line holds.
fn sum<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut digest = Sha256::new();
    for (name, hash) in entries {
        digest.update(name);
        digest.update(hash);
    }
    base64(&digest.finalize())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_fills_up_with_equals_signs() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar?>~", "Zm9vYmFyPz5+")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
