//! A file that is written when all is measured.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// It can be written. What is in it stays until it is.
pub struct Output {
    file: File,
    path: PathBuf,
}

impl Output {
    /// Make it, or open it.
    pub fn open(path: &Path) -> Result<Output> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let path = path.to_owned();
        Ok(Output { file, path })
    }

    /// Replace what is in it.
    pub fn write(mut self, text: &str) -> Result<()> {
        // A pipe, or a device, has no length.
        let emptied = match self.file.metadata() {
            Ok(metadata) if metadata.is_file() => self.file.set_len(0),
            other => other.map(drop),
        };
        emptied
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}
