use super::*;
use std::process::{Command, Stdio};

fn state() -> (tempfile::TempDir, StateDir) {
    let folder = tempfile::tempdir().expect("a folder");
    set_mode(folder.path(), 0o711).expect("its owner may");
    let state = StateDir::open(Some(&folder.path().join("deep/cache"))).expect("a state folder");
    (folder, state)
}

/// A run's folder as `kill -9` leaves it: everything there, the lock free.
fn dead_run(state: &StateDir, id: &str) -> PathBuf {
    let path = state.runs().join(id);
    state.make_passage(&path).expect("a folder");
    open_lock(&path.join("lock")).expect("a lock");
    path
}

#[test]
fn a_run_s_folder_goes_with_the_last_clone() {
    let (_folder, state) = state();
    let run = RunDir::create(&state).expect("a run");
    let clone = run.clone();
    assert!(run.socket_dir().is_dir());
    assert_ne!(run.fresh_path("data"), run.fresh_path("data"));
    drop(run);
    let path = clone.path().to_owned();
    assert!(path.is_dir());
    drop(clone);
    assert!(!path.exists());
}

#[test]
fn a_sweep_leaves_the_living_alone_and_removes_the_dead() {
    let (_folder, state) = state();
    let living = RunDir::create(&state).expect("a run");
    let dead = dead_run(&state, "dead");
    let without_lock = state.runs().join("cut-off");
    state.make_passage(&without_lock).expect("a folder");

    let done = sweep(&state).expect("swept");
    assert!(living.path().is_dir());
    assert!(!dead.exists() && !without_lock.exists());
    assert_eq!(done.len(), 2, "{done:?}");
    assert_eq!(sweep(&state).expect("swept"), Vec::<String>::new());
}

#[test]
fn a_sweep_kills_only_the_process_that_was_written_down() {
    let (_folder, state) = state();
    let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("sleep");
    let started = crate::engine::postgres::launch::process::start_time(child.id()).expect("it lives");

    let run = dead_run(&state, "other");
    std::fs::write(run.join("servers"), format!("{} {}\n", child.id(), started + 1)).expect("a list");
    sweep(&state).expect("swept");
    assert_eq!(child.try_wait().expect("a child"), None, "same pid, other start: another process");

    let run = dead_run(&state, "same");
    std::fs::write(run.join("servers"), format!("{} {started}\n", child.id())).expect("a list");
    let done = sweep(&state).expect("swept");
    assert!(!child.wait().expect("a child").success());
    assert!(done[0].contains("one process ended"), "{done:?}");
}

#[test]
fn a_long_path_moves_the_sockets_out_and_both_ends_bring_them_back() {
    let folder = tempfile::tempdir().expect("a folder");
    set_mode(folder.path(), 0o711).expect("its owner may");
    let long = folder.path().join("x".repeat(150));
    let state = StateDir::open(Some(&long)).expect("a state folder");

    let run = RunDir::create(&state).expect("a run");
    let outside = run.socket_dir().to_owned();
    assert!(outside.starts_with("/tmp") && outside.is_dir(), "{}", outside.display());
    assert_eq!(outside.metadata().expect("its mode").permissions().mode() & 0o777, 0o700);
    drop(run);
    assert!(!outside.exists());

    let id = format!("dead{}", std::process::id());
    let dead = dead_run(&state, &id);
    let outside = PathBuf::from(format!("/tmp/seatrial-{id}"));
    std::fs::create_dir(&outside).expect("a folder outside");
    std::fs::write(dead.join("socket-folder"), outside.to_str().expect("text")).expect("written");
    sweep(&state).expect("swept");
    assert!(!outside.exists() && !dead.exists());
}

#[test]
fn a_sweep_never_removes_what_a_run_cannot_have_made() {
    let (folder, state) = state();
    let precious = folder.path().join("precious");
    std::fs::create_dir(&precious).expect("a folder");
    let dead = dead_run(&state, "forged");
    std::fs::write(dead.join("socket-folder"), precious.to_str().expect("text")).expect("written");
    sweep(&state).expect("swept");
    assert!(precious.is_dir() && !dead.exists());
}

