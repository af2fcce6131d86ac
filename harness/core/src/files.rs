//! Small helpers over files: digests, atomic writes, and the user's cache folder.
//!
//! Every `io::Error` that leaves this module has the path in its message.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file's content as 64 lower-case hexadecimal digits, read in blocks.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path).map_err(|e| at(path, e))?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hex(&digest.finalize())),
            Ok(n) => digest.update(&block[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(at(path, e)),
        }
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|&b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

/// Writes `bytes` to `path` so that a reader sees the old file or the whole new one, also after
/// a crash: a temporary file (`.tmp`) in the same folder, synced, renamed, the folder synced.
///
/// The parent folder is created when it is missing. On an error nothing is left behind and the
/// old file stays.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|e| at(parent, e))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".tmp");
    // tempfile's own default is 0600; a result is for others to read, as far as the umask allows.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(parent).map_err(|e| at(path, e))?;
    file.write_all(bytes).map_err(|e| at(path, e))?;
    file.as_file().sync_all().map_err(|e| at(path, e))?;
    file.persist(path).map_err(|e| at(path, e.error))?;
    #[cfg(unix)]
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| at(parent, e))?;
    Ok(())
}

/// Removes what [`write_atomic`] left in `folder` because its process was killed in the middle of
/// it. Only for the one process that writes there.
pub fn remove_temporary(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| at(folder, e))? {
        let path = entry.map_err(|e| at(folder, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(".tmp") && path.is_file() {
            fs::remove_file(&path).map_err(|e| at(&path, e))?;
        }
    }
    Ok(())
}

/// Removes a folder and what is in it, if it is there. Waits for a process that was told to end and
/// still writes there.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match fs::remove_dir_all(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && !folder.exists() => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && Instant::now() < until => {
                thread::sleep(Duration::from_millis(10));
            }
            other => return other.map_err(|e| at(folder, e)),
        }
    }
}

/// The folder of that name in `parent`, where it holds `file`; a name with more than itself in it, such
/// as `../x`, names none.
pub fn folder_with(parent: &Path, name: &str, file: &str) -> Option<PathBuf> {
    let plain = Path::new(name).file_name().is_some_and(|own| own == name);
    let folder = parent.join(name);
    (plain && folder.join(file).is_file()).then_some(folder)
}

/// The folders in `parent` that hold a file of that name, sorted.
pub fn folders_with(parent: &Path, file: &str) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent)? {
        let folder = entry?.path();
        if folder.join(file).is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The folder for what can be made again: `EIDETIC_CACHE` where it is set, else the platform's
/// cache folder (`~/.cache/eidetic` on Linux). It need not exist yet.
///
/// # Errors
/// `NotFound` where neither the variable nor a home folder is known.
pub fn cache_dir() -> io::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("EIDETIC_CACHE").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    directories::ProjectDirs::from("", "", "eidetic")
        .map(|dirs| dirs.cache_dir().to_path_buf())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "no home folder to keep a cache in: set EIDETIC_CACHE to a folder",
            )
        })
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // FIPS 180-2, appendix B.1, and the digest of the empty message.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_the_published_ones() {
        assert_eq!(sha256_hex(b"abc"), ABC);
        assert_eq!(sha256_hex(b""), EMPTY);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        fs::write(&path, b"abc").unwrap();
        assert_eq!(sha256_file(&path).unwrap(), ABC);
    }

    #[test]
    fn a_file_longer_than_a_block_has_the_digest_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        let bytes: Vec<u8> = (0..200_001_u32).map(|i| (i % 251) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(sha256_file(&path).unwrap(), sha256_hex(&bytes));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = sha256_file(Path::new("/no/such/file")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
    }

    #[test]
    fn an_atomic_write_replaces_the_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/folder/file");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_removed_while_somebody_still_writes_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work");
        remove_folder(&path).unwrap();
        fs::create_dir(&path).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let until = Instant::now() + Duration::from_millis(300);
                // As a process that opens its files by path: it makes no folder.
                for n in 0.. {
                    if Instant::now() > until || fs::write(path.join(n.to_string()), b"x").is_err()
                    {
                        break;
                    }
                }
            });
            remove_folder(&path).unwrap();
        });
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_write_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let all = [
            ".Ab12.tmp",
            ".lock",
            "notes.tmp",
            "cell.json",
            ".folder.tmp/file",
        ];
        for name in all {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), b"bytes").unwrap();
        }
        remove_temporary(dir.path()).unwrap();
        let there = all.map(|name| dir.path().join(name).exists());
        assert_eq!(there, [false, true, true, true, true]);
        assert!(remove_temporary(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_write_that_cannot_be_finished_names_the_path_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("taken");
        fs::create_dir_all(folder.join("inside")).unwrap();
        let error = write_atomic(&folder, b"bytes").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
