//! Small pictures and textures, in bounded numbers: what was not seen for longest goes first and is made again when it is needed.

use std::collections::{HashMap, HashSet};

use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use model_core::RgbImage;

use crate::photo::PhotoId;

/// Bytes of thumbnails kept at most: about 900 of them.
const THUMBNAIL_BYTES: usize = 96 << 20;

/// Textures on the graphics card at most: several screens of tiles.
const TEXTURES: usize = 320;

/// Textures made in one frame at most, so that no frame takes long.
const UPLOADS_A_FRAME: usize = 12;

struct Small {
    image: RgbImage,
    used: u64,
}

/// The thumbnails and their textures.
#[derive(Default)]
pub struct Pictures {
    smalls: HashMap<PhotoId, Small>,
    bytes: usize,
    textures: HashMap<PhotoId, (TextureHandle, u64)>,
    asked: HashSet<PhotoId>,
    frame: u64,
    uploads: usize,
}

/// What [`Pictures::get`] found.
pub enum Found {
    /// Ready to paint.
    Texture(TextureHandle),
    /// In a later frame.
    Soon,
    /// Gone or never made; see [`Pictures::ask`].
    Missing,
}

/// RGB pixels as egui wants them.
pub fn color_image(image: &RgbImage) -> ColorImage {
    ColorImage::from_rgb([image.width as usize, image.height as usize], &image.data)
}

impl Pictures {
    /// Call at the beginning of a frame.
    pub fn begin_frame(&mut self) {
        self.frame += 1;
        self.uploads = 0;
    }

    /// Keeps a thumbnail; older ones go when there are too many.
    pub fn put(&mut self, id: PhotoId, image: RgbImage) {
        self.asked.remove(&id);
        self.bytes += image.data.len();
        if let Some(old) = self.smalls.insert(
            id,
            Small {
                image,
                used: self.frame,
            },
        ) {
            self.bytes -= old.image.data.len();
        }
        if self.bytes > THUMBNAIL_BYTES {
            let mut by_age: Vec<_> = self
                .smalls
                .iter()
                .map(|(id, small)| (small.used, *id))
                .collect();
            by_age.sort_unstable();
            for (_, id) in by_age {
                // A tenth of room, so that this is not done for every picture.
                if self.bytes <= THUMBNAIL_BYTES / 10 * 9 {
                    break;
                }
                if let Some(gone) = self.smalls.remove(&id) {
                    self.bytes -= gone.image.data.len();
                }
            }
        }
    }

    /// The texture of a photo's thumbnail.
    pub fn get(&mut self, context: &Context, id: PhotoId) -> Found {
        let frame = self.frame;
        if let Some((texture, used)) = self.textures.get_mut(&id) {
            *used = frame;
            return Found::Texture(texture.clone());
        }
        let Some(small) = self.smalls.get_mut(&id) else {
            return Found::Missing;
        };
        small.used = frame;
        if self.uploads >= UPLOADS_A_FRAME {
            context.request_repaint();
            return Found::Soon;
        }
        self.uploads += 1;
        let texture = context.load_texture(
            format!("photo {}", id.0),
            color_image(&small.image),
            TextureOptions::LINEAR,
        );
        if self.textures.len() >= TEXTURES
            && let Some(oldest) = self
                .textures
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(id, _)| *id)
        {
            self.textures.remove(&oldest);
        }
        self.textures.insert(id, (texture.clone(), frame));
        Found::Texture(texture)
    }

    /// True once for each missing thumbnail: a worker should make it.
    pub fn ask(&mut self, id: PhotoId) -> bool {
        self.asked.insert(id)
    }

    /// Forgets photos that were removed.
    pub fn forget(&mut self, ids: &[PhotoId]) {
        for id in ids {
            self.textures.remove(id);
            self.asked.remove(id);
            if let Some(gone) = self.smalls.remove(id) {
                self.bytes -= gone.image.data.len();
            }
        }
    }

    /// Bytes of thumbnails, and number of textures, now.
    pub fn held(&self) -> (usize, usize) {
        (self.bytes, self.textures.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let mut pictures = Pictures::default();
        let one = RgbImage::new(224, 224, vec![0; 224 * 224 * 3]).unwrap();
        for id in 0..2000 {
            pictures.begin_frame();
            pictures.put(PhotoId(id), one.clone());
            assert!(pictures.held().0 <= THUMBNAIL_BYTES);
        }
        let context = Context::default();
        pictures.begin_frame();
        assert!(matches!(
            pictures.get(&context, PhotoId(1999)),
            Found::Texture(_)
        ));
        assert!(matches!(pictures.get(&context, PhotoId(0)), Found::Missing));
        assert!(pictures.ask(PhotoId(0)));
        assert!(!pictures.ask(PhotoId(0)), "a worker is asked once");
        for id in 1900..2000 {
            pictures.begin_frame();
            pictures.get(&context, PhotoId(id));
        }
        assert!(pictures.held().1 <= TEXTURES);
        pictures.forget(&[PhotoId(1999)]);
        assert!(matches!(
            pictures.get(&context, PhotoId(1999)),
            Found::Missing
        ));
    }
}
