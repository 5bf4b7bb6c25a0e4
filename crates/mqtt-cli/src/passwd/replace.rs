//! A file replaced as a whole: written beside the old one, made durable, and put in its place by one rename.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mqtt_broker::access::PasswordFile;

/// Whether `-c` may make this file: there is none, or a password file.
pub(super) fn check(file: &Path) -> Result<(), String> {
    let metadata = match fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
    };
    let refused = |what: &str| format!("{} {what}; -c would destroy it, so give another name", file.display());
    if !metadata.is_file() {
        return Err(refused("is not a regular file"));
    }
    let bytes = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    match PasswordFile::parse("", &bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(refused("is there already and is not a password file")),
    }
}

/// Puts `bytes` in the place of the file.
///
/// A symbolic link stays, and the file that it leads to is replaced.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = match fs::canonicalize(file) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => file.to_owned(),
        Err(error) => return Err(error),
    };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let old = match fs::metadata(&target) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(io::Error::other("it is not a regular file"));
    }
    // Nobody but us may read it, from its first byte on.
    let mut new = tempfile::Builder::new().prefix(".mqtt-passwd-").tempfile_in(&folder)?;
    new.write_all(bytes)?;
    if let Some(old) = old {
        keep_rights(new.as_file(), &old)?;
    }
    new.as_file().sync_all()?;
    new.persist(&target).map_err(|error| error.error)?;
    sync(&folder)
}

/// The owner of the old file, and its mode if nobody outside of its group has any right to it.
#[cfg(unix)]
fn keep_rights(new: &File, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let ours = new.metadata()?;
    if (ours.uid(), ours.gid()) != (old.uid(), old.gid()) {
        // A broker that runs as the owner must still be able to read it.
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    let mode = old.mode() & 0o777;
    if mode & 0o007 == 0 {
        new.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_rights(_new: &File, _old: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Makes the rename durable.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened here.
#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().mode() & 0o777
    }

    fn set_mode(file: &Path, mode: u32) {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_file_is_its_owners_alone_and_nothing_else_is_left_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        replace(&file, b"a").unwrap();
        assert_eq!(mode(&file), 0o600);
        replace(&file, b"b").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"b");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn rights_of_a_group_stay_and_rights_of_everybody_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        for (before, after) in [(0o640, 0o640), (0o400, 0o400), (0o644, 0o600), (0o666, 0o600)] {
            fs::write(&file, "").unwrap();
            set_mode(&file, before);
            replace(&file, b"a").unwrap();
            assert_eq!(mode(&file), after, "{before:o}");
            fs::remove_file(&file).unwrap();
        }
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("users"), folder.path().join("link"));
        fs::write(&file, "").unwrap();
        symlink("users", &link).unwrap();
        replace(&link, b"a").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"a");
    }

    #[test]
    fn only_a_password_file_is_replaced_by_c() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert_eq!(check(&file), Ok(()));
        fs::write(&file, "# users\n").unwrap();
        assert!(check(&file).is_ok());
        fs::write(&file, "export PATH=a:b\n").unwrap();
        assert!(check(&file).unwrap_err().contains("is not a password file"));
        assert!(check(folder.path()).unwrap_err().contains("is not a regular file"));
    }

    #[test]
    fn a_failure_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("users")).unwrap();
        assert!(replace(&folder.path().join("users"), b"a").is_err());
        assert!(replace(&folder.path().join("no/such/folder"), b"a").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
