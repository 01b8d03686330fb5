//! Puts a manifest into the bytes of an ONNX file and leaves every other byte as it is, unknown fields included: only
//! the outermost message is walked, and the one metadata entry is replaced.

use model_core::Manifest;
use model_core::manifest::MANIFEST_KEY;
use model_core::onnx::StringStringEntryProto;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use crate::InferenceError;

/// `ModelProto.metadata_props`.
const METADATA_PROPS: u32 = 14;

/// The same ONNX file with `manifest` inside.
///
/// # Errors
/// [`InferenceError::Model`] when `onnx` is no ONNX file, [`InferenceError::Manifest`] when the manifest is not valid.
pub fn with_manifest(onnx: &[u8], manifest: &Manifest) -> Result<Vec<u8>, InferenceError> {
    let invalid = |source| InferenceError::Manifest {
        origin: manifest.name.clone(),
        source,
    };
    manifest.validate().map_err(invalid)?;
    let entry = StringStringEntryProto {
        key: MANIFEST_KEY.to_owned(),
        value: manifest.to_json().map_err(invalid)?,
    };
    let damaged = |reason: String| {
        InferenceError::model(
            manifest.name.clone(),
            format!("not an ONNX model ({reason})"),
        )
    };
    let mut out = Vec::with_capacity(onnx.len() + entry.encoded_len() + 16);
    let mut rest = onnx;
    while !rest.is_empty() {
        let start = rest;
        let (number, wire) = decode_key(&mut rest).map_err(|error| damaged(error.to_string()))?;
        let length = match wire {
            WireType::Varint => {
                decode_varint(&mut rest).map_err(|error| damaged(error.to_string()))?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => {
                decode_varint(&mut rest).map_err(|error| damaged(error.to_string()))?
            }
            WireType::StartGroup | WireType::EndGroup => {
                return Err(damaged("it holds protobuf groups".to_owned()));
            }
        };
        let (value, after) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| damaged("it ends in the middle of a field".to_owned()))?;
        rest = after;
        let ours = number == METADATA_PROPS
            && StringStringEntryProto::decode(value).is_ok_and(|entry| entry.key == MANIFEST_KEY);
        if !ours {
            out.extend_from_slice(&start[..start.len() - rest.len()]);
        }
    }
    encode_key(METADATA_PROPS, WireType::LengthDelimited, &mut out);
    encode_varint(entry.encoded_len() as u64, &mut out);
    out.extend_from_slice(&entry.encode_to_vec());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use model_core::onnx::ModelProto;
    use model_core::{Label, Preprocessing};

    use super::*;

    #[test]
    fn replaces_one_entry_and_keeps_unknown_fields() {
        let mut model = ModelProto {
            ir_version: Some(8),
            producer_name: "test".into(),
            ..ModelProto::default()
        };
        model.set_metadata("other", "kept");
        let mut bytes = model.encode_to_vec();
        // Field 99, length-delimited, unknown to everybody.
        encode_key(99, WireType::LengthDelimited, &mut bytes);
        encode_varint(3, &mut bytes);
        bytes.extend_from_slice(b"abc");
        let mut manifest =
            Manifest::new("m", "a", vec![Label::named("x")], Preprocessing::imagenet());
        let once = with_manifest(&bytes, &manifest).unwrap();
        assert!(
            once.starts_with(&bytes),
            "nothing before the new entry changes"
        );
        manifest.temperature = 2.0;
        let twice = with_manifest(&once, &manifest).unwrap();
        assert!(twice.starts_with(&bytes));
        let read = ModelProto::decode(&twice[..]).unwrap();
        assert_eq!(read.metadata_props.len(), 2);
        assert_eq!(read.metadata("other"), Some("kept"));
        assert_eq!(
            Manifest::from_json(read.metadata(MANIFEST_KEY).unwrap()).unwrap(),
            manifest
        );
    }

    #[test]
    fn damage_is_an_error() {
        let manifest = Manifest::new("m", "a", vec![Label::named("x")], Preprocessing::imagenet());
        assert!(with_manifest(&[0x72, 0xff, 0xff, 0xff, 0xff, 0x0f], &manifest).is_err());
        assert!(with_manifest(&[0x0b], &manifest).is_err());
    }
}
