//! Files of this repository that inputs are made of.

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below some folders whose name ends so, sorted.
pub fn files(folders: &[&str], end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), end, &mut found);
    }
    found.sort();
    assert!(!found.is_empty(), "nothing ends in {end} below {folders:?}");
    found
}

fn collect(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, end, found);
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
}

/// Texts of files of at most so many bytes.
pub fn texts(folders: &[&str], end: &str, most: u64) -> Vec<String> {
    let small = |path: &PathBuf| fs::metadata(path).unwrap().len() <= most;
    files(folders, end).into_iter().filter(small).map(|path| fs::read_to_string(path).unwrap()).collect()
}
