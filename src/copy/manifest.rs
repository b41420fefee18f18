//! The files of a base, as they were when it was made. A base that was cut short, changed or half copied since is made
//! anew: a copy of it would answer, and wrongly.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Path below a data directory, and a file's size and time of change in seconds, as archives of caches keep it.
type Files = BTreeMap<String, (u64, i64)>;

/// A text with a line for each file of a data directory.
///
/// # Errors
/// It cannot be read.
pub(super) fn of(data_dir: &Path) -> io::Result<String> {
    let mut files = Files::new();
    collect(data_dir, "", &mut files)?;
    Ok(files.iter().map(|(path, (size, changed))| format!("{size} {changed} {path}\n")).collect())
}

/// Whether a data directory is as its manifest says.
pub(super) fn holds(manifest: &Path, data_dir: &Path) -> bool {
    let (then, now) = (std::fs::read_to_string(manifest), of(data_dir));
    matches!((then, now), (Ok(then), Ok(now)) if then == now)
}

fn collect(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, (metadata.len(), metadata.mtime()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn whatever_is_done_to_a_file_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, manifest) = (folder.path().join("data"), folder.path().join("manifest"));
        fs::create_dir_all(data.join("base/5")).expect("folders");
        let table = data.join("base/5/1259");
        let whole = || {
            fs::write(&table, [7; 100]).expect("a table");
            fs::write(data.join("PG_VERSION"), "15\n").expect("a version");
            fs::write(&manifest, of(&data).expect("read")).expect("written");
            assert!(holds(&manifest, &data));
        };
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        let open = || fs::File::options().write(true).open(&table).expect("there");
        let damages: [(&str, &dyn Fn()); 5] = [
            ("cut short", &|| open().set_len(99).expect("cut")),
            ("changed", &|| open().set_modified(later).expect("changed")),
            ("gone", &|| fs::remove_file(&table).expect("gone")),
            ("one too many", &|| fs::write(data.join("recovery.signal"), "").expect("added")),
            ("no manifest", &|| fs::remove_file(&manifest).expect("gone")),
        ];
        for (what, damage) in damages {
            whole();
            damage();
            assert!(!holds(&manifest, &data), "{what}");
            let _ = fs::remove_file(data.join("recovery.signal"));
        }
    }
}
