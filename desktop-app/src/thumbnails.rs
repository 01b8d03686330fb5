//! Small pictures and textures, in bounded numbers: what was not seen for longest goes first and is made again when
//! it is needed.

use std::collections::{HashMap, HashSet};

use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use model_core::RgbImage;

use crate::photo::PhotoId;

/// Bytes of thumbnails kept at most: about 450 of them. The others are made again when they come into sight.
const THUMBNAIL_BYTES: usize = 48 << 20;

/// Textures on the graphics card at most: several screens of tiles.
const TEXTURES: usize = 320;

/// Textures that stay although they were not in sight for a while: a screen or two of tiles.
const RESTING_TEXTURES: usize = 64;

/// Frames after which a texture out of sight is given back.
const RESTING_FRAMES: u64 = 90;

/// Textures made in one frame at most, so that no frame takes long.
const UPLOADS_A_FRAME: usize = 12;

struct Small {
    image: RgbImage,
    used: u64,
}

/// The thumbnails and their textures.
#[derive(Default)]
pub struct ThumbnailCache {
    smalls: HashMap<PhotoId, Small>,
    bytes: usize,
    textures: HashMap<PhotoId, (TextureHandle, u64)>,
    asked: HashSet<PhotoId>,
    frame: u64,
    uploads: usize,
}

/// What [`ThumbnailCache::get`] found.
pub enum ThumbnailState {
    /// Ready to paint.
    Texture(TextureHandle),
    /// In a later frame.
    Soon,
    /// Gone or never made; see [`ThumbnailCache::request`].
    Missing,
}

/// RGB pixels as egui wants them.
pub fn color_image(image: &RgbImage) -> ColorImage {
    ColorImage::from_rgb([image.width as usize, image.height as usize], &image.data)
}

impl ThumbnailCache {
    /// Call at the beginning of a frame.
    pub fn begin_frame(&mut self) {
        self.frame += 1;
        self.uploads = 0;
        if self.textures.len() > RESTING_TEXTURES && self.frame.is_multiple_of(RESTING_FRAMES) {
            let since = self.frame.saturating_sub(RESTING_FRAMES);
            self.textures.retain(|_, (_, used)| *used >= since);
        }
    }

    /// Keeps a thumbnail; older ones go when there are too many.
    pub fn put(&mut self, id: PhotoId, image: RgbImage) {
        self.asked.remove(&id);
        // What is on the graphics card was made from the picture that this one replaces.
        self.textures.remove(&id);
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
    pub fn get(&mut self, context: &Context, id: PhotoId) -> ThumbnailState {
        let frame = self.frame;
        if let Some((texture, used)) = self.textures.get_mut(&id) {
            *used = frame;
            return ThumbnailState::Texture(texture.clone());
        }
        let Some(small) = self.smalls.get_mut(&id) else {
            return ThumbnailState::Missing;
        };
        small.used = frame;
        if self.uploads >= UPLOADS_A_FRAME {
            context.request_repaint();
            return ThumbnailState::Soon;
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
        ThumbnailState::Texture(texture)
    }

    /// True once for each missing thumbnail: a worker should make it.
    pub fn request(&mut self, id: PhotoId) -> bool {
        self.asked.insert(id)
    }

    /// Forgets photos that were removed or changed.
    pub fn remove(&mut self, ids: &[PhotoId]) {
        for id in ids {
            self.textures.remove(id);
            self.asked.remove(id);
            if let Some(gone) = self.smalls.remove(id) {
                self.bytes -= gone.image.data.len();
            }
        }
        if self.smalls.is_empty() {
            // The tables of a long list are large themselves.
            self.smalls = HashMap::new();
            self.textures = HashMap::new();
            self.asked = HashSet::new();
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
        let mut pictures = ThumbnailCache::default();
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
            ThumbnailState::Texture(_)
        ));
        assert!(matches!(
            pictures.get(&context, PhotoId(0)),
            ThumbnailState::Missing
        ));
        assert!(pictures.request(PhotoId(0)));
        assert!(!pictures.request(PhotoId(0)), "a worker is asked once");
        for id in 1900..2000 {
            pictures.begin_frame();
            pictures.get(&context, PhotoId(id));
        }
        assert!(pictures.held().1 <= TEXTURES);
        pictures.remove(&[PhotoId(1999)]);
        assert!(matches!(
            pictures.get(&context, PhotoId(1999)),
            ThumbnailState::Missing
        ));
    }

    #[test]
    fn a_new_thumbnail_replaces_what_is_on_the_graphics_card() {
        let (mut pictures, context, id) =
            (ThumbnailCache::default(), Context::default(), PhotoId(1));
        let texture = |pictures: &mut ThumbnailCache| {
            pictures.begin_frame();
            match pictures.get(&context, id) {
                ThumbnailState::Texture(texture) => texture.id(),
                _ => panic!("there is a thumbnail"),
            }
        };
        pictures.put(id, RgbImage::new(1, 1, vec![1; 3]).unwrap());
        let first = texture(&mut pictures);
        assert_eq!(first, texture(&mut pictures));
        pictures.put(id, RgbImage::new(1, 1, vec![2; 3]).unwrap());
        assert_ne!(first, texture(&mut pictures));
    }
}
