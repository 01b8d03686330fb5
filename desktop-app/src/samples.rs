//! The sample photos of the empty window. Public-domain pictures; their sources are told in `models/samples/README.md`.

use egui::{Context, TextureHandle, TextureOptions};

use crate::photo::Source;
use crate::pictures::color_image;
use crate::read;

/// A photo inside the program.
#[derive(Debug)]
pub struct Sample {
    /// What to call it.
    pub name: &'static str,
    /// A JPEG file.
    pub bytes: &'static [u8],
}

/// All of them.
pub static ALL: &[Sample] = &[
    Sample {
        name: "Cat",
        bytes: include_bytes!("../../models/samples/cat.jpg"),
    },
    Sample {
        name: "Espresso",
        bytes: include_bytes!("../../models/samples/espresso.jpg"),
    },
    Sample {
        name: "Rocket",
        bytes: include_bytes!("../../models/samples/rocket.jpg"),
    },
];

/// A small texture of a sample, made once.
pub fn texture(context: &Context, sample: &'static Sample) -> Option<TextureHandle> {
    let id = egui::Id::unique(("sample", sample.name));
    if let Some(texture) = context.data(|data| data.get_temp::<TextureHandle>(id)) {
        return Some(texture);
    }
    let source = Source::Memory {
        name: sample.name.to_owned(),
        bytes: sample.bytes.into(),
    };
    let image = read::photo(&source, &std::sync::Mutex::new(())).ok()?;
    let texture = context.load_texture(
        sample.name,
        color_image(&read::thumbnail(&image)),
        TextureOptions::LINEAR,
    );
    context.data_mut(|data| data.insert_temp(id, texture.clone()));
    Some(texture)
}
