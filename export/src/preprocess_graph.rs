//! Preprocessing as ONNX nodes: uint8 `[1, height, width, 3]` of any size in, the network's float input out.
//!
//! The same steps as [`Preprocessing::apply`]: integer size arithmetic, antialiased resize on uint8, center crop with
//! Python's rounding, then `(pixel / pixel_max - mean) / std` in float32. Opset 18 brought the antialiased `Resize`.
//! The proof runs in ONNX Runtime, whose resize follows Pillow's fixed point; others may round differently.

mod proof;

use anyhow::{Result, bail};
use model_core::onnx::{AttributeProto, DataType, Dim, ModelProto, TensorProto, ValueInfoProto};
use model_core::preprocessing::{ChannelOrder, Layout, Preprocessing, Resize};
use model_core::resample::Filter;

use crate::builder::GraphBuilder;
use crate::emit::{self, EmitConfig, InputSize};
use crate::plan::ExportPlan;
pub use proof::{InGraphProof, prove, test_images};

/// Name of the uint8 input.
pub const IMAGE: &str = "image";
/// The oldest opset with an antialiased `Resize`.
pub const OPSET: i64 = 18;
/// Largest allowed difference of the two paths, in steps of one pixel value (of 255).
pub const BOUND_LEVELS: f64 = 1.0;

/// Appends the nodes; the float tensor `[1, 3, H, W]` is returned.
///
/// # Errors
/// A transform that needs padding, or a layout the network does not take.
pub fn append(builder: &mut GraphBuilder, p: &Preprocessing) -> Result<String> {
    let [height, width] = p.crop.map(i64::from);
    if p.layout != Layout::Nchw {
        bail!("preprocessing in the graph is written for networks that take [N, 3, H, W]");
    }
    let planes = builder.node(
        "Transpose",
        "preprocess.planes",
        &[IMAGE],
        vec![AttributeProto::ints("perm", &[0, 3, 1, 2])],
    );
    let mut pixels = match p.resize {
        Resize::None => {
            bail!("preprocessing in the graph needs a resize, or small images could not be cropped")
        }
        Resize::Exact {
            height: h,
            width: w,
        } => {
            let (h, w) = (i64::from(h), i64::from(w));
            if h < height || w < width {
                bail!(
                    "preprocessing in the graph cannot pad: the resize {h}x{w} is below the crop {height}x{width}"
                );
            }
            let sizes =
                builder.constant(TensorProto::int64("preprocess.sizes", &[4], &[1, 3, h, w]));
            resize(builder, &planes, &sizes, p.interpolation)
        }
        Resize::ShortSide(short) => {
            let short = i64::from(short);
            if short < height.max(width) {
                bail!(
                    "preprocessing in the graph cannot pad: the short side {short} is below the crop {height}x{width}"
                );
            }
            let sizes = short_side_sizes(builder, &planes, short);
            resize(builder, &planes, &sizes, p.interpolation)
        }
    };
    pixels = center_crop(builder, &pixels, [height, width]);
    if p.channels == ChannelOrder::Bgr {
        let order = builder.constant(TensorProto::int64("preprocess.bgr", &[3], &[2, 1, 0]));
        pixels = builder.node(
            "Gather",
            "preprocess.order",
            &[&pixels, &order],
            vec![AttributeProto::int("axis", 1)],
        );
    }
    let to = vec![AttributeProto::int("to", DataType::Float as i64)];
    let float = builder.node("Cast", "preprocess.float", &[&pixels], to);
    let full = builder.constant(TensorProto::floats(
        "preprocess.pixel_max",
        &[],
        &[p.pixel_max],
    ));
    let scaled = builder.node("Div", "preprocess.scale", &[&float, &full], Vec::new());
    let ordered = |values: [f32; 3]| {
        if p.channels == ChannelOrder::Bgr {
            [values[2], values[1], values[0]]
        } else {
            values
        }
    };
    let mean = builder.constant(TensorProto::floats(
        "preprocess.mean",
        &[1, 3, 1, 1],
        &ordered(p.mean),
    ));
    let centered = builder.node("Sub", "preprocess.center", &[&scaled, &mean], Vec::new());
    let std = builder.constant(TensorProto::floats(
        "preprocess.std",
        &[1, 3, 1, 1],
        &ordered(p.std),
    ));
    Ok(builder.node(
        "Div",
        "preprocess.normalize",
        &[&centered, &std],
        Vec::new(),
    ))
}

