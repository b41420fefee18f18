use super::*;
use std::fs::{Permissions, create_dir_all, set_permissions};
use std::os::unix::fs::PermissionsExt;

/// A machine with made-up programs: shell scripts that only know their version.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        set_permissions(root.path(), Permissions::from_mode(0o755)).expect("opened");
        Self { root }
    }

    fn with(self, folder: &str, version: &str, programs: &[&str]) -> Self {
        let dir = self.root.path().join(folder);
        create_dir_all(&dir).expect("a folder");
        for program in programs {
            let path = dir.join(program);
            // Written by another process: a file this one holds open for writing, in a test beside this one's fork,
            // cannot be executed.
            let script = r#"printf '#!/bin/sh\necho "%s (PostgreSQL) %s"\n' "$2" "$3" >"$1" && chmod 755 "$1""#;
            let arguments = [Path::new("sh"), &path, Path::new(program), Path::new(version)];
            let status = Command::new("/bin/sh").arg("-c").arg(script).args(arguments).status().expect("a shell");
            assert!(status.success());
        }
        self
    }

    fn dir(&self, folder: &str) -> PathBuf {
        self.root.path().join(folder)
    }

    fn request(&self, wanted_major: Option<u32>) -> BinaryRequest {
        let usual = self.root.path().join("usr/lib/postgresql/*/bin");
        BinaryRequest {
            wanted_major,
            usual_folders: vec![usual.to_string_lossy().into_owned()],
            cache_dir: Some(self.root.path().join("cache")),
            ..Default::default()
        }
    }
}

const SERVER: [&str; 2] = ["postgres", "initdb"];
const ALL: [&str; 4] = ["postgres", "initdb", "pg_dump", "pg_restore"];

fn debian() -> Machine {
    Machine::new()
        .with("usr/lib/postgresql/9/bin", "9.6.24", &ALL)
        .with("usr/lib/postgresql/15/bin", "15.18 (Debian 15.18-0+deb12u1)", &ALL)
        .with("usr/lib/postgresql/17/bin", "17.4", &ALL)
}

#[test]
fn without_a_source_the_newest_is_chosen() {
    let machine = debian().with("cache/postgres/16/bin", "16.2", &SERVER);
    let found = Binaries::find(&machine.request(None)).expect("one of four");
    assert_eq!((found.major, found.version.as_str()), (17, "17.4"));
    assert_eq!(found.pg_dump.expect("beside it").path, machine.dir("usr/lib/postgresql/17/bin/pg_dump"));
}

#[test]
fn production_s_major_goes_before_others_unless_it_is_older_than_the_source() {
    let machine = debian().with("cache/postgres/16/bin", "16.2", &SERVER);
    let chosen = |wanted, preferred| {
        let request = BinaryRequest { preferred_major: Some(preferred), ..machine.request(wanted) };
        Binaries::find(&request).expect("found").major
    };
    assert_eq!(chosen(Some(15), 17), 17);
    assert_eq!(chosen(Some(15), 16), 16);
    assert_eq!(chosen(None, 15), 15);
    assert_eq!(chosen(Some(16), 15), 16, "older than the source");
    assert_eq!(chosen(Some(15), 18), 15, "not there");
}

#[test]
fn the_source_s_major_is_chosen_else_the_nearest_newer() {
    let machine = debian();
    let chosen = |wanted| Binaries::find(&machine.request(Some(wanted))).expect("found").version;
    assert_eq!(chosen(15), "15.18");
    assert_eq!(chosen(16), "17.4");
}

#[test]
fn an_older_server_is_never_chosen() {
    let machine = debian();
    let error = Binaries::find(&machine.request(Some(18))).expect_err("all are older");
    let message = error.to_string();
    assert!(message.contains("PostgreSQL 18"), "{message}");
    assert!(message.contains("17 in ") && message.contains("15 in "), "{message}");
    assert!(message.contains("--postgres-bin"), "{message}");

    let explicit =
        BinaryRequest { explicit: Some(machine.dir("usr/lib/postgresql/15/bin")), ..machine.request(Some(17)) };
    assert!(matches!(Binaries::find(&explicit), Err(BinariesError::TooOld { wanted: 17, .. })));
}

#[test]
fn the_option_beats_the_environment_and_empty_means_none() {
    let machine = debian();
    let environment = |text: &str| BinaryRequest { environment: Some(text.into()), ..machine.request(None) };
    assert!(matches!(Binaries::find(&environment("")), Err(BinariesError::Disabled)));

    let fifteen = machine.dir("usr/lib/postgresql/15/bin");
    assert_eq!(Binaries::find(&environment(&fifteen.to_string_lossy())).expect("named").major, 15);
    let both = BinaryRequest { explicit: Some(fifteen), ..environment("") };
    assert_eq!(Binaries::find(&both).expect("named").major, 15);
}

