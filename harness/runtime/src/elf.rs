//! Whether a shared library is all there, told without loading it.
//!
//! The system's loader maps a file without comparing its headers with its size; a library that was
//! cut short by a full disk or a broken download then ends the process with SIGBUS.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use object::elf::{ET_DYN, FileHeader64};
use object::endian::LittleEndian;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::{ReadCache, ReadRef};

type Header = FileHeader64<LittleEndian>;

const LITTLE: LittleEndian = LittleEndian;

#[cfg(target_arch = "x86_64")]
const MACHINE: object::elf::Machine = object::elf::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: object::elf::Machine = object::elf::EM_AARCH64;

/// Why a file cannot be loaded as a shared library.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something else: a text file, an archive, a 32-bit library.
    #[error("expected a 64-bit ELF shared library, got {what}: {}", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: String,
    },
    /// Built for another processor.
    #[error(
        "expected a library for {}, got one for ELF machine {machine}: {}",
        std::env::consts::ARCH, path.display()
    )]
    Machine {
        /// The file.
        path: PathBuf,
        /// The number in its header.
        machine: u16,
    },
    /// The headers name bytes beyond the end of the file, or cannot be read.
    #[error(
        "library is damaged or cut short, copy or download it again: {} ({part}; the file has {size_bytes} bytes)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part that is not there.
        part: String,
        /// Length of the file.
        size_bytes: u64,
    },
}

/// Checks that a file is a shared library of this machine and that every segment and section that
/// its headers name lies inside it.
///
/// Reads the headers only. A library that passes may still be wrong inside: a digest tells that.
///
/// # Errors
///
/// [`ElfError`], which names the file and the first thing that is wrong.
pub fn check_elf(path: &Path) -> Result<(), ElfError> {
    let io = |source| ElfError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() {
            "a folder"
        } else {
            "a special file"
        };
        return Err(ElfError::NotElf {
            path: path.to_owned(),
            what: what.to_owned(),
        });
    }
    let size_bytes = metadata.len();
    let cache = ReadCache::new(file);
    let data = &cache;

    let start = data.read_bytes_at(0, size_bytes.min(6)).unwrap_or_default();
    let not_elf = |what: &str| ElfError::NotElf {
        path: path.to_owned(),
        what: what.to_owned(),
    };
    match start {
        [] => return Err(not_elf("an empty file")),
        [0x7f, b'E', b'L', b'F', 2, 1] => {}
        [0x7f, b'E', b'L', b'F', ..] if size_bytes >= 6 => {
            return Err(not_elf("an ELF file of another word size or byte order"));
        }
        _ => return Err(not_elf("a file that does not begin like one")),
    }

    let damaged = |part: String| ElfError::Damaged {
        path: path.to_owned(),
        part,
        size_bytes,
    };
    let unreadable = |part: &str| damaged(format!("{part} cannot be read"));

    let header = Header::parse(data).map_err(|_| unreadable("the ELF header"))?;
    let machine = header.e_machine(LITTLE);
    if machine != MACHINE {
        return Err(ElfError::Machine {
            path: path.to_owned(),
            machine: machine.0,
        });
    }
    if header.e_type(LITTLE) != ET_DYN {
        return Err(not_elf("an ELF file of another kind"));
    }

    let inside =
        |part: &str, index: usize, offset: u64, length: u64| match offset.checked_add(length) {
            Some(end) if end <= size_bytes => Ok(()),
            _ => Err(damaged(format!(
                "{part} {index} has {length} bytes from byte {offset} on"
            ))),
        };
    let segments = header
        .program_headers(LITTLE, data)
        .map_err(|_| unreadable("the program header table"))?;
    if segments.is_empty() {
        return Err(damaged("it has no segments".to_owned()));
    }
    for (index, segment) in segments.iter().enumerate() {
        inside(
            "segment",
            index,
            segment.p_offset(LITTLE),
            segment.p_filesz(LITTLE),
        )?;
    }
    let sections = header
        .section_headers(LITTLE, data)
        .map_err(|_| unreadable("the section header table"))?;
    for (index, section) in sections.iter().enumerate() {
        if let Some((offset, length)) = section.file_range(LITTLE) {
            inside("section", index, offset, length)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// A whole library that is surely there: the C library that this test itself runs on.
    fn whole() -> Vec<u8> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5));
        let path = path
            .into_iter()
            .find(|path| path.contains("libc.so"))
            .unwrap();
        std::fs::read(path).unwrap()
    }

    fn check(bytes: &[u8]) -> Result<(), ElfError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        check_elf(file.path())
    }

    #[test]
    fn a_whole_library_passes() {
        check(&whole()).unwrap();
    }

    #[test]
    fn a_cut_library_is_refused_wherever_it_is_cut() {
        let bytes = whole();
        for keep in [
            6,
            16,
            63,
            64,
            100,
            4096,
            bytes.len() / 2,
            bytes.len() - 4096,
            bytes.len() - 1,
        ] {
            let error = check(&bytes[..keep]).unwrap_err();
            assert!(matches!(error, ElfError::Damaged { .. }), "{keep}: {error}");
            assert!(
                error.to_string().contains(&format!("{keep} bytes")),
                "{error}"
            );
        }
    }

    #[test]
    fn other_files_are_refused_by_what_they_are() {
        let said = |bytes: &[u8]| check(bytes).unwrap_err().to_string();
        assert!(said(b"").contains("an empty file"));
        assert!(said(b"not a library\n").contains("does not begin like one"));
        assert!(said(b"\x7fELF").contains("does not begin like one"));
        let mut bytes = whole();
        bytes[4] = 1;
        assert!(said(&bytes).contains("another word size"));
        let mut bytes = whole();
        bytes[18] = 0xf3;
        bytes[19] = 0;
        assert!(said(&bytes).contains("got one for ELF machine 243"));
        let mut bytes = whole();
        bytes[16] = 2;
        assert!(said(&bytes).contains("another kind"));
        assert!(
            check_elf(Path::new("/"))
                .unwrap_err()
                .to_string()
                .contains("a folder")
        );
        let error = check_elf(Path::new("/no/such.so")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /no/such.so: "), "{error}");
    }

    #[test]
    fn headers_that_point_past_the_end_are_refused() {
        // e_phoff, e_shoff and the first segment's p_filesz at their largest.
        for at in [32, 40, 64 + 32] {
            let mut bytes = whole();
            bytes[at..at + 8].fill(0xff);
            let error = check(&bytes).unwrap_err();
            assert!(
                matches!(error, ElfError::Damaged { .. }),
                "byte {at}: {error}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_library_cut_anywhere_is_refused(part in 0.0_f64..1.0) {
            let bytes = whole();
            let keep = (bytes.len() as f64 * part) as usize;
            prop_assert!(check(&bytes[..keep]).is_err());
        }

        #[test]
        fn damaged_headers_never_panic(at in 0_usize..1024, value in any::<u8>()) {
            let mut bytes = whole();
            bytes[at] = value;
            let _ = check(&bytes);
        }
    }
}
