//! Bad weather between the program and an S3 server: an HTTP proxy that breaks some of the answers. It also keeps the heads of
//! all requests, and of those that were answered what was asked for.
//!
//! One request per connection, on threads of its own. Requests go on as they came, `Host` included, so that their
//! signatures stay good.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// What is done to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 503 with S3's body; the server never hears of the request.
    SlowDown,
    /// 500 with S3's body; the server never hears of the request.
    InternalError,
    /// The connection is reset before the server hears of the request.
    ResetBefore,
    /// The server does what it is asked for, and the connection is reset within the answer.
    ResetWithin,
    /// The answer ends after half of its body, in good order; its `Content-Length` tells.
    CutShort,
    /// The same with a `Content-Length` that agrees. Answers without a body are left alone.
    CutAndConsistent,
    /// Half of the body, then nothing for [`Weather::stall`].
    Stall,
    /// All of the body, in small pieces with pauses.
    Trickle,
}

impl Fault {
    pub const ALL: [Self; 8] = [
        Self::SlowDown,
        Self::InternalError,
        Self::ResetBefore,
        Self::ResetWithin,
        Self::CutShort,
        Self::CutAndConsistent,
        Self::Stall,
        Self::Trickle,
    ];
}

/// Which of the requests that [`Weather::only`] takes are hit.
#[derive(Clone, Copy, Debug)]
pub enum When {
    Never,
    Always,
    /// This share of them, by a seed.
    Rate(f64, u64),
    /// `length` in a row out of `every`, the first of them among the hit.
    Burst {
        every: u64,
        length: u64,
    },
}

/// What the proxy does from now on.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub fault: Fault,
    pub when: When,
    /// Which requests count at all: by method and path with query.
    pub only: fn(&str, &str) -> bool,
    pub stall: Duration,
}

impl Weather {
    /// Any request.
    pub fn new(fault: Fault, when: When) -> Self {
        Self { fault, when, only: |_, _| true, stall: Duration::from_secs(5) }
    }

    pub fn calm() -> Self {
        Self::new(Fault::SlowDown, When::Never)
    }
}

/// A request as it came to the proxy.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Of the body.
    pub length: u64,
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    pub method: String,
    /// Path with query.
    pub path: String,
    pub status: u16,
    /// The header `x-amz-target`, which names the call in the protocols that do not do it by the path.
    pub target: String,
    /// The body of a request with such a header, and of one that removes several objects.
    pub body: String,
}

struct State {
    seen_all: Vec<Seen>,
    asked: Vec<Asked>,
    weather: Weather,
    random: fastrand::Rng,
    /// Requests since the weather changed.
    seen: u64,
    done: BTreeMap<Fault, u64>,
}

/// A proxy in front of one server; it ends when it is dropped.
pub struct FaultProxy {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
    port: u16,
}

