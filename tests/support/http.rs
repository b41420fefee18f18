//! A small HTTP/1.1 server on loopback, whose answers can be lost, cut short, garbled or late.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    /// JSON, or null.
    pub body: Value,
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status and a body.
    Body(u16, String),
    /// A redirect to this address.
    Redirect(String),
    /// The connection ends without a word.
    Close,
    /// The connection ends in the middle of the body.
    Cut(String),
    /// Nothing comes, and the connection stays.
    Hang,
}

impl Reply {
    /// A status and JSON.
    pub fn json(status: u16, value: Value) -> Self {
        Self::Body(status, value.to_string())
    }
}

/// A server; dropped, it ends.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Every request so far.
    pub seen: Arc<Mutex<Vec<Request>>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port of this machine.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, ending) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, end, answer) = (Arc::clone(&seen), Arc::clone(&ending), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            // Connections that hang do so until the server ends.
            let hanging: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let (kept, answer, hanging) = (Arc::clone(&kept), Arc::clone(&answer), Arc::clone(&hanging));
                std::thread::spawn(move || {
                    let stream = stream.expect("a connection");
                    let Some(request) = read(&stream) else { return };
                    kept.lock().expect("requests").push(request.clone());
                    write(stream, answer(&request), &hanging);
                });
            }
        });
        Self { address, seen, ending, thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes whoever waits for a connection.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn write(mut stream: TcpStream, reply: Reply, hanging: &Mutex<Vec<TcpStream>>) {
    let head = |status: u16, length: usize, more: &str| {
        format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n"
        )
    };
    // A client that has gone away wants no answer.
    let _ = match reply {
        Reply::Body(204, _) => write!(stream, "HTTP/1.1 204 Said\r\nconnection: close\r\n\r\n"),
        Reply::Body(status, body) => write!(stream, "{}{body}", head(status, body.len(), "")),
        Reply::Redirect(to) => write!(stream, "{}", head(307, 0, &format!("location: {to}\r\n"))),
        Reply::Close => Ok(()),
        Reply::Cut(body) => write!(stream, "{}{}", head(200, body.len(), ""), &body[..body.len() / 2]),
        Reply::Hang => {
            hanging.lock().expect("connections").push(stream);
            return;
        }
    };
}
