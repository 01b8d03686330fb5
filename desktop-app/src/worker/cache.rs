//! The one place where the workers get a photo's pixels: a photo is decoded once, however many of them want it.
//!
//! Who asks for a photo that is being decoded waits for it. The photo the user looks at stays decoded, so that the
//! answer, the picture and the heat map are made from the same pixels. No other photo is kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use model_core::reading::ReadingConfig;

use crate::content::FileStamp;
use crate::photo::{PhotoId, PhotoSource};
use crate::problem::Problem;
use crate::read::{self, LoadedPhoto};

/// A photo of more pixels is not kept (three bytes each), and is decoded again for the heat map.
const KEPT_PIXELS: u64 = 50_000_000;

#[derive(Default)]
struct Slots {
    wanted: Option<PhotoId>,
    kept: Option<(PhotoId, ReadingConfig, Arc<LoadedPhoto>)>,
    decoding: HashSet<PhotoId>,
}

/// Decoded photos, shared by all workers.
#[derive(Default)]
pub(super) struct DecodeCache {
    slots: Mutex<Slots>,
    changed: Condvar,
    /// Large photos are decoded one at a time, so that memory stays bounded.
    large: Mutex<()>,
    decodes: AtomicUsize,
}

/// Ends a decoding also when the decoder panics, so that nobody waits for ever.
struct Decoding<'a>(&'a DecodeCache, PhotoId);

impl Drop for Decoding<'_> {
    fn drop(&mut self) {
        self.0.slots().decoding.remove(&self.1);
        self.0.changed.notify_all();
    }
}

impl DecodeCache {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps this photo's pixels from now on, and no other's.
    pub(super) fn want(&self, id: Option<PhotoId>) {
        let mut slots = self.slots();
        slots.wanted = id;
        if slots.kept.as_ref().map(|(kept, ..)| *kept) != id {
            slots.kept = None;
        }
    }

    /// The pixels of a photo as its file is now, read as a model asks for.
    pub(super) fn load(
        &self,
        id: PhotoId,
        source: &PhotoSource,
        reading: &ReadingConfig,
    ) -> Result<Arc<LoadedPhoto>, Problem> {
        let mut slots = self.slots();
        loop {
            if let Some((kept, as_read, photo)) = &slots.kept
                && *kept == id
                && as_read == reading
                && is_current(photo, source)
            {
                return Ok(Arc::clone(photo));
            }
            if slots.decoding.insert(id) {
                break;
            }
            slots = self
                .changed
                .wait(slots)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(slots);
        let decoding = Decoding(self, id);
        self.decodes.fetch_add(1, Ordering::Relaxed);
        let photo = Arc::new(read::load(source, reading, &self.large)?);
        let pixels = u64::from(photo.image.width) * u64::from(photo.image.height);
        let mut slots = self.slots();
        if slots.wanted == Some(id) && pixels <= KEPT_PIXELS {
            slots.kept = Some((id, *reading, Arc::clone(&photo)));
        }
        drop(slots);
        drop(decoding);
        Ok(photo)
    }

    /// How many photos were decoded so far.
    pub(super) fn decodes(&self) -> usize {
        self.decodes.load(Ordering::Relaxed)
    }
}

fn is_current(photo: &LoadedPhoto, source: &PhotoSource) -> bool {
    match source {
        PhotoSource::Memory { .. } => true,
        PhotoSource::File(path) => !photo.content.may_differ_from(FileStamp::of(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(path: &std::path::Path, red: u8) {
        image::RgbImage::from_pixel(400 + u32::from(red), 300, image::Rgb([red, 0, 0]))
            .save(path)
            .unwrap();
    }

    #[test]
    fn a_photo_that_is_looked_at_is_decoded_once_until_its_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        picture(&path, 10);
        let (cache, source, id) = (
            DecodeCache::default(),
            PhotoSource::File(path.clone()),
            PhotoId(1),
        );
        cache.want(Some(id));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    assert_eq!(
                        cache
                            .load(id, &source, &ReadingConfig::default())
                            .unwrap()
                            .image
                            .width,
                        410
                    )
                });
            }
        });
        assert_eq!(cache.decodes(), 1);
        picture(&path, 20);
        assert_eq!(
            cache
                .load(id, &source, &ReadingConfig::default())
                .unwrap()
                .image
                .width,
            420
        );
        assert_eq!(cache.decodes(), 2);
        cache.want(None);
        cache.load(id, &source, &ReadingConfig::default()).unwrap();
        assert_eq!(cache.decodes(), 3, "nothing is kept that nobody looks at");
    }

    #[test]
    fn a_file_that_cannot_be_read_holds_nobody_up() {
        let cache = DecodeCache::default();
        let source = PhotoSource::File("/not/there.jpg".into());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert!(
                        cache
                            .load(PhotoId(1), &source, &ReadingConfig::default())
                            .is_err()
                    )
                });
            }
        });
    }
}
