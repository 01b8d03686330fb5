//! The sample photos of the empty window. Public-domain pictures; their sources are told in
//! `models/samples/README.md`.

use std::sync::Mutex;

use egui::{Context, Id, TextureHandle, TextureOptions};
use model_core::RgbImage;
use model_core::reading::ReadingConfig;

use crate::photo::PhotoSource;
use crate::read;
use crate::thumbnails::color_image;

/// A photo inside the program.
#[derive(Debug, PartialEq, Eq)]
pub struct SamplePhoto {
    /// What to call it.
    pub name: &'static str,
    /// A JPEG file.
    pub bytes: &'static [u8],
}

/// All of them.
pub static ALL: &[SamplePhoto] = &[
    SamplePhoto {
        name: "Cat",
        bytes: include_bytes!("../../models/samples/cat.jpg"),
    },
    SamplePhoto {
        name: "Espresso",
        bytes: include_bytes!("../../models/samples/espresso.jpg"),
    },
    SamplePhoto {
        name: "Rocket",
        bytes: include_bytes!("../../models/samples/rocket.jpg"),
    },
];

fn id(sample: &SamplePhoto) -> Id {
    Id::unique(("sample", sample.name))
}

/// Reads a sample small: work for a thread.
pub fn small(sample: &SamplePhoto) -> Option<RgbImage> {
    let source = PhotoSource::Memory {
        name: sample.name.to_owned(),
        bytes: sample.bytes.into(),
    };
    let photo = read::load(&source, &ReadingConfig::default(), &Mutex::new(())).ok()?;
    Some(read::thumbnail(&photo.image))
}

/// Keeps what [`small`] gave, as a texture.
pub fn keep(context: &Context, sample: &SamplePhoto, image: &RgbImage) {
    let texture = context.load_texture(sample.name, color_image(image), TextureOptions::LINEAR);
    context.data_mut(|data| data.insert_temp(id(sample), texture));
}

/// The small texture of a sample, once it is there.
pub fn texture(context: &Context, sample: &SamplePhoto) -> Option<TextureHandle> {
    context.data(|data| data.get_temp(id(sample)))
}