impl FaultProxy {
    /// Listens on a free port for requests to `endpoint`, such as `http://127.0.0.1:8333`.
    pub fn start(endpoint: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = endpoint.trim_start_matches("http://").to_owned();
        let state = Arc::new(Mutex::new(State {
            seen_all: Vec::new(),
            asked: Vec::new(),
            weather: Weather::calm(),
            random: fastrand::Rng::with_seed(0),
            seen: 0,
            done: BTreeMap::new(),
        }));
        let ended = Arc::new(AtomicBool::new(false));
        let (accepting, over) = (Arc::clone(&state), Arc::clone(&ended));
        spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), server) = (client, server.clone()) else { continue };
                let (state, over) = (Arc::clone(&accepting), Arc::clone(&over));
                // A client that goes away is what some of the tests are about.
                spawn(move || drop(serve(client, &server, &state, &over)));
            }
        });
        Self { endpoint: format!("http://127.0.0.1:{port}"), state, ended, port }
    }

    /// Changes the weather; counts begin anew.
    pub fn set(&self, weather: Weather) {
        let mut state = self.state.lock().unwrap();
        let seed = if let When::Rate(_, seed) = weather.when { seed } else { 0 };
        let random = fastrand::Rng::with_seed(seed);
        (state.weather, state.random, state.seen, state.done) = (weather, random, 0, BTreeMap::new());
    }

    /// The requests since the last call.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen_all)
    }

    /// What the server was asked for since the last call.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// Answers that were hit since the weather changed.
    pub fn hits(&self) -> u64 {
        self.state.lock().unwrap().done.values().sum()
    }

    /// Waits until an answer was hit.
    pub fn wait_for_a_hit(&self) {
        for _ in 0..600 {
            if self.hits() > 0 {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("no request came within half a minute");
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    fn fault(&mut self, request: Seen) -> Option<Weather> {
        let counts = (self.weather.only)(&request.method, &request.path);
        self.seen_all.push(request);
        if !counts {
            return None;
        }
        let place = self.seen;
        self.seen += 1;
        let is_hit = match self.weather.when {
            When::Never => false,
            When::Always => true,
            When::Rate(share, _) => self.random.f64() < share,
            When::Burst { every, length } => place % every < length,
        };
        is_hit.then_some(self.weather)
    }
}

fn serve(mut client: TcpStream, server: &str, state: &Mutex<State>, ended: &AtomicBool) -> io::Result<()> {
    let Some(request) = read_message(&mut client)? else { return Ok(()) };
    let line = String::from_utf8_lossy(request.head.split(|byte| *byte == b'\r').next().unwrap_or_default());
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
    let hit = state.lock().unwrap().fault(request.seen(&method, path));
    let count = |weather: &Weather| *state.lock().unwrap().done.entry(weather.fault).or_insert(0) += 1;
    match hit {
        Some(weather) if weather.fault == Fault::SlowDown => {
            count(&weather);
            return client.write_all(&refusal("503 Service Unavailable", "SlowDown", &method));
        }
        Some(weather) if weather.fault == Fault::InternalError => {
            count(&weather);
            return client.write_all(&refusal("500 Internal Server Error", "InternalError", &method));
        }
        Some(weather) if weather.fault == Fault::ResetBefore => {
            count(&weather);
            return reset(client);
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(&request.closing())?;
    let mut raw = Vec::new();
    upstream.read_to_end(&mut raw)?;
    let answer = Message::split(raw);
    state.lock().unwrap().asked.push(request.asked(method, path.to_owned(), answer.status()));
    let Some(weather) = hit else { return client.write_all(&answer.closing()) };
    let half = answer.body.len() / 2;
    match weather.fault {
        Fault::ResetWithin => {
            count(&weather);
            if half > 0 {
                client.write_all(&answer.head)?;
                client.write_all(&answer.body[..half])?;
                // What is still to be sent is lost with a reset.
                sleep(Duration::from_millis(20));
            }
            reset(client)
        }
        Fault::CutShort => {
            count(&weather);
            client.write_all(&answer.head)?;
            client.write_all(&answer.body[..half])
        }
        Fault::CutAndConsistent if half > 0 => {
            count(&weather);
            client.write_all(&answer.with_length(half).closing())
        }
        Fault::Stall => {
            count(&weather);
            client.write_all(&answer.head)?;
            client.write_all(&answer.body[..half])?;
            let until = Instant::now() + weather.stall;
            while Instant::now() < until && !ended.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Fault::Trickle => {
            count(&weather);
            client.write_all(&answer.head)?;
            for piece in answer.body.chunks((answer.body.len() / 20).max(1)) {
                client.write_all(piece)?;
                sleep(Duration::from_millis(5));
            }
            Ok(())
        }
        _ => client.write_all(&answer.closing()),
    }
}

/// A request or an answer.
struct Message {
    /// With the empty line at its end.
    head: Vec<u8>,
    body: Vec<u8>,
}

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

impl Message {
    /// What was asked, for those who look at it later; the body where it says what the request is for.
    fn asked(&self, method: String, path: String, status: u16) -> Asked {
        let target = self.header("X-Amz-Target").unwrap_or_default();
        let is_kept = !target.is_empty() || path.ends_with("?delete");
        let body = if is_kept { String::from_utf8_lossy(&self.body).into_owned() } else { String::new() };
        Asked { method, path, status, target, body }
    }

    fn split(mut raw: Vec<u8>) -> Self {
        let end = raw.windows(4).position(|window| window == END_OF_HEAD).map_or(raw.len(), |place| place + 4);
        let body = raw.split_off(end);
        Self { head: raw, body }
    }

    /// Of an answer: its status, 0 where there is none.
    fn status(&self) -> u16 {
        let head = String::from_utf8_lossy(&self.head);
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    fn seen(&self, method: &str, path: &str) -> Seen {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Seen { method: method.to_owned(), path: path.to_owned(), headers, length: self.body.len() as u64 }
    }

    /// The same with one header more or other.
    fn with_header(&self, name: &str, value: &str) -> Vec<u8> {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let is_other = |line: &&str| !line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        let mut lines: Vec<&str> = head.trim_end().split("\r\n").filter(is_other).collect();
        let line = format!("{name}: {value}");
        lines.push(&line);
        [lines.join("\r\n").as_bytes(), END_OF_HEAD].concat()
    }

    fn with_length(&self, length: usize) -> Self {
        Self { head: self.with_header("Content-Length", &length.to_string()), body: self.body[..length].to_vec() }
    }

    /// All of it, saying that the connection ends behind it.
    fn closing(&self) -> Vec<u8> {
        [self.with_header("Connection", "close"), self.body.clone()].concat()
    }
}

/// Reads a request; `None` when the client has closed.
fn read_message(client: &mut TcpStream) -> io::Result<Option<Message>> {
    let mut raw = Vec::new();
    let mut block = [0; 16 << 10];
    while !raw.windows(4).any(|window| window == END_OF_HEAD) {
        match client.read(&mut block)? {
            0 => return Ok(None),
            count => raw.extend_from_slice(&block[..count]),
        }
    }
    let mut message = Message::split(raw);
    if message.header("Expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let length: usize = message.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut rest = vec![0; length.saturating_sub(message.body.len())];
    client.read_exact(&mut rest)?;
    message.body.extend(rest);
    Ok(Some(message))
}

fn refusal(status: &str, code: &str, method: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>try later</Message></Error>"
    );
    let length = body.len();
    let body = if method == "HEAD" { "" } else { &body };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Closes a connection with a reset instead of an orderly end.
fn reset(client: TcpStream) -> io::Result<()> {
    // The standard library cannot set this yet.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    client.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(client)?.set_zero_linger()
}
