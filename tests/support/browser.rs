//! A headless Chromium, driven through the pipe it offers for that: requests and answers are JSON, a NUL behind each.

use nix::sys::stat::Mode;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// How long an answer may take before the browser counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where it is, or what to do.
fn binary() -> PathBuf {
    let named = std::env::var_os("SEATRIAL_TEST_CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    named.into_iter().chain(found).find(|path| path.is_file()).expect(
        "no Chromium here: scripts/install-chromium.sh installs the distribution's; SEATRIAL_TEST_CHROMIUM names another",
    )
}

/// One browser with one page. It ends with this value.
pub struct Browser {
    child: Child,
    requests: File,
    answers: Receiver<Value>,
    folder: TempDir,
    session: Option<String>,
    count: u64,
    events: Vec<Value>,
}

impl Browser {
    /// Starts it with an empty page.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
            path
        };
        let (requests, answers) = (pipe("requests"), pipe("answers"));
        let errors = File::create(folder.path().join("errors")).expect("a file");
        // The browser takes requests from its file 3 and writes answers to its file 4.
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<\"$REQUESTS\" 4>\"$ANSWERS\""])
            .arg(binary())
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"])
            .args(["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env("REQUESTS", &requests)
            .env("ANSWERS", &answers)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("a shell");
        // Each waits for the other end, in the order in which the shell opens them.
        let requests = File::options().write(true).open(requests).expect("its pipe");
        let mut reader = BufReader::new(File::open(answers).expect("its pipe"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let Ok(answer) = serde_json::from_slice(&message) else { break };
                if sender.send(answer).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self { child, requests, answers, folder, session: None, count: 0, events: Vec::new() };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// One request and its answer.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut request = json!({ "id": self.count, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&request).expect("JSON");
        bytes.push(0);
        if self.requests.write_all(&bytes).is_err() {
            panic!("the browser went away: {}", self.complaints());
        }
        loop {
            let answer = self.next();
            if answer["id"] == self.count {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn next(&mut self) -> Value {
        match self.answers.recv_timeout(PATIENCE) {
            Ok(message) => message,
            Err(error) => panic!("the browser does not answer ({error}): {}", self.complaints()),
        }
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default()
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&mut self, html: &str) {
        let path = self.folder.path().join("page.html");
        std::fs::write(&path, html).expect("written");
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}", path.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next();
            self.events.push(event);
        }
    }

    /// The value of an expression, as if a person had caused it; a promise is waited for.
    pub fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true
        });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// A window of this size, on a light or a dark desk.
    pub fn size(&mut self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// A key with its text, pressed and let go.
    pub fn press(&mut self, key: &str, text: &str) {
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let code = if key == "Enter" { 13 } else { 0 };
            let event = json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Everything the page wrote to its console, every error, every refusal of its policy, and every address it asked for
    /// besides itself.
    pub fn troubles(&mut self) -> Vec<String> {
        // What was said before this answer is here then.
        self.eval("0");
        let is_trouble = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => true,
            "Network.requestWillBeSent" => {
                !event["params"]["request"]["url"].as_str().is_some_and(|url| url.ends_with("/page.html"))
            }
            _ => false,
        };
        self.events.iter().filter(is_trouble).map(Value::to_string).collect()
    }

    /// A picture of what is in the window.
    pub fn screenshot(&mut self, path: &Path) {
        let data = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            data["data"].as_str().expect("a picture"),
        );
        std::fs::write(path, bytes.expect("base64")).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already, or may not be there for an answer: then it is ended here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
