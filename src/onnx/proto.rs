//! ONNX's file format: the messages that are written, and how.
//!
//! Takes a lowered graph; gives the bytes of a model. Only the fields that are written are
//! declared.
//!
//! # Source
//! `onnx/onnx.proto` of the ONNX project, IR version 8: field numbers and enumerations.

use prost::Message;

use super::lowered::{Arg, Attribute, Batch, LABELVET, Lowered, LoweredNode, MICROSOFT};
use super::shape::{DType, TensorType};

/// Version of the file format; 8 is that of operator sets up to 17.
const IR_VERSION: i64 = 8;

/// Returns the code of an element type (`TensorProto.DataType`).
pub(super) fn element_type(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => 1,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F16 => 10,
    }
}

/// Returns the bytes of a model file.
pub(super) fn serialise(graph: &Lowered) -> Vec<u8> {
    let mut domains = vec![("", graph.opset())];
    for domain in [MICROSOFT, LABELVET] {
        if graph.nodes.iter().any(|node| node.domain == domain) {
            domains.push((domain, 1));
        }
    }
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "labelvet".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(GraphProto {
            name: "labelvet".to_owned(),
            node: graph.nodes.iter().map(|node| node_proto(graph, node)).collect(),
            initializer: graph
                .initializers
                .iter()
                .map(|initializer| TensorProto {
                    dims: extents(graph.tensor(initializer.arg)),
                    data_type: element_type(graph.tensor(initializer.arg).dtype),
                    name: graph.name(initializer.arg).to_owned(),
                    raw_data: initializer.bytes.clone(),
                })
                .collect(),
            input: graph.inputs.iter().map(|&arg| value_info(graph, arg)).collect(),
            output: graph.outputs.iter().map(|&arg| value_info(graph, arg)).collect(),
            value_info: graph
                .nodes
                .iter()
                .flat_map(|node| &node.outputs)
                // Types of what lies between would hold for one size of batch only.
                .filter(|arg| graph.batch == Batch::Fixed && !graph.outputs.contains(arg))
                .map(|&arg| value_info(graph, arg))
                .collect(),
        }),
        opset_import: domains
            .into_iter()
            .map(|(domain, version)| OperatorSetIdProto { domain: domain.to_owned(), version })
            .collect(),
        metadata_props: graph
            .metadata
            .iter()
            .map(|(key, value)| StringStringEntryProto { key: key.clone(), value: value.clone() })
            .collect(),
    };
    model.encode_to_vec()
}

fn node_proto(graph: &Lowered, node: &LoweredNode) -> NodeProto {
    NodeProto {
        input: node
            .inputs
            .iter()
            .map(|input| input.map_or_else(String::new, |arg| graph.name(arg).to_owned()))
            .collect(),
        output: node.outputs.iter().map(|&arg| graph.name(arg).to_owned()).collect(),
        name: node.name.clone(),
        op_type: node.operator.to_owned(),
        domain: node.domain.to_owned(),
        attribute: node.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
    }
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    match value {
        Attribute::Float(number) => (proto.r#type, proto.f) = (Some(1), Some(*number)),
        Attribute::Int(number) => (proto.r#type, proto.i) = (Some(2), Some(*number)),
        Attribute::Text(text) => {
            (proto.r#type, proto.s) = (Some(3), Some(text.clone().into_bytes()));
        }
        Attribute::Ints(numbers) => (proto.r#type, proto.ints) = (Some(7), numbers.clone()),
    }
    proto
}

fn value_info(graph: &Lowered, arg: Arg) -> ValueInfoProto {
    let tensor = graph.tensor(arg);
    ValueInfoProto {
        name: graph.name(arg).to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: element_type(tensor.dtype),
                shape: Some(TensorShapeProto {
                    dim: extents(tensor)
                        .into_iter()
                        .enumerate()
                        .map(|(axis, extent)| match (graph.batch, axis) {
                            (Batch::Free, 0) => {
                                DimensionProto { dim_value: None, dim_param: Some("batch".into()) }
                            }
                            _ => DimensionProto { dim_value: Some(extent), dim_param: None },
                        })
                        .collect(),
                }),
            }),
        }),
    }
}

fn extents(tensor: &TensorType) -> Vec<i64> {
    tensor.shape.iter().map(|&extent| extent as i64).collect()
}

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<StringStringEntryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct StringStringEntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "13")]
    value_info: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, optional, tag = "2")]
    f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    s: Option<Vec<u8>>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, optional, tag = "20")]
    r#type: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionProto {
    /// Optional, so that an extent of 0 is written, too.
    #[prost(int64, optional, tag = "1")]
    dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    dim_param: Option<String>,
}
