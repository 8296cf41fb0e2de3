//! One finding: its picture, what is wrong, how sure that is, where it is, and what
//! would put it right.

use maud::{Markup, html};

use crate::audit::{Action, Finding, Kind, Proposal, Rule, Severity};
use crate::page::text::{number, shortened, visible};

use super::figure::{Figure, Painter};

/// What a card is written with.
#[derive(Debug)]
pub(super) struct Card<'a> {
    pub(super) finding: &'a Finding,
    pub(super) rule: Option<&'a Rule>,
    pub(super) figures: &'a [Figure],
    /// Whether it has pictures, unless there is nothing to picture.
    pub(super) pictured: bool,
    /// Indices that the filters select by.
    pub(super) filter: Filter,
    /// Whether it stands on the first page of the list.
    pub(super) first_page: bool,
    /// Page that explains the rules, as a link; empty for the same page.
    pub(super) rules: &'a str,
}

/// What the filters of the page select by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter {
    pub(super) rule: usize,
    pub(super) video: Option<usize>,
}

impl Card<'_> {
    pub(super) fn write(&self, painter: &mut Painter<'_>) -> Markup {
        let finding = self.finding;
        let slug = &finding.rule;
        let title = self.rule.map_or(slug.as_str(), |rule| rule.spec.title.as_str());
        html! {
            article .card.wide[self.pictured && self.figures.len() > 1] .(severity(finding.severity)) data-severity=(severity(finding.severity))
                data-rule=(self.filter.rule) data-video=[self.filter.video] hidden[!self.first_page] {
                @if self.pictured && !self.figures.is_empty() {
                    div .frames {
                        @for figure in self.figures { (painter.picture(finding, figure)) }
                    }
                }
                header {
                    span .badge { (severity(finding.severity)) }
                    h3 { a href={ (self.rules) "#rule-" (slug) } { (visible(title)) } }
                    span .sure title="estimated probability that the defect is real" { (sure(finding.score)) }
                }
                p .message { (visible(&finding.message)) }
                div .detail {
                    (where_it_is(finding))
                    @if self.pictured {
                        @for figure in self.figures.iter().take(1) { (painter.overview(figure)) }
                    }
                }
                @if let Some(proposal) = &finding.proposal {
                    p .proposal { b { "Suggestion: " } (suggestion(proposal, finding)) }
                }
                footer { span .id title="fingerprint: the same defect keeps it from audit to audit" { (finding.fingerprint) } }
            }
        }
    }
}

/// Returns the word of a severity, as outputs and filters use it.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn sure(score: f64) -> String {
    if score >= 1.0 {
        "certain".into()
    } else {
        format!("{:.0} % likely", (score * 100.0).min(99.0))
    }
}

fn where_it_is(finding: &Finding) -> Markup {
    let place = finding.location.as_ref().map(|place| {
        let mut text = place.file.clone();
        if let Some(row) = place.row {
            text += &format!(", row {row}");
        }
        if let Some(column) = place.column {
            text += &format!(", column {column}");
        }
        text
    });
    let rows = [
        ("image", finding.image.clone()),
        ("video", finding.video.clone()),
        ("instance", finding.instance.clone()),
        ("keypoint", finding.keypoint.clone()),
        ("class", finding.class.clone()),
        ("kind", finding.kind.map(kind).map(str::to_string)),
        ("with", related(finding)),
        ("label file", place),
    ];
    html! {
        dl {
            @for (name, value) in rows {
                @if let Some(value) = value { div { dt { (name) } dd { (visible(&value)) } } }
            }
        }
    }
}

/// Names at most this many of what belongs to a finding.
const MOST_RELATED: usize = 3;

fn related(finding: &Finding) -> Option<String> {
    if finding.related.is_empty() {
        return None;
    }
    let named = finding.related.iter().take(MOST_RELATED).map(|name| shortened(name, 40));
    let mut text = named.collect::<Vec<_>>().join(", ");
    if finding.related.len() > MOST_RELATED {
        text += &format!(" and {} more", finding.related.len() - MOST_RELATED);
    }
    Some(text)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Swap => "swap",
        Kind::Miss => "miss",
        Kind::Jitter => "jitter",
        Kind::Inversion => "inversion",
        Kind::Chimera => "chimera",
        Kind::Shift => "shift",
        Kind::CarryOver => "labels of another frame",
        Kind::SameContent => "same content",
        Kind::NearDuplicate => "near duplicate",
        Kind::MirroredCopy => "mirrored copy",
        Kind::Neighbour => "neighbouring frames",
    }
}

/// Says what would put a finding right.
pub(in crate::report) fn suggestion(proposal: &Proposal, finding: &Finding) -> String {
    let with = proposal.with.as_deref().map(visible);
    let what = finding.keypoint.as_deref().map_or("it".into(), visible);
    let place = proposal.x.zip(proposal.y).map(|(x, y)| {
        let spread =
            proposal.sd_px.map(|sd| format!(" (± {} px)", number((sd * 10.0).round() / 10.0)));
        let round = |v: f64| number((v * 10.0).round() / 10.0);
        format!("x {}, y {}{}", round(x), round(y), spread.unwrap_or_default())
    });
    match proposal.action {
        Action::DropImage => "leave this image out".into(),
        Action::DropInstance => "leave this instance out".into(),
        Action::DropKeypoint => format!("mark {what} as not labelled"),
        Action::Swap => match with {
            Some(with) => format!("exchange {what} with {with}"),
            None => "exchange the sides".into(),
        },
        Action::Move => match place {
            Some(place) => format!("move {what} to {place}"),
            None => format!("move {what}"),
        },
        Action::Relabel => match place {
            Some(place) => format!("look at {what} again; expected near {place}"),
            None => "look at it again".into(),
        },
    }
}
