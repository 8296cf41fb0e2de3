//! A wheel that was checked: reads its files, unpacks them into a folder that appears
//! whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use tempfile::TempDir;
use zip::ZipArchive;

use super::{PackageError, at};

/// A wheel whose bytes were checked.
#[derive(Debug)]
pub struct Archive {
    file: &'static str,
    zip: ZipArchive<BufReader<File>>,
    /// Holds the download; goes with the archive.
    _folder: TempDir,
}

impl Archive {
    pub(super) fn open(
        file: &'static str,
        path: &Path,
        folder: TempDir,
    ) -> Result<Archive, PackageError> {
        let opened = File::open(path).map_err(at(path))?;
        let zip = ZipArchive::new(BufReader::new(opened)).map_err(|error| {
            let message = error.to_string();
            PackageError::Member { file, member: "the table of contents".into(), message }
        })?;
        Ok(Archive { file, zip, _folder: folder })
    }

    /// Returns the paths of the files in the wheel, sorted, with `/`.
    pub fn members(&self) -> Vec<String> {
        // A name that is no text cannot be asked for.
        let names = self.zip.file_names().flatten().filter(|name| !name.ends_with('/'));
        let mut names: Vec<String> = names.map(String::from).collect();
        names.sort_unstable();
        names
    }

    /// Returns the content of a file in the wheel.
    ///
    /// # Errors
    /// Fails when there is no such file or it is damaged.
    pub fn read(&mut self, member: &str) -> Result<Vec<u8>, PackageError> {
        let fail = fail(self.file, member);
        let mut entry = self.zip.by_name(member).map_err(|error| fail(&error))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| fail(&error))?;
        Ok(bytes)
    }

    /// Unpacks the files whose paths `keep` picks, under their last names, to `folder`.
    ///
    /// The folder gets its name when all files are written, so it is never seen half
    /// done, and several processes may do the same at once. One that exists stays.
    ///
    /// # Errors
    /// Fails when a file is damaged or the system refuses.
    pub fn unpack(
        &mut self,
        keep: &dyn Fn(&str) -> bool,
        folder: &Path,
    ) -> Result<(), PackageError> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(at(parent))?;
        let staging =
            (tempfile::Builder::new().prefix(".unpack-")).tempdir_in(parent).map_err(at(parent))?;
        // A temporary folder is its maker's alone; one below it has the usual rights.
        let whole = staging.path().join("whole");
        fs::create_dir(&whole).map_err(at(&whole))?;
        for member in self.members().iter().filter(|member| keep(member)) {
            // The last part of a path cannot lead out of the folder.
            let Some(name) = Path::new(member).file_name() else { continue };
            let path = whole.join(name);
            let mut entry =
                self.zip.by_name(member).map_err(|error| fail(self.file, member)(&error))?;
            let mut out = File::create_new(&path).map_err(at(&path))?;
            io::copy(&mut entry, &mut out).map_err(at(&path))?;
            // Without this a crash of the machine could leave a whole name on empty files.
            out.sync_all().map_err(at(&path))?;
        }
        match fs::rename(&whole, folder) {
            // Another process was faster.
            Err(_) if folder.is_dir() => Ok(()),
            renamed => renamed.map_err(at(folder)),
        }
    }
}

fn fail(file: &'static str, member: &str) -> impl Fn(&dyn std::fmt::Display) -> PackageError {
    move |error| PackageError::Member { file, member: member.into(), message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Archive {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).expect("a file"));
        for (name, content) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
            zip.write_all(content.as_bytes()).expect("content");
        }
        zip.finish().expect("a zip");
        Archive::open("a.whl", &path, folder).expect("an archive")
    }

    #[test]
    fn reads_and_names_files() {
        let mut wheel = archive(&[("b/two", "2"), ("a/one", "1")]);
        assert_eq!(wheel.members(), ["a/one", "b/two"]);
        assert_eq!(wheel.read("b/two").expect("a file"), b"2");
        let error = wheel.read("c").expect_err("no such file").to_string();
        assert!(error.starts_with("failed to read c in a.whl: "), "{error}");
    }

    #[test]
    fn unpacks_what_is_wanted_and_keeps_a_folder_that_exists() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("new/lib");
        let mut wheel = archive(&[("x/lib/a.so", "a"), ("x/b.py", "b"), ("../../evil.so", "e")]);
        wheel.unpack(&|name| name.ends_with(".so"), &to).expect("unpacked");
        let mut names: Vec<_> =
            fs::read_dir(&to).expect("it").map(|e| e.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.so", "evil.so"], "under the last name, inside the folder");
        fs::write(to.join("a.so"), "kept").expect("a file");
        wheel.unpack(&|_| true, &to).expect("nothing to do");
        assert_eq!(fs::read_to_string(to.join("a.so")).expect("a file"), "kept");
        let above = fs::read_dir(folder.path().join("new")).expect("it").count();
        assert_eq!(above, 1, "nothing is left over");
    }

    #[test]
    fn unpacks_nothing_when_two_files_have_one_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("lib");
        archive(&[("x/a", "1"), ("y/a", "2")]).unpack(&|_| true, &to).expect_err("a clash");
        assert_eq!(fs::read_dir(folder.path()).expect("it").count(), 0);
    }
}
