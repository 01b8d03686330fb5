//! The part of `onnx.proto` that a classifier needs, written by hand for prost: no `protoc`, no generated code.
//!
//! Field numbers and meanings are those of the ONNX IR specification (<https://onnx.ai/onnx/repo-docs/IR.html>).
//! Messages that are only carried along (functions, training info) are kept as their encoded bytes.
//! Not here: limits and checks (see [`super::parse`]).

use prost::Message;

/// Element types of a tensor, as in `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// A 32-bit float.
    Float = 1,
    /// An unsigned integer of 8 bits.
    Uint8 = 2,
    /// A signed integer of 8 bits.
    Int8 = 3,
    /// An unsigned integer of 16 bits.
    Uint16 = 4,
    /// A signed integer of 16 bits.
    Int16 = 5,
    /// A signed integer of 32 bits.
    Int32 = 6,
    /// A signed integer of 64 bits.
    Int64 = 7,
    /// A string of bytes, of any length.
    String = 8,
    /// True or false, in one byte.
    Bool = 9,
    /// A 16-bit float of IEEE 754: 5 bits of exponent, 10 of fraction.
    Float16 = 10,
    /// A 64-bit float.
    Double = 11,
    /// An unsigned integer of 32 bits.
    Uint32 = 12,
    /// An unsigned integer of 64 bits.
    Uint64 = 13,
    /// The upper half of a 32-bit float: 8 bits of exponent, 7 of fraction.
    Bfloat16 = 16,
}

impl DataType {
    /// The type of this number in `TensorProto.DataType`, when it is one we know.
    pub fn from_i32(value: i32) -> Option<Self> {
        Some(match value {
            1 => Self::Float,
            2 => Self::Uint8,
            3 => Self::Int8,
            4 => Self::Uint16,
            5 => Self::Int16,
            6 => Self::Int32,
            7 => Self::Int64,
            8 => Self::String,
            9 => Self::Bool,
            10 => Self::Float16,
            11 => Self::Double,
            12 => Self::Uint32,
            13 => Self::Uint64,
            16 => Self::Bfloat16,
            _ => return None,
        })
    }

    /// Bytes of one element in `raw_data`; `None` for strings.
    pub fn bytes(self) -> Option<usize> {
        Some(match self {
            Self::Uint8 | Self::Int8 | Self::Bool => 1,
            Self::Uint16 | Self::Int16 | Self::Float16 | Self::Bfloat16 => 2,
            Self::Float | Self::Int32 | Self::Uint32 => 4,
            Self::Int64 | Self::Uint64 | Self::Double => 8,
            Self::String => return None,
        })
    }

    /// The name ONNX tools print, such as `float32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float32",
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
            Self::Uint16 => "uint16",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::String => "string",
            Self::Bool => "bool",
            Self::Float16 => "float16",
            Self::Double => "float64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Bfloat16 => "bfloat16",
        }
    }
}

/// A whole ONNX file: a graph, the operators it relies on, and what the file says about itself.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// The version of the file format itself; every model must state one.
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    /// The tool that wrote the file.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// The version of that tool.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// The namespace of the model, as a reversed domain name such as `org.example`.
    #[prost(string, tag = "4")]
    pub domain: String,
    /// The version of the model, counted by whoever publishes it.
    #[prost(int64, optional, tag = "5")]
    pub model_version: Option<i64>,
    /// A description of the model for people; Markdown is allowed.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The computation; a file without one is no model.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// The operator sets that the nodes are taken from, each in one version.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// What else the file says about itself; no two entries have the same key.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// How to train the model: `TrainingInfoProto` messages, each as its encoded bytes.
    #[prost(bytes = "vec", repeated, tag = "20")]
    pub training_info: Vec<Vec<u8>>,
    /// Operators that the file itself defines: `FunctionProto` messages, each as its encoded bytes.
    #[prost(bytes = "vec", repeated, tag = "25")]
    pub functions: Vec<Vec<u8>>,
}