#[test]
fn a_named_folder_must_serve() {
    let machine = debian().with("clients", "17.4", &["pg_dump"]);
    let request = BinaryRequest { explicit: Some(machine.dir("clients")), ..machine.request(None) };
    let message = Binaries::find(&request).expect_err("no server there").to_string();
    assert!(message.starts_with("--postgres-bin ") && message.contains("no `postgres`"), "{message}");
}

#[test]
fn nothing_found_says_how_to_get_one() {
    let message = Binaries::find(&Machine::new().request(None)).expect_err("nothing there").to_string();
    assert!(message.contains("apt-get install postgresql"), "{message}");
    let Some(major) = pins::majors().into_iter().max() else { return };
    let newest = format!("seatrial fetch-postgres {major}");
    assert!(message.contains(&newest), "{message}");
    // What a source needs is what is named, and nothing where that is not known.
    let told = |wanted| Binaries::find(&debian().request(Some(wanted))).expect_err("older").to_string();
    assert!(told(major).contains(&newest), "{}", told(major));
    assert!(!told(99).contains("fetch-postgres"), "{}", told(99));
    let tool = find_tool(&debian().request(None), "pg_dump", major).expect_err("older").to_string();
    assert!(tool.contains(&newest), "{tool}");
}

#[test]
fn tools_come_from_elsewhere_when_the_server_has_none_but_never_older_ones() {
    let machine = debian().with("cache/postgres/16/bin", "16.2", &SERVER);
    let found = Binaries::find(&machine.request(Some(16))).expect("in the cache");
    assert_eq!(found.dir, machine.dir("cache/postgres/16/bin"));
    assert_eq!(found.pg_restore.expect("17's serves").major, 17);

    let machine = machine.with("cache/postgres/18/bin", "18.4", &SERVER);
    let found = Binaries::find(&machine.request(Some(18))).expect("in the cache");
    assert_eq!(found.pg_dump, None);
    let message = find_tool(&machine.request(None), "pg_dump", 18).expect_err("all older").to_string();
    assert!(message.contains("pg_dump 18") && message.contains("17 in "), "{message}");
}

#[test]
fn the_newest_tool_is_found_beside_a_newer_server_that_has_none() {
    let machine = debian().with("cache/postgres/18/bin", "18.4", &SERVER);
    assert_eq!(newest_tool(&machine.request(None), "pg_dump").expect("17's").major, 17);
    let message = newest_tool(&Machine::new().request(None), "pg_dump").expect_err("nothing there").to_string();
    assert!(message.contains("pg_dump"), "{message}");
}

#[test]
fn path_is_searched_and_debian_s_wrapper_is_no_tool() {
    let machine = Machine::new().with("bin", "16.1", &SERVER).with("share", "15.1", &["pg_wrapper"]);
    std::os::unix::fs::symlink(machine.dir("share/pg_wrapper"), machine.dir("bin/pg_dump")).expect("a link");
    let request = BinaryRequest { path: Some(machine.dir("bin").into()), ..machine.request(None) };
    let found = Binaries::find(&request).expect("on the path");
    assert_eq!((found.major, found.pg_dump), (16, None));
    assert_eq!(Binaries::all_found(&request).len(), 1);
}

#[test]
fn links_lead_to_where_the_server_lives_and_count_once() {
    let machine = debian();
    create_dir_all(machine.dir("bin")).expect("a folder");
    for program in SERVER {
        let real = machine.dir("usr/lib/postgresql/15/bin").join(program);
        std::os::unix::fs::symlink(real, machine.dir("bin").join(program)).expect("a link");
    }
    let request = BinaryRequest { path: Some(machine.dir("bin").into()), ..machine.request(Some(15)) };
    let found = Binaries::find(&request).expect("by its link");
    assert_eq!(found.dir, machine.dir("usr/lib/postgresql/15/bin"));
    assert!(found.pg_dump.is_some());
    assert_eq!(Binaries::all_found(&request).iter().filter(|server| server.major == 15).count(), 1);
}

#[test]
fn root_is_told_which_folder_keeps_its_servers_user_out() {
    if !nix::unistd::geteuid().is_root() {
        return; // Servers run as the caller then, who found the programs.
    }
    let machine = debian();
    let closed = machine.dir("usr/lib/postgresql/17");
    set_permissions(&closed, Permissions::from_mode(0o700)).expect("closed");
    assert_eq!(Binaries::find(&machine.request(None)).expect("the next best").major, 15);
    let message = Binaries::find(&machine.request(Some(17))).expect_err("only that one").to_string();
    assert!(message.contains(&format!("{} is closed", closed.display())), "{message}");
}

#[test]
fn versions_of_every_kind_are_read() {
    let read = |said: &str| version(said).map(|(text, major)| format!("{text} {major}"));
    assert_eq!(read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)").as_deref(), Some("15.18 15"));
    assert_eq!(read("pg_dump (PostgreSQL) 18beta1").as_deref(), Some("18beta1 18"));
    assert_eq!(read("postgres (PostgreSQL) 19devel").as_deref(), Some("19devel 19"));
    assert_eq!(read("PgBouncer 1.2"), None);
}
