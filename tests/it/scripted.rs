//! A web server that answers as it is told, and keeps what it was asked.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// What is answered to one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status and a body.
    Of(u16, String),
    /// A redirect to a url.
    To(String),
    /// Nothing, until the server ends.
    Never,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// The server; it ends when it is dropped.
pub struct Scripted {
    pub endpoint: String,
    requests: Arc<Mutex<Vec<Request>>>,
    ended: Arc<AtomicBool>,
    port: u16,
}

impl Scripted {
    /// Listens on a free port. Each request gets the next answer; those behind the last get the last.
    pub fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, over) = (Arc::clone(&requests), Arc::clone(&ended));
        spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), answers) = (client, answers.clone()) else { continue };
                let (kept, over) = (Arc::clone(&kept), Arc::clone(&over));
                // A client that gives up is what some of the tests are about.
                spawn(move || drop(serve(client, &answers, &kept, &over)));
            }
        });
        Self { endpoint: format!("http://127.0.0.1:{port}"), requests, ended, port }
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// An endpoint at which nobody listens.
pub fn nobody() -> String {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

fn serve(mut client: TcpStream, answers: &[Answer], kept: &Mutex<Vec<Request>>, over: &AtomicBool) -> io::Result<()> {
    let request = read(&client)?;
    let index = {
        let mut kept = kept.lock().unwrap();
        kept.push(request);
        kept.len() - 1
    };
    match answers.get(index).or(answers.last()) {
        Some(Answer::Of(status, body)) => {
            let length = body.len();
            write!(client, "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        }
        Some(Answer::To(url)) => {
            write!(client, "HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Some(Answer::Never) | None => {
            while !over.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(50));
            }
            Ok(())
        }
    }
}

fn read(client: &TcpStream) -> io::Result<Request> {
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut parts = line.split_whitespace().map(str::to_owned);
    let (method, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