/// What is known of a base of these tests: that it is there.
fn there(folder: &Path) -> Option<()> {
    folder.is_dir().then_some(())
}

#[tokio::test]
async fn a_base_is_made_once_and_a_half_made_one_vanishes() {
    let (_folder, state) = state();
    let BaseSlot::Missing(partial) = state.base("key", there).await.expect("a slot") else { panic!("nobody made it") };
    std::fs::write(partial.path().join("content"), "x").expect("written");
    assert_eq!(sweep(&state).expect("swept"), Vec::<String>::new(), "its maker lives");

    let waiting = state.base("key", there);
    let publishing = async move { partial.publish() };
    let (slot, published) = tokio::join!(waiting, publishing);
    let BaseSlot::Ready(ready, ()) = slot.expect("a slot") else { panic!("it was made meanwhile") };
    assert_eq!(ready.folder(), published.expect("renamed").folder());
    assert!(ready.folder().join("content").is_file());

    let BaseSlot::Missing(given_up) = state.base("other", there).await.expect("a slot") else {
        panic!("nobody made it")
    };
    let path = given_up.path().to_owned();
    drop(given_up);
    assert!(!path.exists());

    state.make_passage(&path).expect("as a killed process leaves it");
    assert_eq!(sweep(&state).expect("swept").len(), 1);
    assert!(!path.exists() && ready.folder().is_dir());
}

#[tokio::test]
async fn clearing_leaves_a_base_somebody_uses_and_nobody_waits_for_its_user() {
    let (_folder, state) = state();
    let path = state.bases().join("key");
    let BaseSlot::Missing(partial) = state.base("key", there).await.expect("a slot") else { panic!("nobody made it") };
    let published = partial.publish().expect("renamed");
    assert_eq!(state.clear_caches().expect("cleared"), Vec::<String>::new());
    assert!(path.is_dir());
    let slot = state.base("key", there).await.expect("a slot");
    assert!(matches!(slot, BaseSlot::Ready(..)), "{slot:?}");
    drop(published);
    assert_eq!(state.clear_caches().expect("cleared"), Vec::<String>::new(), "the second one uses it still");
    drop(slot);
    assert_eq!(state.clear_caches().expect("cleared"), [format!("removed {}", path.display())]);
    assert!(!path.exists());
}

#[test]
fn clearing_leaves_a_dump_that_is_being_taken_or_read() {
    let (_folder, state) = state();
    let dumps = state.root().join("dumps");
    std::fs::create_dir(&dumps).expect("a folder");
    for name in ["a.dump", "a.partial", "b.dump", "b.lock"] {
        std::fs::write(dumps.join(name), "x").expect("written");
    }
    let lock = open_lock(&dumps.join("a.lock")).expect("a lock");
    lock.lock().expect("taken");
    state.clear_caches().expect("cleared");
    let left = || {
        let names = std::fs::read_dir(&dumps).expect("there").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    };
    // Locks stay: who waits for one has its file open, and whoever came later would lock another.
    assert_eq!(left(), ["a.dump", "a.lock", "a.partial", "b.lock"]);
    drop(lock);
    state.clear_caches().expect("cleared");
    assert_eq!(left(), ["a.lock", "b.lock"]);
}

#[test]
fn root_is_told_which_folder_keeps_its_servers_user_out() {
    if !nix::unistd::geteuid().is_root() {
        return; // Servers run as the caller then.
    }
    let folder = tempfile::tempdir().expect("a folder");
    set_mode(folder.path(), 0o700).expect("its owner may");
    let message = StateDir::open(Some(&folder.path().join("cache"))).expect_err("closed").to_string();
    let closed = folder.path().canonicalize().expect("its real name");
    assert!(message.contains(&format!("cannot enter {}", closed.display())), "{message}");
}

/// A base of so many bytes, used at a moment, in seconds after the epoch.
fn base_of(state: &StateDir, key: &str, bytes: usize, used: u64) -> PathBuf {
    let path = state.bases().join(key);
    state.make_passage(&path).expect("a folder");
    std::fs::write(path.join("data"), vec![b'x'; bytes]).expect("written");
    let lock = open_lock(&path.with_extension("users")).expect("a lock");
    lock.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(used)).expect("a time");
    path
}

