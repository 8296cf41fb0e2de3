//! HTML pages and plots: one look for every report. Takes plain numbers and words,
//! gives one self-contained page; never fetches anything and never touches a file.

pub(crate) mod plot;
pub(crate) mod run;
pub(crate) mod text;

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("list.js");

/// Returns prose with words between backticks set as code.
pub(crate) fn prose(words: &str) -> Markup {
    html! {
        @for (at, part) in words.trim().split('`').enumerate() {
            @if at % 2 == 0 { (text::visible(&part.replace('\n', " "))) }
            @else { code { (text::visible(part)) } }
        }
    }
}

/// What a page has besides its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// Title of the window.
    pub(crate) title: &'a str,
    /// Section that readers of a keyboard may skip to: its id, which is also its name.
    pub(crate) main: &'a str,
    /// Seconds after which the browser reads the file again.
    pub(crate) refresh: Option<u32>,
}

/// Returns a whole page.
///
/// The page's own policy forbids it to fetch anything or to run any script but the
/// one below, which it names by its hash: should a name ever escape its text, it
/// still runs nothing.
pub(crate) fn document(head: &Head<'_>, body: &Markup) -> Markup {
    let Head { title, main, refresh } = *head;
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; \
         base-uri 'none'; form-action 'none'"
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="labelvet";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { (title) }
                style { (PreEscaped(STYLE)) }
                // Without a script there are no pages: everything is shown.
                noscript { style { ".card[hidden]{display:flex}.controls,.pager{display:none}" } }
            }
            body {
                a .skip href={ "#" (main) } { "Skip to the " (main) }
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}
