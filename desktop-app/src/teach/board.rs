//! The classes and their photos, as a person arranges them. A photo is in one class at most: putting it into another
//! one corrects it. No threads, no egui.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

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
}

/// All classes.
#[derive(Debug, Default)]
pub struct ClassBoard {
    classes: Vec<PhotoClass>,
    next_class: u64,
    ids: HashMap<PathBuf, PhotoId>,
}

impl ClassBoard {
    /// The classes, as they were added.
    pub fn classes(&self) -> &[PhotoClass] {
        &self.classes
    }

    /// A class by its id.
    pub fn class(&self, id: ClassId) -> Option<&PhotoClass> {
        self.classes.iter().find(|class| class.id == id)
    }

    /// The class with this name; upper and lower case are one.
    pub fn named(&self, name: &str) -> Option<ClassId> {
        let wanted = name.trim().to_lowercase();
        let same = |class: &&PhotoClass| class.name.to_lowercase() == wanted;
        self.classes.iter().find(same).map(|class| class.id)
    }

    /// How many photos there are.
    pub fn photos(&self) -> usize {
        self.classes.iter().map(|class| class.photos.len()).sum()
    }

    /// The class with this name, new if there is none.
    pub fn add_class(&mut self, name: &str) -> ClassId {
        if let Some(known) = self.named(name) {
            return known;
        }
        let id = ClassId(self.next_class);
        self.next_class += 1;
        self.classes.push(PhotoClass {
            id,
            name: name.trim().to_owned(),
            photos: Vec::new(),
        });
        id
    }

    /// A name that no class has: `Class 3`.
    pub fn free_name(&self) -> String {
        let mut number = self.classes.len() + 1;
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
        if let Some(class) = self.classes.iter_mut().find(|class| class.id == id) {
            class.name = name.to_owned();
        }
        true
    }

    /// Takes a class away, and its photos with it.
    pub fn remove_class(&mut self, id: ClassId) {
        self.classes.retain(|class| class.id != id);
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
        if let Some(class) = self.classes.iter_mut().find(|class| class.id == id) {
            class.photos.extend(new);
        }
        count
    }

    /// Takes photos out of their classes.
    pub fn take_out(&mut self, photos: &[PathBuf]) {
        let gone: HashSet<&PathBuf> = photos.iter().collect();
        for class in &mut self.classes {
            class.photos.retain(|photo| !gone.contains(photo));
        }
    }

    /// Photos that were moved on the disk.
    pub fn relocate(&mut self, moves: &HashMap<PathBuf, PathBuf>) {
        let photos = self.classes.iter_mut().flat_map(|class| &mut class.photos);
        for photo in photos {
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
        self.classes.iter().find(holds)
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
    pub fn snapshot(&self) -> Vec<PhotoClass> {
        self.classes.clone()
    }

    /// Puts back what [`Self::snapshot`] gave.
    pub fn restore(&mut self, classes: Vec<PhotoClass>) {
        self.classes = classes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths<const N: usize>(names: [&str; N]) -> Vec<PathBuf> {
        names.map(PathBuf::from).to_vec()
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
}
