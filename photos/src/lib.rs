//! For people with photos: a classifier of one's own classes in seconds, and photos sorted into folders with a way back.
//!
//! ```no_run
//! use image_data::decode::DecodeConfig;
//! use inference::{Cancel, Classifier, ClassifierConfig};
//! use photos::teach::{Lesson, TeachConfig, Teacher, find_classes};
//!
//! let config = ClassifierConfig::default();
//! let found = find_classes("animals".as_ref())?;
//! let teacher = Teacher::new(&Classifier::open("model.onnx", &config)?, &config)?;
//! let decode = DecodeConfig::default();
//! let photos = teacher.look(&found.classes, &decode, &Cancel::default(), |_| ())?;
//! let lesson = Lesson::learn(photos, &TeachConfig::default())?;
//! println!("{:.1} % of photos that were not learned from", lesson.findings.accuracy_percent);
//! std::fs::write("mine.onnx", lesson.to_onnx(&teacher)?.0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`teach`] | folders of photos become a model: the features of a trained network and a new last layer |
//! | [`sort`] | photos go into one folder a label, by a plan, with a journal that undoes it exactly |
//! | [`walk`](mod@walk) | the one walk over a folder of photos |
//!
//! Not here: what is typed and printed (`infer-cli`), windows (`desktop-app`), training of whole networks (`train`).

pub mod sort;
pub mod teach;
pub mod walk;
