//! Remedies in the words of a command line: the flags that do what a library's error asks for.

use model_core::diagnostic::{Diagnose, Limit, Remedy};

/// What a person at a terminal can do about an error; none where nothing sensible can be advised.
pub fn advice(error: &anyhow::Error) -> Option<String> {
    let diagnosed: Option<&dyn Diagnose> = error.chain().find_map(|cause| {
        if let Some(error) = cause.downcast_ref::<inference::Error>() {
            return Some(error as &dyn Diagnose);
        }
        let error = cause.downcast_ref::<inference::EngineError>()?;
        Some(error as &dyn Diagnose)
    });
    diagnosed?.remedy().map(|remedy| words(&remedy))
}

/// A remedy as half a sentence.
pub fn words(remedy: &Remedy) -> String {
    match remedy {
        Remedy::CopyAgain => "copy or download the file again".to_owned(),
        Remedy::ConvertPicture => "convert it to JPEG or PNG with another program".to_owned(),
        Remedy::NotAPicture => "leave it out: it is no picture".to_owned(),
        Remedy::RaiseLimit(Limit::Pixels | Limit::Side | Limit::Memory | Limit::FileSize) => {
            "make the picture smaller with another program".to_owned()
        }
        Remedy::CheckReadable(path) => {
            format!("check that {} is there and may be read", path.display())
        }
        Remedy::CheckWritable(path) => {
            format!("check that {} is there, may be written and has space", path.display())
        }
        Remedy::UseEngine(names) => format!("try --engine {}", names.join(" or --engine ")),
        Remedy::InstallOnnxRuntime => "install ONNX Runtime (the Python package 'onnxruntime' holds the library in \
             onnxruntime/capi) and name it with --onnxruntime-lib or ORT_DYLIB_PATH; --engine onnxruntime then uses it"
            .to_owned(),
        Remedy::StateNetworkOutput => "say what the network gives with --network-output".to_owned(),
        Remedy::ChooseOutput(names) => {
            format!("choose one with --output-name ({})", names.join(", "))
        }
        Remedy::StatePreprocessing => "write a manifest.yaml beside the model, or choose --preset imagenet (resize 256, \
             crop 224, bilinear, ImageNet mean and std) and correct single values with --size, --resize, --layout, \
             --mean, --std, --interpolation"
            .to_owned(),
        Remedy::ChooseArchitecture(names) => format!("choose one with --arch ({})", names.join(", ")),
        Remedy::FixLabels => "correct the manifest, or give one name a class with --labels".to_owned(),
        Remedy::ExportAgain => "export the model again from its checkpoint with export-onnx".to_owned(),
        Remedy::ChooseAnotherModel => "choose another model with --model (infer-cli models lists those known by name)".to_owned(),
        Remedy::UseFewerThreads => "use fewer --threads".to_owned(),
        Remedy::ReportBug => "this is a mistake of ours: please report it with the file".to_owned(),
    }
}
