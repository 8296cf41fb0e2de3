//! Tables of an evaluation: by keypoint and video, and every number of every part.

use maud::{Markup, html};

use super::{percent, rounded};
use crate::dataset::Dataset;
use crate::eval::{Errors, Metrics, PartEvaluation, keypoint_name};
use crate::page::text::{count, number, visible};

/// Rows of a table; the rest is counted.
const MOST_ROWS: usize = 100;

/// Writes the errors of each keypoint, in the skeleton's order, of each left-right pair, and
/// of each video, the worst first.
pub(super) fn keypoints(dataset: &Dataset, part: &PartEvaluation) -> Markup {
    let m = &part.metrics;
    let names = dataset.skeletons.iter().enumerate().flat_map(|(at, skeleton)| {
        skeleton.keypoints.iter().map(move |name| keypoint_name(dataset, at, name))
    });
    let rows: Vec<(String, &Errors)> =
        names.filter_map(|name| Some((name.clone(), m.per_keypoint.get(&name)?))).collect();
    let mut videos: Vec<(String, &Errors)> =
        m.per_video.iter().map(|(name, errors)| (name.clone(), errors)).collect();
    let worst = |errors: &Errors| errors.error_px_median.unwrap_or(f64::INFINITY);
    videos.sort_by(|a, b| worst(b.1).total_cmp(&worst(a.1)));
    html! {
        section #keypoints {
            h2 { "Errors of each keypoint" }
            (errors_table("Keypoint", &rows))
            @if !m.left_right_pairs.is_empty() {
                h3 { "Left and right" }
                p .note { "Share of animals in which both predictions lie nearer to their own labels than to those of the other side." }
                div .scroll { table {
                    thead { tr { th { "Left" } th { "Right" } th .n { "Animals" } th .n { "Told apart" } } }
                    tbody { @for pair in &m.left_right_pairs { tr {
                        td { span .dot.left {} " " (visible(&pair.left)) } td { span .dot.right {} " " (visible(&pair.right)) }
                        td .n { (count(pair.n_instances)) } td .n { @if let Some(order) = pair.right_order { (percent(order)) } }
                    } } }
                } }
            }
            @if videos.len() > 1 { h3 { "Errors of each video" } (errors_table("Video", &videos)) }
        }
    }
}

fn errors_table(what: &str, rows: &[(String, &Errors)]) -> Markup {
    html! {
        div .scroll { table .dense {
            thead { tr {
                th { (what) } th .n { "Points" } th .n { "Missing" } th .n { "Median px" } th .n { "Mean px" } th .n { "95 % px" }
                th .n { "Median body lengths" } th .n { "Within 0.1" } th .n { "Median shift x, y px" } th .n { "Median likelihood" }
            } }
            tbody { @for (name, errors) in rows.iter().take(MOST_ROWS) { tr {
                td { (visible(name)) } td .n { (count(errors.n_points)) } td .n { (count(errors.n_missing)) }
                td .n { (px(errors.error_px_median)) } td .n { (px(errors.error_px_mean)) } td .n { (px(errors.error_px_p95)) }
                td .n { (plain(errors.error_bl_median)) } td .n { (shares(errors.pck.get("0.1").copied())) }
                td .n { (shift(errors.bias_px_median)) } td .n { (plain(errors.likelihood_median)) }
            } } }
        } }
        @if rows.len() > MOST_ROWS { p .note { (count(rows.len() - MOST_ROWS)) " more are in " code { "metrics.json" } "." } }
    }
}

fn px(value: Option<f64>) -> String {
    value.map_or("–".into(), rounded)
}

fn plain(value: Option<f64>) -> String {
    value.map_or("–".into(), number)
}

fn shares(value: Option<f64>) -> String {
    value.map_or("–".into(), percent)
}

fn shift(bias: Option<[f64; 2]>) -> String {
    let signed = |value: f64| {
        let text = rounded(value);
        if value > 0.0 && text != "0" { format!("+{text}") } else { text }
    };
    bias.map_or("–".into(), |[x, y]| format!("{}, {}", signed(x), signed(y)))
}

/// Writes the numbers of every part, side by side.
pub(super) fn parts(parts: &[PartEvaluation]) -> Markup {
    type Cell = fn(&Metrics) -> String;
    let rows: [(&str, Cell); 27] = [
        ("images", |m| count(m.n_images)),
        ("labelled animals", |m| count(m.n_instances)),
        ("labelled points", |m| count(m.all.n_points)),
        ("without a prediction", |m| count(m.all.n_missing)),
        ("median error, px", |m| px(m.all.error_px_median)),
        ("mean error, px (DeepLabCut: rmse)", |m| px(m.all.error_px_mean)),
        ("95 % of errors at most, px", |m| px(m.all.error_px_p95)),
        ("median error, body lengths", |m| plain(m.all.error_bl_median)),
        ("median shift x, y, px", |m| shift(m.all.bias_px_median)),
        ("mean shift x, y, px", |m| shift(m.all.bias_px)),
        ("within 0.05 body lengths", |m| shares(m.all.pck.get("0.05").copied())),
        ("within 0.1 body lengths", |m| shares(m.all.pck.get("0.1").copied())),
        ("within 0.2 body lengths", |m| shares(m.all.pck.get("0.2").copied())),
        ("within 2 px", |m| shares(m.all.pck.get("2px").copied())),
        ("within 5 px", |m| shares(m.all.pck.get("5px").copied())),
        ("within 10 px", |m| shares(m.all.pck.get("10px").copied())),
        ("points above the p-cutoff", |m| count(m.with_pcutoff.n_points)),
        ("their median error, px", |m| px(m.with_pcutoff.error_px_median)),
        ("their mean error, px", |m| px(m.with_pcutoff.error_px_mean)),
        ("median likelihood", |m| plain(m.all.likelihood_median)),
        ("likelihood below 0.001", |m| shares(m.all.likelihood_below_0_001)),
        ("likelihood below the p-cutoff", |m| shares(m.all.likelihood_below_pcutoff)),
        ("unlabelled points above the p-cutoff", |m| shares(m.unlabelled.likelihood_above_pcutoff)),
        ("left and right told apart", |m| shares(m.left_right_order)),
        ("OKS mAP", |m| plain(m.oks.map)),
        ("OKS mAR", |m| plain(m.oks.mar)),
        ("body length, px", |m| px(m.body_length_px)),
    ];
    let mut baselines: Vec<&str> =
        parts.iter().flat_map(|part| part.metrics.baselines.keys().copied()).collect();
    baselines.sort_unstable();
    baselines.dedup();
    html! {
        section #parts {
            h2 { "All numbers" }
            p .note { "Missing predictions count as outside every radius; they have no error. Shifts are predicted less labelled places: x grows to the right, y down. " code { "metrics.json" } " has more." }
            div .scroll { table {
                thead { tr { th { "Part" } @for part in parts { th .n { (visible(&part.name)) } } } }
                tbody {
                    @for (name, cell) in rows { tr {
                        td { (name) } @for part in parts { td .n { (cell(&part.metrics)) } }
                    } }
                    @for name in baselines { tr {
                        td { "without a model, " (name.replace('_', " ")) ": median error, px" }
                        @for part in parts { td .n { (px(part.metrics.baselines.get(name).and_then(|errors| errors.error_px_median))) } }
                    } }
                }
            } }
        }
    }
}
