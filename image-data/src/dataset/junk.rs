//! What other programs leave in a data set and nobody means as data: it is left out, and said.

/// Folders that systems and tools make by themselves.
const FOLDERS: [&str; 6] = [
    "__MACOSX",
    "@eaDir",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
    "Thumbs",
];

/// Whether a folder is no class: hidden (`.ipynb_checkpoints`, `.git`), or made by a system.
pub fn is_junk_folder(name: &str) -> bool {
    name.starts_with('.') || FOLDERS.contains(&name)
}

/// Whether a file is no image whatever its ending says: hidden, as the resource forks `._photo.jpg` that macOS writes
/// beside photos on foreign disks.
pub fn is_junk_file(name: &str) -> bool {
    name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_and_system_names_are_junk() {
        for name in [".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git"] {
            assert!(is_junk_folder(name), "{name}");
        }
        for name in ["cat", "_cat", "n01440764", "00"] {
            assert!(!is_junk_folder(name), "{name}");
        }
        assert!(is_junk_file("._0001.jpg") && !is_junk_file("0001.jpg"));
    }
}
