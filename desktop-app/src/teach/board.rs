//! The classes and their photos, as a person arranges them. A photo is in one class at most: putting it into another
//! one corrects it. No threads, no egui.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::classify::ModelChoice;
use crate::photo::PhotoId;

/// Photos of the board have numbers of their own, so that their small pictures can be told from those of the list.
const BOARD_IDS: u64 = 1 << 63;

/// Stays with a class for the life of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClassId(u64);

/// A class and its photos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoClass {
    /// Stays with it.
    pub id: ClassId,
    /// What it is called; no two classes have one name.
    pub name: String,
    /// Its photos, as they were added.
    pub photos: Vec<PathBuf>,
    /// What the model that is built on keeps of this class.
    pub kept: Option<KeptClass>,
}

impl PhotoClass {
    /// Its photos: files, and what the model keeps.
    pub fn count(&self) -> usize {
        self.photos.len() + self.kept.as_ref().map_or(0, |kept| kept.photos)
    }
}

/// A class of a taught model, which keeps what its network saw in the photos, but not the photos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptClass {
    /// What the model calls it.
    pub name: String,
    /// How many photos it keeps of it.
    pub photos: usize,
}

/// The classes at one moment, and the model that they are learned on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// The model whose network looks at the photos.
    pub base: ModelChoice,
    /// The classes, as they were added.
    pub classes: Vec<PhotoClass>,
}

/// All classes.
#[derive(Debug, Default)]
pub struct ClassBoard {
    now: Arrangement,
    next_class: u64,
    ids: HashMap<PathBuf, PhotoId>,
}

impl ClassBoard {
    /// The classes, as they were added.
    pub fn classes(&self) -> &[PhotoClass] {
        &self.now.classes
    }

    /// The model that they are learned on.
    pub fn base(&self) -> &ModelChoice {
        &self.now.base
    }

    /// A class by its id.
    pub fn class(&self, id: ClassId) -> Option<&PhotoClass> {
        self.classes().iter().find(|class| class.id == id)
    }

    fn class_mut(&mut self, id: ClassId) -> Option<&mut PhotoClass> {
        self.now.classes.iter_mut().find(|class| class.id == id)
    }

    /// The class with this name; upper and lower case are one.
    pub fn named(&self, name: &str) -> Option<ClassId> {
        let wanted = name.trim().to_lowercase();
        let same = |class: &&PhotoClass| class.name.to_lowercase() == wanted;
        self.classes().iter().find(same).map(|class| class.id)
    }

    /// How many photos there are.
    pub fn photos(&self) -> usize {
        self.classes().iter().map(|class| class.photos.len()).sum()
    }

    /// How many photos there are, those that the model keeps among them.
    pub fn count(&self) -> usize {
        self.classes().iter().map(PhotoClass::count).sum()
    }

    /// Whether the classes are these.
    pub fn is(&self, classes: &Arrangement) -> bool {
        self.now == *classes
    }

    /// The class with this name, new if there is none.
    pub fn add_class(&mut self, name: &str) -> ClassId {
        if let Some(known) = self.named(name) {
            return known;
        }
        let id = ClassId(self.next_class);
        self.next_class += 1;
        self.now.classes.push(PhotoClass {
            id,
            name: name.trim().to_owned(),
            photos: Vec::new(),
            kept: None,
        });
        id
    }

    /// A name that no class has: `Class 3`.
    pub fn free_name(&self) -> String {
        let mut number = self.classes().len() + 1;
        loop {
            let name = format!("Class {number}");
            if self.named(&name).is_none() {
                return name;
            }
            number += 1;
        }
    }

    /// Renames a class; false when the name is empty or another class has it.
    pub fn rename(&mut self, id: ClassId, name: &str) -> bool {
        let name = name.trim();
        let free = self.named(name).is_none_or(|known| known == id);
        if name.is_empty() || !free {
            return false;
        }
        if let Some(class) = self.class_mut(id) {
            class.name = name.to_owned();
        }
        true
    }

    /// Takes a class away, and its photos with it.
    pub fn remove_class(&mut self, id: ClassId) {
        self.now.classes.retain(|class| class.id != id);
    }

    /// Takes every class away, and builds on the built-in model again.
    pub fn clear(&mut self) {
        self.now = Arrangement::default();
    }

    /// Learns on another model from now on. The classes that it keeps photos of join the board; those of the model
    /// before leave it, unless they have photos here.
    pub fn build_on(&mut self, base: ModelChoice, kept: Vec<KeptClass>) {
        for class in &mut self.now.classes {
            if class.kept.take().is_some() && class.photos.is_empty() {
                class.name.clear();
            }
        }
        self.now.classes.retain(|class| !class.name.is_empty());
        self.now.base = base;
        for one in kept {
            self.set_kept(one);
        }
    }

    fn set_kept(&mut self, kept: KeptClass) {
        let id = self.add_class(&kept.name);
        if let Some(class) = self.class_mut(id) {
            class.kept = Some(kept);
        }
    }

    /// Puts photos into a class, out of any other; gives how many were not in it before.
    pub fn put(&mut self, id: ClassId, photos: &[PathBuf]) -> usize {
        let Some(class) = self.class(id) else {
            return 0;
        };
        let mut known: HashSet<PathBuf> = class.photos.iter().cloned().collect();
        let is_new = |photo: &&PathBuf| known.insert((*photo).clone());
        let new: Vec<PathBuf> = photos.iter().filter(is_new).cloned().collect();
        self.take_out(&new);
        for photo in &new {
            let next = PhotoId(BOARD_IDS + self.ids.len() as u64);
            self.ids.entry(photo.clone()).or_insert(next);
        }
        let count = new.len();
        if let Some(class) = self.class_mut(id) {
            class.photos.extend(new);
        }
        count
    }

