//! What a taught model keeps of its photos, so that more can be added later without them: the features in float16, a
//! digest and a coarse print of each. No file names and no pixels.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use half::f16;
use model_core::onnx::{self, ModelProto};
use serde::{Deserialize, Serialize};

use super::{TeachError, TrainingPhoto};

/// The metadata key of [`Kept`].
pub(super) const KEPT_KEY: &str = "resnet50_toolkit.taught";

/// The newest form that is read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    /// [`super::Backbone::sha256`]: features of another backbone mean nothing.
    backbone_sha256: String,
    width: usize,
    classes: Vec<String>,
    photos: Vec<KeptPhoto>,
    /// float16, little-endian, `[photos, width]`, base64.
    features: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptPhoto {
    class: Option<usize>,
    sha256: String,
    /// Hexadecimal: JSON's numbers do not hold 64 bits everywhere.
    print: String,
}

/// The text that goes into the model.
pub(super) fn write(
    photos: &[TrainingPhoto],
    classes: &[String],
    backbone_sha256: &str,
    width: usize,
) -> Result<String, TeachError> {
    let bytes: Vec<u8> = photos
        .iter()
        .flat_map(|photo| &photo.features)
        .flat_map(|value| f16::from_f32(*value).to_le_bytes())
        .collect();
    let of = |name: &String| classes.iter().position(|class| class == name);
    let kept = Kept {
        version: VERSION,
        backbone_sha256: backbone_sha256.to_owned(),
        width,
        classes: classes.to_vec(),
        photos: photos
            .iter()
            .map(|photo| KeptPhoto {
                class: photo.class.as_ref().and_then(of),
                sha256: photo.sha256.clone(),
                print: format!("{:016x}", photo.print),
            })
            .collect(),
        features: STANDARD.encode(bytes),
    };
    Ok(serde_json::to_string(&kept)?)
}

/// The photos that a taught model keeps.
///
/// # Errors
/// Why what it keeps cannot be used.
pub(super) fn read(
    model: &ModelProto,
    backbone_sha256: &str,
) -> Result<Option<Vec<TrainingPhoto>>, String> {
    let Some(text) = model.metadata(KEPT_KEY) else {
        return Ok(None);
    };
    let kept: Kept =
        serde_json::from_str(text).map_err(|error| format!("what it keeps is damaged: {error}"))?;
    if kept.version != VERSION {
        return Err(format!(
            "what it keeps has version {}, this program reads {VERSION}",
            kept.version
        ));
    }
    if kept.backbone_sha256 != backbone_sha256 {
        return Err("what it keeps belongs to another network".to_owned());
    }
    let damaged = || "what it keeps is damaged".to_owned();
    let bytes = STANDARD.decode(&kept.features).map_err(|_| damaged())?;
    let row = kept
        .width
        .checked_mul(2)
        .filter(|row| *row > 0)
        .ok_or_else(damaged)?;
    if kept.photos.len().checked_mul(row) != Some(bytes.len()) {
        return Err(damaged());
    }
    let photos = kept
        .photos
        .into_iter()
        .zip(bytes.chunks_exact(row))
        .map(|(photo, row)| {
            let class = match photo.class {
                Some(class) => Some(kept.classes.get(class).cloned().ok_or_else(damaged)?),
                None => None,
            };
            Ok(TrainingPhoto {
                path: None,
                class,
                sha256: photo.sha256,
                print: u64::from_str_radix(&photo.print, 16).map_err(|_| damaged())?,
                features: row
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|value| f16::from_le_bytes(*value).to_f32())
                    .collect(),
            })
        })
        .collect::<Result<Vec<TrainingPhoto>, String>>()?;
    Ok(Some(photos))
}

/// The photos that the model in `bytes` keeps.
pub(super) fn of_file(
    bytes: &[u8],
    backbone_sha256: &str,
) -> Result<Option<Vec<TrainingPhoto>>, String> {
    let model = onnx::parse(bytes).map_err(|error| error.to_string())?;
    read(&model, backbone_sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_damage_is_said() {
        let photo = |class: Option<&str>, features: &[f32]| TrainingPhoto {
            path: None,
            class: class.map(str::to_owned),
            sha256: "ab".to_owned(),
            print: u64::MAX,
            features: features.to_vec(),
        };
        let photos = [photo(Some("dog"), &[1.5, -0.25]), photo(None, &[0.0, 4.0])];
        let classes = ["cat".to_owned(), "dog".to_owned()];
        let text = write(&photos, &classes, "backbone", 2).unwrap();
        let mut model = ModelProto::default();
        assert_eq!(read(&model, "backbone"), Ok(None));
        model.set_metadata(KEPT_KEY, text.clone());
        assert_eq!(read(&model, "backbone"), Ok(Some(photos.to_vec())));
        assert!(
            read(&model, "other")
                .unwrap_err()
                .contains("another network")
        );
        model.set_metadata(KEPT_KEY, text.replace("\"width\":2", "\"width\":3"));
        assert!(read(&model, "backbone").unwrap_err().contains("damaged"));
    }
}
