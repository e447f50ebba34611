use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// A folder with a link, a FIFO, a hard link and a file, beside what must stay as it is.
struct Scene {
    scene: tempfile::TempDir,
    folder: Folder,
}

const SECRET: &str = "secret";

fn scene() -> Scene {
    let scene = tempfile::tempdir().unwrap();
    let (outside, inside) = (scene.path().join("outside"), scene.path().join("inside"));
    fs::create_dir(&outside).unwrap();
    fs::create_dir(&inside).unwrap();
    fs::write(outside.join("file"), SECRET).unwrap();
    fs::write(inside.join("file"), "own").unwrap();
    symlink(outside.join("file"), inside.join("link")).unwrap();
    symlink("nowhere", inside.join("dangling")).unwrap();
    symlink(&outside, inside.join("folder")).unwrap();
    fs::hard_link(outside.join("file"), inside.join("hard")).unwrap();
    let fifo = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(rustix::fs::CWD, inside.join("fifo"), FileType::Fifo, fifo, 0).unwrap();
    let folder = Folder::at(&inside);
    Scene { scene, folder }
}

impl Scene {
    /// Asserts that nothing outside has changed.
    #[track_caller]
    fn outside_is_untouched(&self) {
        let outside = self.scene.path().join("outside");
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), SECRET);
        assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
        assert!(!self.scene.path().join("inside/nowhere").exists());
    }
}

#[test]
fn only_regular_files_are_opened() {
    let scene = scene();
    let folder = &scene.folder;
    assert_eq!(folder.read("file").unwrap(), b"own");
    for (name, kind) in [("link", "a link"), ("dangling", "a link"), ("fifo", "a FIFO"), ("folder/file", "a link")] {
        let errors = [
            folder.open(name).unwrap_err(),
            folder.append(name).unwrap_err(),
            folder.lock_file(name).unwrap_err(),
            folder.create(name).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(kind), "{name}: {error}");
        }
    }
    for error in [folder.append("hard").unwrap_err(), folder.lock_file("hard").unwrap_err()] {
        assert!(error.to_string().contains("a hard link"), "{error}");
    }
    for name in ["../outside/file", "/etc/passwd", "", "..", "a/../../outside/file", "file/", "a\0b"] {
        assert_eq!(folder.read(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name:?}");
        assert!(folder.remove_all(name).is_err() && folder.replace(name, b"x").is_err(), "{name:?}");
        assert!(folder.folder(name).make().is_err() || name.is_empty(), "{name:?}");
    }
    scene.outside_is_untouched();
}

#[test]
fn what_takes_the_place_of_a_link_leaves_its_target() {
    let scene = scene();
    for name in ["link", "dangling", "fifo", "hard", "file", "new"] {
        scene.folder.replace(name, b"new").unwrap();
        assert_eq!((scene.folder.read(name).unwrap(), scene.folder.kind(name)), (b"new".to_vec(), Some(Kind::File)));
    }
    assert!(scene.folder.replace("folder/file", b"new").is_err());
    assert!(scene.folder.folder("folder").make().is_err() && scene.folder.folder("folder/below").make().is_err());
    assert!(scene.folder.list().unwrap().iter().all(|item| !super::super::is_temporary(&item.name)));
    scene.outside_is_untouched();
}

#[test]
fn removing_follows_no_link_at_any_depth() {
    let scene = scene();
    scene.folder.folder("deep/er").make().unwrap();
    symlink(scene.scene.path().join("outside"), scene.folder.path_of("deep/er/folder")).unwrap();
    assert!(scene.folder.remove_all("folder/file").is_err(), "through a link");
    for name in ["deep", "folder", "link", "fifo", "hard", "dangling", "nothing", "nothing/at/all"] {
        scene.folder.remove_all(name).unwrap();
        assert_eq!(scene.folder.kind(name), None);
    }
    scene.outside_is_untouched();
    assert!(scene.folder.remove_file("nothing").is_ok());
}

#[test]
fn a_folder_that_is_a_link_is_the_users_own_only_at_the_top() {
    let scene = scene();
    let path = scene.scene.path().join("inside/folder");
    assert_eq!(Folder::at(&path).read("file").unwrap(), SECRET.as_bytes());
    assert!(scene.folder.folder("folder").read("file").is_err());
    assert!(scene.folder.folder("folder").exists().is_err() && !scene.folder.folder("none").exists().unwrap());
    assert!(scene.folder.folder("folder").list().is_err());
}

#[test]
fn a_file_that_would_fill_the_memory_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::File::create(folder.path().join("sparse")).unwrap().set_len(1 << 42).unwrap();
    let refused = Folder::at(folder.path()).read("sparse").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    assert!(refused.to_string().ends_with("sparse is larger than 1 GiB"), "{refused}");
}

#[test]
fn a_replacement_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let own = Folder::at(folder.path());
    own.replace("file", b"old").unwrap();
    let mut new = own.begin("file").unwrap();
    io::Write::write_all(&mut new, b"half").unwrap();
    assert_eq!((own.list().unwrap().len(), own.read("file").unwrap()), (2, b"old".to_vec()));
    drop(new);
    assert_eq!((own.list().unwrap().len(), own.read("file").unwrap()), (1, b"old".to_vec()));
}

#[test]
fn files_are_linked_or_copied_and_links_are_not() {
    let scene = scene();
    let target = scene.folder.folder("target");
    target.make().unwrap();
    target.link("file", &scene.folder, "file").unwrap();
    assert_eq!(fs::metadata(target.path_of("file")).unwrap().nlink(), 2);
    assert!(target.link("file", &scene.folder, "file").is_err(), "it is there already");
    assert!(target.link("link", &scene.folder, "link").is_err() && target.link("pipe", &scene.folder, "fifo").is_err());
    target.copy("copy", scene.folder.open("file").unwrap()).unwrap();
    let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(time(&target.path_of("copy")), time(&scene.folder.path_of("file")));
    assert_eq!(target.read("copy").unwrap(), b"own");
}

#[test]
fn folders_are_made_with_those_above_also_at_once_by_many() {
    let scene = tempfile::tempdir().unwrap();
    let folder = Folder::at(&scene.path().join("a/b")).folder("c/d");
    std::thread::scope(|scope| {
        (0..8).for_each(|_| {
            scope.spawn(|| folder.make().unwrap());
        });
    });
    assert!(folder.exists().unwrap() && folder.path().ends_with("a/b/c/d"));
}