    /// Takes photos out of their classes.
    pub fn take_out(&mut self, photos: &[PathBuf]) {
        let gone: HashSet<&PathBuf> = photos.iter().collect();
        for class in &mut self.now.classes {
            class.photos.retain(|photo| !gone.contains(photo));
        }
    }

    /// Photos that were moved on the disk.
    pub fn relocate(&mut self, moves: &HashMap<PathBuf, PathBuf>) {
        let photos = self.now.classes.iter_mut();
        for photo in photos.flat_map(|class| &mut class.photos) {
            if let Some(to) = moves.get(photo) {
                if let Some(id) = self.ids.get(photo).copied() {
                    self.ids.insert(to.clone(), id);
                }
                photo.clone_from(to);
            }
        }
    }

    /// The class a photo is in.
    pub fn class_of(&self, photo: &Path) -> Option<&PhotoClass> {
        let holds = |class: &&PhotoClass| class.photos.iter().any(|known| known == photo);
        self.classes().iter().find(holds)
    }

    /// The number under which a photo's small picture is kept.
    pub fn photo_id(&self, photo: &Path) -> Option<PhotoId> {
        self.ids.get(photo).copied()
    }

    /// Whether a number is one of [`Self::photo_id`].
    pub fn is_board_id(id: PhotoId) -> bool {
        id.0 >= BOARD_IDS
    }

    /// All classes as they are now, for an undo.
    pub fn snapshot(&self) -> Arrangement {
        self.now.clone()
    }

    /// Puts back what [`Self::snapshot`] gave.
    pub fn restore(&mut self, classes: Arrangement) {
        self.now = classes;
    }

    /// Adds a class that another window, or an earlier run, arranged.
    pub fn take_in(&mut self, name: &str, photos: &[PathBuf], kept: Option<KeptClass>) {
        let id = self.add_class(name);
        self.put(id, photos);
        if let Some(class) = self.class_mut(id)
            && kept.is_some()
        {
            class.kept = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths<const N: usize>(names: [&str; N]) -> Vec<PathBuf> {
        names.map(PathBuf::from).to_vec()
    }

    fn names(board: &ClassBoard) -> Vec<&str> {
        let names = board.classes().iter();
        names.map(|class| class.name.as_str()).collect()
    }

    #[test]
    fn a_photo_is_in_one_class_and_an_undo_puts_it_back() {
        let mut board = ClassBoard::default();
        let (cat, dog) = (board.add_class("cat"), board.add_class(" dog "));
        assert_eq!(board.add_class("CAT"), cat, "one name is one class");
        assert_eq!(board.put(cat, &paths(["a", "b", "a"])), 2);
        assert_eq!(board.put(cat, &paths(["b", "c"])), 1);
        let before = board.snapshot();
        assert_eq!(board.put(dog, &paths(["b", "x"])), 2);
        let names = |board: &ClassBoard, id| board.class(id).unwrap().photos.clone();
        assert_eq!(names(&board, cat), paths(["a", "c"]));
        assert_eq!(names(&board, dog), paths(["b", "x"]));
        assert_eq!(board.class_of(Path::new("b")).unwrap().name, "dog");
        board.restore(before);
        assert_eq!(names(&board, cat), paths(["a", "b", "c"]));
        assert!(names(&board, dog).is_empty());
        board.take_out(&paths(["a", "c"]));
        assert_eq!(board.photos(), 1);
    }

    #[test]
    fn names_are_there_and_differ() {
        let mut board = ClassBoard::default();
        let (cat, dog) = (board.add_class("cat"), board.add_class("dog"));
        assert!(!board.rename(dog, "Cat"), "another class has it");
        assert!(!board.rename(dog, "  "));
        assert!(board.rename(dog, "Dog"), "its own name in other letters");
        assert!(board.rename(cat, "owl"));
        assert_eq!(board.free_name(), "Class 3");
        board.add_class("class 3");
        assert_eq!(board.free_name(), "Class 4");
    }

    #[test]
    fn moved_files_keep_their_class_and_their_picture() {
        let mut board = ClassBoard::default();
        let cat = board.add_class("cat");
        board.put(cat, &paths(["a", "b"]));
        let id = board.photo_id(Path::new("a"));
        assert!(id.is_some_and(ClassBoard::is_board_id));
        board.relocate(&HashMap::from([("a".into(), "cat/a".into())]));
        assert_eq!(board.photo_id(Path::new("cat/a")), id);
        assert_eq!(board.class(cat).unwrap().photos, paths(["cat/a", "b"]));
    }

    #[test]
    fn the_classes_of_a_taught_model_come_and_go_with_it() {
        let kept = |name: &str, photos| KeptClass {
            name: name.to_owned(),
            photos,
        };
        let mut board = ClassBoard::default();
        let cat = board.add_class("Cat");
        board.put(cat, &paths(["a"]));
        board.add_class("empty");
        let file = ModelChoice::File("pets.onnx".into());
        board.build_on(file.clone(), vec![kept("cat", 5), kept("dog", 7)]);
        assert_eq!(names(&board), ["Cat", "empty", "dog"]);
        assert_eq!(board.class(cat).unwrap().count(), 6);
        assert_eq!(board.base(), &file);
        let before = board.snapshot();
        board.build_on(ModelChoice::Embedded, Vec::new());
        assert_eq!(names(&board), ["Cat", "empty"]);
        assert_eq!(board.class(cat).unwrap().count(), 1);
        board.restore(before);
        assert_eq!(board.base(), &file);
        assert_eq!(names(&board), ["Cat", "empty", "dog"]);
        board.clear();
        assert_eq!(board.snapshot(), Arrangement::default());
    }
}
