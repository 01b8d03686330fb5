//! The module's answers on the machine itself: those of the library, as JSON, with a picture.
#![allow(clippy::unwrap_used)] // helpers are test code, too

use inference::{Classifier, ClassifierConfig};
use web_demo::open_model::{PageModel, PageReply};

fn read(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn model_file() -> Vec<u8> {
    read("web-demo/model.onnx")
}

fn json(reply: &PageReply) -> serde_json::Value {
    serde_json::from_str(&reply.json).unwrap()
}

#[test]
fn answers_are_the_librarys() {
    let (model, opened) = PageModel::open(model_file().leak()).unwrap();
    let opened = json(&opened);
    assert_eq!(opened["classes"], 1000);
    assert!(
        opened["extensions"]
            .as_array()
            .unwrap()
            .contains(&"jpg".into())
    );
    let classifier =
        Classifier::from_bytes(model_file(), "model", &ClassifierConfig::default()).unwrap();
    for photo in ["cat", "espresso", "rocket"] {
        let file = read(&format!("models/samples/{photo}.jpg"));
        let reply = model.classify(&file, 5, 160);
        let expected = classifier.classify_bytes(&file, 5).unwrap();
        let answer = json(&reply);
        // By way of text, as the answers go: a float32 has fewer digits there than as a number of JSON.
        let told = serde_json::to_string(&expected).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(answer["predictions"], told);
        assert_eq!(answer["damaged"], false);
        assert_eq!(answer["sure"], expected[0].probability >= 0.4, "{photo}");
        let [width, height] = reply.size.map(|side| side as usize);
        assert_eq!(width.max(height), 160);
        assert_eq!(reply.rgba.len(), 4 * width * height);
    }
    let everyday = json(&model.classify(&read("models/samples/cat.jpg"), 5, 160));
    assert_eq!(everyday["answer"]["label"], "cat");
}

#[test]
fn a_heat_map_is_the_crop_with_light_and_shadow() {
    let (model, _) = PageModel::open(model_file().leak()).unwrap();
    let file = read("models/samples/espresso.jpg");
    let reply = model.explain(&file, 967);
    assert_eq!(json(&reply)["label"], "espresso");
    assert_eq!(reply.size, [224, 224]);
    let light = |pixel: &[u8]| pixel[..3].iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let lights: Vec<u32> = reply.rgba.chunks_exact(4).map(light).collect();
    // Crema in the middle, table in the corner.
    assert!(lights[112 * 224 + 112] > 2 * lights[0], "{lights:?}");
    assert_ne!(reply.rgba, model.explain(&file, 0).rgba);
    assert!(json(&model.explain(&file, 1000))["error"].is_string());
}

#[test]
fn what_is_no_picture_or_no_model_is_refused_with_a_code() {
    let (model, _) = PageModel::open(model_file().leak()).unwrap();
    let code = |file: &[u8]| json(&model.classify(file, 5, 160))["code"].clone();
    assert_eq!(code(b"not an image"), "image.unknown-format");
    assert_eq!(code(b""), "image.empty");
    let photo = read("models/samples/cat.jpg");
    assert_eq!(code(&photo[..200]), "image.truncated");
    let Err(refused) = PageModel::open(b"no model") else {
        panic!("a model of nothing was opened");
    };
    assert_eq!(json(&refused)["code"], "model.unusable");
}
