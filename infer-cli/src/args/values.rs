//! Typed words as values, each with an error that says what was expected. Pure functions of a text.

use std::str::FromStr;

use model_core::manifest::Output;
use model_core::preprocessing::{ChannelOrder, Layout, Resize};
use model_core::resample::Filter;
use photos::sort::Template;

pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number from 1".to_owned()),
        Ok(n) => Ok(n),
    }
}

pub(crate) fn refusals(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=0.5).contains(&share) => Ok(share),
        _ => Err(format!("expected a share from 0 to 0.5, got '{text}'")),
    }
}

pub(crate) fn template(text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn fraction(text: &str) -> Result<f32, String> {
    text.parse::<f32>()
        .ok()
        .filter(|p| (0.0..=1.0).contains(p))
        .ok_or_else(|| "expected a probability from 0 to 1".to_owned())
}

pub(crate) fn size(text: &str) -> Result<[u32; 2], String> {
    let side = |part: &str| part.parse::<u32>().ok().filter(|side| *side > 0);
    let sides = match text.split_once('x') {
        Some((height, width)) => side(height).zip(side(width)),
        None => side(text).map(|side| (side, side)),
    };
    sides
        .map(|(height, width)| [height, width])
        .ok_or_else(|| "expected SIDE or HEIGHTxWIDTH in pixels".to_owned())
}

pub(crate) fn resize(text: &str) -> Result<Resize, String> {
    match text {
        "none" => Ok(Resize::None),
        text if text.contains('x') => {
            size(text).map(|[height, width]| Resize::Exact { height, width })
        }
        text => size(text).map(|[short, _]| Resize::ShortSide(short)),
    }
    .map_err(|_| "expected the short side in pixels, HEIGHTxWIDTH, or none".to_owned())
}

pub(crate) fn three(text: &str) -> Result<[f32; 3], String> {
    let numbers: Vec<f32> = text
        .split(',')
        .map(|part| f32::from_str(part.trim()))
        .collect::<Result<_, _>>()
        .map_err(|_| "expected numbers".to_owned())?;
    match numbers[..] {
        [all] => Ok([all; 3]),
        [r, g, b] => Ok([r, g, b]),
        _ => Err("expected three numbers, R,G,B, or one for all".to_owned()),
    }
}

pub(crate) fn interpolation(text: &str) -> Result<Filter, String> {
    match text {
        "bilinear" => Ok(Filter::Bilinear),
        "bicubic" => Ok(Filter::Bicubic),
        _ => Err("expected bilinear or bicubic".to_owned()),
    }
}

pub(crate) fn layout(text: &str) -> Result<Layout, String> {
    match text {
        "nchw" => Ok(Layout::Nchw),
        "nhwc" => Ok(Layout::Nhwc),
        _ => Err("expected nchw or nhwc".to_owned()),
    }
}

pub(crate) fn channels(text: &str) -> Result<ChannelOrder, String> {
    match text {
        "rgb" => Ok(ChannelOrder::Rgb),
        "bgr" => Ok(ChannelOrder::Bgr),
        _ => Err("expected rgb or bgr".to_owned()),
    }
}

pub(crate) fn output(text: &str) -> Result<Output, String> {
    Output::ALL
        .into_iter()
        .find(|output| output.name() == text)
        .ok_or_else(|| {
            format!(
                "expected one of {}",
                Output::ALL.map(Output::name).join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        assert_eq!(size("224"), Ok([224, 224]));
        assert_eq!(size("192x256"), Ok([192, 256]));
        assert!(size("0").is_err() && size("axb").is_err());
        assert_eq!(resize("none"), Ok(Resize::None));
        assert_eq!(resize("232"), Ok(Resize::ShortSide(232)));
        assert_eq!(three("0.5"), Ok([0.5; 3]));
        assert!(three("1,2").is_err());
        assert!(fraction("1.5").is_err() && fraction("nan").is_err());
        assert!(positive("0").is_err());
    }
}
