//! Opens a report in a real browser and uses it as a person would.
//!
//! Needs Chromium or Chrome on the path; without one these tests say so and pass,
//! except on CI, where they fail.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use labelvet::audit::{Finding, Severity};
use labelvet::facts::{self, MeasureOptions};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{base, report};

/// How long a browser may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Cards on a page of the list.
const PAGE: u64 = 24;

/// A headless browser that shows one page.
struct Browser {
    process: Child,
    socket: WebSocket<TcpStream>,
    sent: u64,
    /// Requests, errors and messages of the page since it was opened.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a file; `None` where no browser is installed.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn open(file: &Path) -> Option<Browser> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "no browser is installed on CI");
            eprintln!("skipped: no chromium, chromium-browser or google-chrome on the path");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder");
        let process = Command::new(program)
            .args(["--headless=new", "--remote-debugging-port=0", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--window-size=1280,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let port = port(profile.path());
        let url = debugger(port);
        let path = url.trim_start_matches("ws://");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) = tungstenite::client(format!("ws://{path}"), stream).expect("a websocket");
        let mut browser = Browser { process, socket, sent: 0, events: vec![], _profile: profile };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        // A click must not chase a page that is still gliding.
        let still =
            json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
        browser.call("Emulation.setEmulatedMedia", still);
        browser.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        browser.wait("location.protocol === 'file:' && document.readyState === 'complete'");
        Some(browser)
    }

    /// Sends a command and returns its result.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let message = json!({ "id": id, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(message)).expect("the browser listens");
        loop {
            let answer = self.socket.read().expect("the browser answers");
            let Message::Text(text) = answer else { continue };
            let value: Value = serde_json::from_str(&text).expect("JSON");
            if value["id"] == json!(id) {
                assert!(value.get("error").is_none(), "{method}: {value}");
                return value["result"].clone();
            }
            self.events.push(value);
        }
    }

    /// Returns the value of an expression in the page.
    fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression holds.
    fn wait(&mut self, expression: &str) {
        let start = Instant::now();
        while self.eval(expression) != json!(true) {
            assert!(start.elapsed() < PATIENCE, "the page never reaches {expression}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks with the mouse in the middle of an element.
    fn click(&mut self, selector: &str) {
        let place = self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let params = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Chooses an option as a person's choice would: its value, then the event.
    fn choose(&mut self, name: &str, value: &str) {
        self.eval(&format!(
            "(() => {{ const s = document.querySelector('.controls [name={name}]'); s.value = {value:?}; \
             s.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        ));
    }

    /// Returns the severities of the cards that are seen.
    fn seen(&mut self) -> Vec<String> {
        let seen = self.eval(
            "[...document.querySelectorAll('.card')].filter(c => c.offsetParent !== null).map(c => c.dataset.severity)",
        );
        serde_json::from_value(seen).expect("words")
    }

    /// Panics when the page complained or asked for anything outside of itself.
    fn assert_quiet(&mut self) {
        self.eval("1");
        for event in &self.events {
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                    let own = ["file://", "data:", "about:"].iter().any(|own| url.starts_with(own));
                    assert!(own, "the page asked for {url}");
                }
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                    panic!("the page complained: {event}")
                }
                _ => {}
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

/// Waits for the browser to say which port it listens on.
fn port(profile: &Path) -> u16 {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
        if let Some(port) = text.lines().next().and_then(|line| line.parse().ok()) {
            return port;
        }
        assert!(start.elapsed() < PATIENCE, "the browser does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the address that the browser's page is driven by.
fn debugger(port: u16) -> String {
    let start = Instant::now();
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!(
            "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        // The browser may keep the connection open: stop once the list is whole.
        let list: Value = loop {
            let read = stream.read(&mut part).expect("an answer");
            answer.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&answer);
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            if let Ok(list) = serde_json::from_str(body) {
                break list;
            }
            assert!(read > 0, "the browser's list of pages is broken: {text}");
        };
        let mut pages = list.as_array().expect("a list").iter();
        let page = pages.find(|target| target["type"] == "page");
        if let Some(url) = page.and_then(|page| page["webSocketDebuggerUrl"].as_str()) {
            return url.to_string();
        }
        assert!(start.elapsed() < PATIENCE, "the browser shows no page");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes a report of the base project with 30 warnings and 5 errors, and opens it.
fn opened(folder: &Path) -> Option<Browser> {
    let files = tempfile::tempdir().expect("a folder");
    let facts = facts::measure(base::build(files.path(), &[]), &MeasureOptions::default());
    let mut findings: Vec<Finding> =
        (0..5).map(|at| report::finding(at, Severity::Error)).collect();
    findings.extend((0..30).map(|at| report::finding(at % 20, Severity::Warning)));
    report::write(folder, &facts, findings);
    Browser::open(&folder.join("report.html"))
}

#[test]
fn the_filter_shows_what_it_says_and_nothing_leaves_the_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut browser) = opened(folder.path()) else { return };
    assert_eq!(browser.seen().len() as u64, PAGE);
    browser.choose("severity", "error");
    assert_eq!(browser.seen(), vec!["error"; 5]);
    browser.choose("text", "img0003");
    assert_eq!(browser.seen().len(), 1);
    browser.choose("text", "no such words");
    assert_eq!(browser.seen().len(), 0);
    assert_eq!(browser.eval("document.querySelector('.empty').hidden"), json!(false));
    browser.click(".controls button[type=reset]");
    // The browser empties the fields after the click.
    browser.wait("document.querySelector('.controls output').value === '1–24 of 35'");
    assert_eq!(browser.seen().len() as u64, PAGE);
    browser.choose("severity", "warning");
    browser.click("a[data-show-rule]");
    let seen = browser.seen();
    assert_eq!((seen.len() as u64, seen[0].as_str()), (PAGE, "error"), "a rule's link resets");
    assert_eq!(browser.eval("document.querySelector('.controls [name=rule]').value"), json!("0"));
    browser.assert_quiet();
}

#[test]
fn pages_turn_and_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut browser) = opened(folder.path()) else { return };
    let disabled = "document.querySelector('.pager [data-turn=\"1\"]').disabled";
    assert_eq!(browser.eval(disabled), json!(false));
    browser.click(".pager [data-turn='1']");
    assert_eq!(browser.seen(), vec!["warning"; 35 - PAGE as usize]);
    assert_eq!(browser.eval(disabled), json!(true));
    assert_eq!(
        browser.eval("document.querySelector('.controls output').value"),
        json!("25–35 of 35")
    );
    browser.click(".pager [data-turn='-1']");
    assert_eq!(browser.seen().len() as u64, PAGE);
    browser.assert_quiet();
}

#[test]
fn without_scripts_every_finding_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut browser) = opened(folder.path()) else { return };
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.eval("window.before = true");
    browser.call("Page.reload", json!({}));
    browser.wait("window.before === undefined && document.readyState === 'complete'");
    // Expressions of the debugger run all the same.
    assert_eq!(browser.seen().len(), 35);
    browser.assert_quiet();
}
