//! For people with photos: a classifier of one's own classes in seconds, and photos sorted into folders with a way back.
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
