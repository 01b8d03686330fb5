//! Tensors that lie in other files: `model.onnx.data` beside the model, the default of `torch.onnx.export` since 2.9.
//!
//! Only files in the model's own folder or below it are opened: no absolute path, no `..`, no link that leads out. Sizes
//! are held against the files before anything is read.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use model_core::onnx::{DataType, ModelProto, TensorProto};
use model_core::text::system_words;

use super::{Blob, OnnxFile, Part, Skeleton};

/// Bytes of all of a model's files; far above any classifier.
const MAX_TOTAL_BYTES: u64 = 16 << 30;

/// Most files a model may be spread over.
const MAX_FILES: usize = 4096;

/// Tensors smaller than this are read at once: shapes and the like, by which a graph is judged.
const SMALL_BYTES: u64 = 1024;

/// Finds the data of every external initializer and notes it among the skeleton's blobs.
///
/// # Errors
/// What is wrong with a tensor's place, in words.
pub(super) fn attach(
    file: &mut OnnxFile,
    skeleton: &mut Skeleton,
    proto: &mut ModelProto,
) -> Result<(), String> {
    let Some(graph) = &mut proto.graph else {
        return Ok(());
    };
    if !graph.initializer.iter().any(TensorProto::is_external) {
        return Ok(());
    }
    let OnnxFile::Disk(disk) = file else {
        let name = graph.initializer.iter().find(|t| t.is_external());
        return Err(format!(
            "tensor '{}' is stored in another file, and a model in memory has none beside it",
            name.map_or("", |tensor| &tensor.name)
        ));
    };
    let folder = match disk.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    // Where each file begins in the line of offsets, and its length.
    let mut opened: HashMap<String, (u64, u64)> = HashMap::new();
    let mut end: u64 = disk.parts.iter().map(|part| part.len).sum();
    let mut places = Vec::new();
    for (initializer, tensor) in graph.initializer.iter_mut().enumerate() {
        if !tensor.is_external() {
            continue;
        }
        let place = Place::of(tensor)?;
        let (start, len) = match opened.get(&place.location) {
            Some(known) => *known,
            None => {
                if opened.len() >= MAX_FILES {
                    return Err(format!("expected tensors in at most {MAX_FILES} files"));
                }
                let part = open(&folder, &place.location)?;
                let known = (end, part.len);
                end += part.len;
                if end > MAX_TOTAL_BYTES {
                    return Err(format!(
                        "expected a model of at most {MAX_TOTAL_BYTES} bytes, got more with '{}'",
                        place.location
                    ));
                }
                disk.parts.push(part);
                opened.insert(place.location.clone(), known);
                known
            }
        };
        let inside = place
            .offset
            .checked_add(place.len)
            .is_some_and(|stop| stop <= len);
        if !inside {
            return Err(format!(
                "tensor '{}' needs bytes {} to {} of '{}', which has {len}",
                tensor.name,
                place.offset,
                place.offset.saturating_add(place.len),
                place.location
            ));
        }
        tensor.data_location = None;
        tensor.external_data.clear();
        places.push(Blob {
            initializer,
            offset: start + place.offset,
            len: place.len,
            element: place.element,
        });
    }
    for blob in places {
        let floats = matches!(
            blob.element,
            DataType::Float
                | DataType::Float16
                | DataType::Bfloat16
                | DataType::Double
                | DataType::Int8
                | DataType::Uint8
        );
        if floats && blob.len >= SMALL_BYTES {
            skeleton.blobs.push(blob);
            continue;
        }
        let mut data = vec![0; blob.len as usize];
        let tensor = &mut graph.initializer[blob.initializer];
        file.read_at(blob.offset, &mut data).map_err(|error| {
            format!(
                "cannot read tensor '{}': {}",
                tensor.name,
                system_words(error)
            )
        })?;
        tensor.raw_data = Some(data);
    }
    skeleton.blobs.sort_by_key(|blob| blob.initializer);
    Ok(())
}

/// Where a tensor says its data is.
struct Place {
    location: String,
    offset: u64,
    len: u64,
    element: DataType,
}

impl Place {
    fn of(tensor: &TensorProto) -> Result<Self, String> {
        let problem = |what: &str| format!("tensor '{}' in another file: {what}", tensor.name);
        let value = |key: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key == key);
            entry.map(|entry| entry.value.as_str())
        };
        let number = |key: &str| match value(key) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(problem(&format!(
                    "expected a number as {key}, got '{text}'"
                ))),
            },
        };
        let location = value("location").ok_or_else(|| problem("it does not say which"))?;
        let element = tensor
            .element()
            .ok_or_else(|| problem("unknown element type"))?;
        let needed = element
            .bytes()
            .and_then(|width| (tensor.element_count().ok()? as u64).checked_mul(width as u64))
            .ok_or_else(|| problem("its size cannot be told"))?;
        let len = number("length")?.unwrap_or(needed);
        if len != needed {
            return Err(problem(&format!(
                "shape {:?} of {} needs {needed} bytes, got {len}",
                tensor.dims,
                element.name()
            )));
        }
        Ok(Self {
            location: location.to_owned(),
            offset: number("offset")?.unwrap_or(0),
            len,
            element,
        })
    }
}

/// Opens a file inside `folder`.
fn open(folder: &Path, location: &str) -> Result<Part, String> {
    let relative = Path::new(location);
    let plain = !location.is_empty()
        && !location.contains('\\')
        && relative
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err(format!(
            "tensors are said to lie in '{location}'; expected a file in the model's own folder"
        ));
    }
    let path = folder.join(relative);
    let problem = |error: std::io::Error| {
        let reason = system_words(error);
        format!("cannot open '{location}', which holds tensors of the model: {reason}")
    };
    let resolved = |path: &Path| path.canonicalize().map_err(problem);
    let (real, home) = (resolved(&path)?, resolved(folder)?);
    if !real.starts_with(&home) {
        return Err(format!(
            "tensors are said to lie in '{location}', a link out of the model's own folder"
        ));
    }
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(&real).map_err(problem)?.is_file() {
        return Err(format!(
            "expected a file of tensors at '{location}', got something else"
        ));
    }
    let file = File::open(&real).map_err(problem)?;
    let len = file.metadata().map_err(problem)?.len();
    Ok(Part { file, len })
}