/// `[1, 3, short * height / min, short * width / min]`, divisions truncated as torchvision does.
fn short_side_sizes(builder: &mut GraphBuilder, planes: &str, short: i64) -> String {
    let (from, to) = (
        vec![AttributeProto::int("start", 2)],
        AttributeProto::int("end", 4),
    );
    let spatial = builder.node(
        "Shape",
        "preprocess.size",
        &[planes],
        [from, vec![to]].concat(),
    );
    let least = builder.node(
        "ReduceMin",
        "preprocess.short",
        &[&spatial],
        vec![AttributeProto::int("keepdims", 1)],
    );
    let wanted = builder.constant(TensorProto::int64("preprocess.short_side", &[1], &[short]));
    let grown = builder.node("Mul", "preprocess.grown", &[&spatial, &wanted], Vec::new());
    let sides = builder.node("Div", "preprocess.sides", &[&grown, &least], Vec::new());
    let head = builder.constant(TensorProto::int64(
        "preprocess.batch_channels",
        &[2],
        &[1, 3],
    ));
    builder.node(
        "Concat",
        "preprocess.sizes",
        &[&head, &sides],
        vec![AttributeProto::int("axis", 0)],
    )
}

fn resize(builder: &mut GraphBuilder, planes: &str, sizes: &str, filter: Filter) -> String {
    let mut attributes = vec![
        AttributeProto::int("antialias", 1),
        AttributeProto::string("coordinate_transformation_mode", "half_pixel"),
        AttributeProto::int("exclude_outside", 1),
    ];
    match filter {
        Filter::Bilinear => attributes.push(AttributeProto::string("mode", "linear")),
        Filter::Bicubic => {
            attributes.push(AttributeProto::float("cubic_coeff_a", -0.5));
            attributes.push(AttributeProto::string("mode", "cubic"));
        }
    }
    builder.node(
        "Resize",
        "preprocess.resize",
        &[planes, "", "", sizes],
        attributes,
    )
}

/// Crop offsets `int(round((size - crop) / 2))` with halves to even: `half + odd * (half mod 2)`.
fn center_crop(builder: &mut GraphBuilder, pixels: &str, crop: [i64; 2]) -> String {
    let attributes = vec![
        AttributeProto::int("start", 2),
        AttributeProto::int("end", 4),
    ];
    let spatial = builder.node("Shape", "preprocess.resized", &[pixels], attributes);
    let crop = builder.constant(TensorProto::int64("preprocess.crop", &[2], &crop));
    let two = builder.constant(TensorProto::int64("preprocess.two", &[1], &[2]));
    let spare = builder.node("Sub", "preprocess.spare", &[&spatial, &crop], Vec::new());
    let half = builder.node("Div", "preprocess.half", &[&spare, &two], Vec::new());
    let odd = builder.node("Mod", "preprocess.odd", &[&spare, &two], Vec::new());
    let half_odd = builder.node("Mod", "preprocess.half_odd", &[&half, &two], Vec::new());
    let correction = builder.node(
        "Mul",
        "preprocess.correction",
        &[&odd, &half_odd],
        Vec::new(),
    );
    let start = builder.node("Add", "preprocess.start", &[&half, &correction], Vec::new());
    let end = builder.node("Add", "preprocess.end", &[&start, &crop], Vec::new());
    let axes = builder.constant(TensorProto::int64("preprocess.axes", &[2], &[2, 3]));
    builder.node(
        "Slice",
        "preprocess.cropped",
        &[pixels, &start, &end, &axes],
        Vec::new(),
    )
}

fn image_input() -> ValueInfoProto {
    let dims = [
        Dim::Size(1),
        Dim::Symbol("height"),
        Dim::Symbol("width"),
        Dim::Size(3),
    ];
    ValueInfoProto::tensor(IMAGE, DataType::Uint8, &dims)
}

/// The whole model: pixels in, logits or probabilities out.
///
/// # Errors
/// As [`append`].
pub fn model(plan: &ExportPlan, p: &Preprocessing, config: &EmitConfig) -> Result<ModelProto> {
    let mut builder = GraphBuilder::new(config);
    let input = append(&mut builder, p)?;
    let [height, width] = p.crop.map(|side| side as usize);
    let logits = emit::network(
        &mut builder,
        plan,
        &input,
        InputSize::Fixed { height, width },
    )?;
    let mut model = emit::finish(builder, image_input(), &logits, plan.num_classes, config)?;
    if let Some(output) = model
        .graph
        .as_mut()
        .and_then(|graph| graph.output.first_mut())
    {
        *output = ValueInfoProto::tensor(
            &output.name,
            DataType::Float,
            &[Dim::Size(1), Dim::Size(plan.num_classes)],
        );
    }
    Ok(model)
}

/// The preprocessing alone, to measure it.
fn preprocessing_model(p: &Preprocessing, config: &EmitConfig) -> Result<ModelProto> {
    let mut builder = GraphBuilder::new(config);
    let last = append(&mut builder, p)?;
    let plain = EmitConfig {
        softmax: None,
        ..*config
    };
    let mut model = emit::finish(builder, image_input(), &last, 1, &plain)?;
    if let Some(output) = model
        .graph
        .as_mut()
        .and_then(|graph| graph.output.first_mut())
    {
        let [height, width] = p.crop.map(|side| Dim::Size(side as usize));
        *output = ValueInfoProto::tensor(
            &output.name,
            DataType::Float,
            &[Dim::Size(1), Dim::Size(3), height, width],
        );
    }
    Ok(model)
}
