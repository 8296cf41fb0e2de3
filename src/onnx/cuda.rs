//! What ONNX Runtime's CUDA provider runs, told without a GPU: its kernels, and rules beyond
//! them.
//!
//! Takes the table of kernels and a lowered graph; gives what would not run there, or slowly,
//! or on the CPU. Looks at no device.

use std::collections::BTreeSet;

use super::lowered::{Attribute, LABELVET, Lowered, LoweredNode};
use super::shape::DType;

/// Largest number of inputs that CUDA joins without a table of addresses.
const MOST_JOINED: usize = 32;

/// The kernels of ONNX Runtime's providers.
#[derive(Clone, Debug)]
pub struct Kernels(Vec<Kernel>);

/// A kernel of a provider: the versions of the operator and the element types that it takes.
#[derive(Clone, Debug)]
struct Kernel {
    domain: String,
    operator: String,
    provider: String,
    first: i64,
    last: i64,
    types: BTreeSet<String>,
}

/// A line of a table of kernels that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the table of kernels: expected five columns and versions, found `{text}`")]
pub struct TableError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
}

impl Kernels {
    /// Reads a table with tabs: domain, operator, provider, range of versions (`13+`, `9-12`,
    /// `7`), types by constraint (`T=float,float16;T1=bool`). Lines that begin with `#` and the
    /// first other one, the header, are left out.
    ///
    /// # Errors
    /// [`TableError`] for the first line that is not like this.
    pub fn parse(table: &str) -> Result<Kernels, TableError> {
        let rows = table.lines().enumerate().filter(|(_, row)| !row.starts_with('#')).skip(1);
        rows.map(|(index, row)| {
            kernel(row).ok_or_else(|| TableError { line: index + 1, text: row.to_owned() })
        })
        .collect::<Result<_, _>>()
        .map(Kernels)
    }

    /// Returns what CUDA would not run, or would run slowly or on the CPU, one line for each
    /// such property of a node.
    pub fn problems(&self, graph: &Lowered) -> Vec<String> {
        let mut found = Vec::new();
        for node in &graph.nodes {
            let lacking = self.lacking(graph, node);
            let rules = match lacking {
                None => broken_rules(graph, node),
                Some(_) => Vec::new(),
            };
            let named = |text: String| format!("{}: {text}", node.name);
            found.extend(lacking.into_iter().chain(rules).map(named));
        }
        found
    }

    /// Says what kernel is not there for a node.
    fn lacking(&self, graph: &Lowered, node: &LoweredNode) -> Option<String> {
        if node.domain == LABELVET {
            return Some("a custom operator of the CPU".to_owned());
        }
        let of_operator: Vec<&Kernel> = self
            .0
            .iter()
            .filter(|kernel| kernel.domain == node.domain && kernel.operator == node.operator)
            .collect();
        // Kernels are registered anew for each version of an operator, so that the latest one
        // up to the model's version is the operator's.
        let opset = if node.domain.is_empty() { graph.opset() } else { 1 };
        let version = of_operator.iter().map(|k| k.first).filter(|&first| first <= opset).max();
        let Some(version) = version else {
            return Some(format!("no kernel of {} at version {opset}", node.operator));
        };
        let types = computed_types(graph, node);
        let fits = of_operator.iter().any(|kernel| {
            kernel.provider == "CUDA"
                && (kernel.first..=kernel.last).contains(&version)
                && types.iter().all(|dtype| kernel.types.contains(dtype.name()))
        });
        (!fits).then(|| format!("CUDA has no {}-{version} of {types:?}", node.operator))
    }
}

/// Reads a row of the table; `None` where it is not one.
fn kernel(row: &str) -> Option<Kernel> {
    let cells: Vec<&str> = row.split('\t').collect();
    let [domain, operator, provider, range, types] = cells[..] else { return None };
    let number = |text: &str| text.parse::<i64>().ok();
    let (first, last) = match range.strip_suffix('+') {
        Some(first) => (number(first)?, i64::MAX),
        None => match range.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(range)?, number(range)?),
        },
    };
    let types = types
        .split(';')
        .filter_map(|constraint| constraint.split_once('='))
        .flat_map(|(_, types)| types.split(','))
        .map(str::to_owned)
        .collect();
    let domain = if domain == "ai.onnx" { "" } else { domain };
    let [domain, operator, provider] = [domain, operator, provider].map(str::to_owned);
    Some(Kernel { domain, operator, provider, first, last, types })
}

/// Returns the element types that a node's kernel must take; integers are shapes, axes and
/// places.
pub fn computed_types(graph: &Lowered, node: &LoweredNode) -> BTreeSet<DType> {
    let args = node.inputs.iter().flatten().chain(&node.outputs);
    args.map(|&arg| graph.tensor(arg).dtype).filter(|&dtype| dtype != DType::I64).collect()
}

/// Says which rules beyond the kernels a node breaks.
fn broken_rules(graph: &Lowered, node: &LoweredNode) -> Vec<String> {
    let shape = |index: usize| {
        node.inputs[index].map(|arg| graph.tensor(arg).shape.clone()).unwrap_or_default()
    };
    let ints = |name: &str| match node.attributes.iter().find(|(key, _)| *key == name) {
        Some((_, Attribute::Ints(numbers))) => numbers.clone(),
        _ => Vec::new(),
    };
    let mut broken = Vec::new();
    match node.operator {
        "ConvTranspose" => {
            let pads = ints("pads");
            if pads[..2] != pads[2..] {
                broken.push(format!("pads {pads:?} differ before and after: runs on the CPU"));
            }
        }
        "Split" => broken.push("a split copies a table of addresses on each run".to_owned()),
        "Concat" if node.inputs.len() > MOST_JOINED => {
            broken.push(format!("joins {} inputs", node.inputs.len()));
        }
        "MatMul" => {
            let (a, b) = (shape(0), shape(1));
            if a[..a.len() - 2] != b[..b.len() - 2] && b.len() > 2 {
                broken.push(format!("repeats a batch: {a:?} by {b:?}"));
            }
        }
        "ReduceSum" => {
            let rank = shape(0).len() as i64;
            let axes = node.inputs[1].and_then(|arg| graph.integers(arg)).unwrap_or_default();
            let ends = axes.iter().copied().eq(0..axes.len() as i64)
                || axes.iter().copied().eq(rank - axes.len() as i64..rank);
            // Of three axes the middle one goes to cuDNN's reduction, too; it is left to the
            // sixteen small sums of depthwise weights, where another form costs more launches.
            if !ends && rank > 3 {
                broken.push(format!("sums over the axes {axes:?} of {rank}, which lie apart"));
            }
        }
        "BatchNormalization" if node.outputs.len() > 1 => {
            if graph.opset() > 13 {
                broken.push("is not trained on CUDA in this operator set".to_owned());
            }
            if computed_types(graph, node) != BTreeSet::from([DType::F32]) {
                broken.push("is not trained in half precision".to_owned());
            }
        }
        _ => {}
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_kernel_is_told() {
        let header = "# made by hand\ndomain\top\tprovider\topset_range\ttypes\n";
        let good = "ai.onnx\tAbs\tCUDA\t6-12\tT=float\n";
        assert_eq!(Kernels::parse(&format!("{header}{good}")).expect("a table").0.len(), 1);
        let error = Kernels::parse(&format!("{header}{good}ai.onnx\tAbs\n")).expect_err("a half");
        assert_eq!(error.line, 4);
    }
}