#[test]
fn the_cache_keeps_what_was_used_last_and_what_is_in_use() {
    let (_folder, state) = state();
    let (first, second, third) =
        (base_of(&state, "c", 1 << 20, 10), base_of(&state, "a", 1 << 20, 20), base_of(&state, "b", 1 << 20, 30));
    let dumps = state.root().join("dumps");
    std::fs::create_dir(&dumps).expect("a folder");
    std::fs::write(dumps.join("old.dump"), vec![b'x'; 1 << 20]).expect("written");
    assert_eq!(state.trim_caches(8 << 20).expect("trimmed"), Vec::<String>::new());

    let in_use = open_lock(&first.with_extension("users")).expect("a lock");
    in_use.lock_shared().expect("taken");
    let removed = state.trim_caches(5 << 19).expect("trimmed");
    assert!(first.is_dir() && third.is_dir(), "{removed:?}");
    assert!(!second.exists() && !dumps.join("old.dump").exists(), "{removed:?}");
    let [dump, base] = removed.as_slice() else { panic!("{removed:?}") };
    assert!(dump.contains("old.dump") && base.contains("bases/a, 1.0 MB, unused for longest"), "{removed:?}");
    assert!(base.ends_with("more than 2.5 MB is in the cache (--max-cache)"), "{base}");

    let making = open_lock(&third.with_extension("lock")).expect("a lock");
    making.lock().expect("taken");
    assert_eq!(state.trim_caches(0).expect("trimmed"), Vec::<String>::new(), "one is used, one is being made");
    drop((in_use, making));
    assert_eq!(state.trim_caches(0).expect("trimmed").len(), 2);
}

#[tokio::test]
async fn a_base_that_is_used_is_not_the_oldest_any_more() {
    let (_folder, state) = state();
    let (one, two) = (base_of(&state, "one", 1 << 20, 10), base_of(&state, "two", 1 << 20, 20));
    let BaseSlot::Ready(used, ()) = state.base("one", there).await.expect("there") else { panic!("whole") };
    drop(used);
    state.trim_caches(1 << 20).expect("trimmed");
    assert!(one.is_dir() && !two.exists());
}

/// Files and folders in the cache of bases.
fn in_bases(state: &StateDir) -> Vec<String> {
    let entries = std::fs::read_dir(state.bases()).expect("there").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().expect("text")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn locks_of_bases_go_with_them_and_those_of_others_stay() {
    let (_folder, state) = state();
    let make = async |key: &str| match state.base(key, there).await.expect("a slot") {
        BaseSlot::Missing(partial) => partial,
        ready @ BaseSlot::Ready(..) => panic!("nobody made it: {ready:?}"),
    };
    let old = make("old").await;
    std::fs::write(old.path().join("data"), [b'x'; 1 << 13]).expect("written");
    drop(old.publish().expect("renamed"));
    drop(make("never-made").await);
    let used = make("used").await.publish().expect("renamed");
    let making = make("making").await;
    state.trim_caches(0).expect("trimmed");
    assert_eq!(in_bases(&state), ["making.lock", "making.partial", "used", "used.lock", "used.users"]);
    drop((used, making));
    state.clear_caches().expect("cleared");
    assert_eq!(in_bases(&state), Vec::<String>::new());
}

#[tokio::test]
async fn who_waited_for_a_lock_that_was_removed_takes_the_one_that_others_find() {
    let (_folder, state) = state();
    let path = state.bases().join("key.lock");
    let removed = open_lock(&path).expect("a lock");
    removed.lock().expect("taken");
    let mut waiting = std::pin::pin!(state.base("key", there));
    // It has opened the lock, and waits for it.
    assert!(futures_util::FutureExt::now_or_never(waiting.as_mut()).is_none());
    std::fs::remove_file(&path).expect("removed");
    drop(removed);
    let slot = waiting.await.expect("a slot");
    assert!(matches!(slot, BaseSlot::Missing(_)), "{slot:?}");
    assert!(clear::if_free(&path).expect("looked at").is_none(), "another would make the same base beside it");
}
