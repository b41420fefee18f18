//! What a run may leave behind: processes, sockets, folders.

use std::path::{Path, PathBuf};

/// Everything of dead runs that is still there: folders of runs, half-made bases and clusters, sockets, processes.
pub fn left_behind(state: &Path) -> Vec<String> {
    let mut found = processes(state);
    for folder in ["runs", "bases", "initdb"] {
        let folder = state.join(folder);
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
            // A cached base or cluster is kept; what was being made of one is not.
            let kept = folder.file_name().is_some_and(|name| name != "runs") && path.extension().is_none();
            if !kept {
                found.push(format!("folder {}", path.display()));
            }
        }
    }
    found.extend(sockets(state).into_iter().map(|path| format!("socket {}", path.display())));
    found
}

/// Live processes that work in the state folder or were started on something in it.
fn processes(state: &Path) -> Vec<String> {
    let state = state.to_string_lossy();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap()) {
        if !entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let process = entry.path();
        // A process that ends meanwhile has neither; that is what is hoped for.
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let directory = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        if command.contains(&*state) || directory.to_string_lossy().starts_with(&*state) {
            found.push(format!("process {}: {command}in {}", process.display(), directory.display()));
        }
    }
    found
}

/// Sockets in the state folder, as the kernel lists them or as files.
fn sockets(state: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let paths = listed.lines().filter_map(|line| line.split_whitespace().nth(7));
    let mut found: Vec<PathBuf> = paths.map(PathBuf::from).filter(|path| path.starts_with(state)).collect();
    found.sort();
    found.dedup();
    found
}