/// One version of one set of operators.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetIdProto {
    /// The set's domain; empty, or `ai.onnx`, is ONNX's own.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// The version of the set; it decides what each operator means.
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// A key and its value, both text.
#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntryProto {
    /// The key; unique in its list.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A computation: nodes that read named values and give new ones.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// The nodes, in an order in which none reads what only a later one gives.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The name of the graph.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants by name, such as weights; one whose name is also an input is the default of that input.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// A description for people; Markdown is allowed.
    #[prost(string, tag = "10")]
    pub doc_string: String,
    /// What the caller gives; before IR version 4, initializers are listed here, too.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// What the caller gets.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Types and shapes of values in between, where they are known.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfoProto>,
    /// Scales and zero points of values: `TensorAnnotation` messages, each as its encoded bytes.
    #[prost(bytes = "vec", repeated, tag = "14")]
    pub quantization_annotation: Vec<Vec<u8>>,
    /// Constants that are mostly zero: `SparseTensorProto` messages, each as its encoded bytes.
    #[prost(bytes = "vec", repeated, tag = "15")]
    pub sparse_initializer: Vec<Vec<u8>>,
}

/// One use of an operator.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// The values it reads, by name; an empty name leaves out an optional input.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// The values it gives, by name; an empty name leaves out an optional output.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// The name of the node, for messages; it may be empty.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The name of the operator, such as `Conv`.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Settings of the operator that do not depend on values.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// A description for people; Markdown is allowed.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The domain of the operator; empty is ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// A named setting of a node; `type` says which one of the fields holds its value.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// The name, as the operator defines it.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A number of type `FLOAT`.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// A number of type `INT`.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// A text of type `STRING`, in UTF-8.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// A tensor, of type `TENSOR`.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// A graph such as the branch of an `If`, of type `GRAPH`.
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    /// Numbers of type `FLOATS`.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Numbers of type `INTS`.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Texts of type `STRINGS`, in UTF-8.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// Tensors, of type `TENSORS`.
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<TensorProto>,
    /// Graphs, of type `GRAPHS`.
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<GraphProto>,
    /// A description for people; Markdown is allowed.
    #[prost(string, tag = "13")]
    pub doc_string: String,
    /// Which field holds the value, as `AttributeProto.AttributeType` numbers them: 1 for `f`, 2 for `i`, 7 for `ints`.
    #[prost(int32, optional, tag = "20")]
    pub r#type: Option<i32>,
    /// In a function: the attribute of the function's caller that gives the value; no other field is set then.
    #[prost(string, tag = "21")]
    pub ref_attr_name: String,
}

/// A dense tensor, row by row; its elements lie in one field alone, by `data_type`, or in another file.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// The sizes of its dimensions, such as `[64, 3, 7, 7]`; none for a single number.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// The type of an element, a number of [`DataType`].
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    /// Elements of type `Float`.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Elements of 32-bit and smaller signed types, `Uint8`, `Uint16` and `Bool`; also the bits of 16-bit floats.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Elements of type `String`.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    /// Elements of type `Int64`.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// The name, by which nodes read it.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Elements of any type but `String`: their bytes, little-endian, without gaps.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
    /// Elements of type `Double`.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Elements of types `Uint32` and `Uint64`.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// A description for people; Markdown is allowed.
    #[prost(string, tag = "12")]
    pub doc_string: String,
    /// Where the bytes lie in another file: `location`, and perhaps `offset`, `length` and `checksum`.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// 0 inside this file, 1 in another file (which [`super::parse`] refuses).
    #[prost(int32, optional, tag = "14")]
    pub data_location: Option<i32>,
}

/// The name and type of a value.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    /// The name of the value.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its type; only values between nodes may lack one.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
    /// A description for people; Markdown is allowed.
    #[prost(string, tag = "3")]
    pub doc_string: String,
}

/// The type of a value; of the kinds that ONNX has, only tensors are read.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// The type of a tensor; nothing for a sequence, a map, or another kind of value.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
    /// What the value stands for in words that ONNX defines, such as `IMAGE`.
    #[prost(string, tag = "6")]
    pub denotation: String,
}

/// The type of a tensor: its elements and its shape.
#[derive(Clone, PartialEq, Message)]
pub struct TensorTypeProto {
    /// The type of an element, a number of [`DataType`].
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    /// The shape; nothing when even the number of dimensions is unknown.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// The shape of a tensor, such as `[N, 3, 224, 224]`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    /// The dimensions, the outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// One dimension: a number, a symbol, or neither (unknown).
#[derive(Clone, PartialEq, Message)]
pub struct DimensionProto {
    /// The size.
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    /// The symbol that stands for a size known only at run time, such as `batch`.
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
    /// What the dimension stands for in words that ONNX defines, such as `DATA_CHANNEL`.
    #[prost(string, tag = "3")]
    pub denotation: String,
}
