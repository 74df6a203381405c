use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use super::*;

const KEY: [u8; 32] = [7; 32];
const ROOM: u64 = 1 << 20;

fn id(text: &str) -> ArtifactId {
    ArtifactId(blake3::hash(text.as_bytes()))
}

fn place(worker: &str) -> Place {
    Place::of("tenant:acme", worker)
}

fn shelf(dir: &TempDir, key: &[u8; 32], most_bytes: u64) -> Shelf {
    Shelf::open(&dir.path().join("workers"), key, most_bytes).unwrap()
}

/// One with a file of the worker `a`.
fn with_file() -> (TempDir, Shelf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(&dir, &KEY, ROOM);
    shelf.keep(place("a"), id("code"), b"content");
    let path = shelf.path(place("a"));
    (dir, shelf, path)
}

#[test]
fn what_was_kept_is_found_also_by_who_comes_later() {
    let (dir, first, path) = with_file();
    assert_eq!(first.find(place("a"), id("code")).unwrap(), b"content");
    let later = shelf(&dir, &KEY, ROOM);
    assert_eq!(later.find(place("a"), id("code")).unwrap(), b"content");
    assert_eq!(later.stats(), (1, fs::metadata(path).unwrap().len()));
    later.keep(place("a"), id("new code"), b"new content");
    assert_eq!(later.find(place("a"), id("new code")).unwrap(), b"new content");
    assert_eq!(later.stats().0, 1);
}

#[test]
fn what_does_not_hold_is_not_found_and_removed() {
    let look = |spoil: &dyn Fn(&Shelf, &Path)| {
        let (_dir, shelf, path) = with_file();
        spoil(&shelf, &path);
        (shelf.find(place("a"), id("code")), path.exists(), shelf.stats().0)
    };
    let change = |change: &dyn Fn(&mut Vec<u8>)| {
        look(&|_, path| {
            let mut bytes = fs::read(path).unwrap();
            change(&mut bytes);
            fs::write(path, bytes).unwrap();
        })
    };
    let gone = (None, false, 0);
    assert_eq!(look(&|_, _| ()), (Some(b"content".to_vec()), true, 1));
    let size = b"content".len() + TRAILER_BYTES;
    for at in 0..size {
        assert_eq!(change(&|bytes| bytes[at] ^= 1), gone, "byte {at}");
        assert_eq!(change(&|bytes| bytes.truncate(at)), gone, "cut at {at}");
    }
    assert_eq!(change(&|bytes| bytes.push(0)), gone);
    // It is that of another worker, or of another code, or of another installation; or others may write to it.
    assert_eq!(
        look(&|shelf, path| {
            shelf.keep(place("b"), id("code"), b"other");
            fs::rename(shelf.path(place("b")), path).unwrap();
            shelf.lock().forget(place("b"));
        }),
        gone
    );
    assert_eq!(look(&|shelf, _| shelf.keep(place("a"), id("other"), b"other")), gone);
    assert_eq!(
        look(&|kept, path| {
            let parent = tempfile::tempdir().unwrap();
            let other = shelf(&parent, &[8; 32], ROOM);
            other.keep(place("a"), id("code"), b"forged");
            fs::copy(other.path(place("a")), path).unwrap();
            assert_eq!(kept.stats().0, 1);
        }),
        gone
    );
    assert_eq!(look(&|_, path| fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap()), gone);
    assert_eq!(look(&|_, path| fs::remove_file(path).unwrap()), gone);
}

#[test]
fn the_least_recently_used_goes_where_there_is_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let content = vec![1; 1000 - TRAILER_BYTES];
    let first = shelf(&dir, &KEY, 10_000);
    for worker in 0..10 {
        first.keep(place(&worker.to_string()), id("code"), &content);
    }
    assert_eq!(first.stats(), (10, 10_000));
    assert!(first.find(place("0"), id("code")).is_some());
    first.keep(place("new"), id("code"), &content);
    let there = |worker: &str| first.path(place(worker)).exists();
    assert!(there("0") && there("new") && !there("1") && there("9"));
    assert!(first.stats().1 <= 10_000);
    // What was used by others before counts too.
    assert!(first.find(place("3"), id("code")).is_some());
    let later = shelf(&dir, &KEY, 10_000);
    assert_eq!(later.stats(), first.stats());
    for worker in ["newer", "newest"] {
        later.keep(place(worker), id("code"), &content);
    }
    assert!(there("3") && there("newest") && later.stats().1 <= 10_000);
    later.keep(place("too large"), id("code"), &[1; 10_000]);
    assert!(!there("too large") && there("newest"));
    // Whoever has less room from now on.
    assert_eq!(shelf(&dir, &KEY, 2000).stats(), (1, 1000));
    assert_eq!(shelf(&dir, &KEY, 500).stats(), (0, 0));
}

#[test]
fn what_belongs_to_a_worker_or_a_namespace_goes_with_it() {
    let (dir, shelf, path) = with_file();
    let others = Place::of("tenant:other", "a");
    shelf.keep(place("b"), id("code"), b"content");
    shelf.keep(others, id("code"), b"content");
    shelf.remove(place("b"));
    assert!(path.exists() && !shelf.path(place("b")).exists());
    shelf.remove_namespace("tenant:acme");
    shelf.remove_namespace("tenant:none");
    assert_eq!(shelf.stats().0, 1);
    assert!(!path.exists() && shelf.find(others, id("code")).is_some());
    assert_eq!(fs::read_dir(dir.path().join("workers")).unwrap().count(), 1);
}

#[test]
fn drafts_that_were_given_up_go_and_nobody_else_may_look() {
    let (dir, kept, path) = with_file();
    let (old, new) = (path.with_extension("1.tmp"), path.with_extension("2.tmp"));
    for draft in [&old, &new] {
        fs::write(draft, b"half").unwrap();
    }
    fs::File::open(&old).unwrap().set_modified(now() - 2 * DRAFT_AGE).unwrap();
    assert_eq!(shelf(&dir, &KEY, ROOM).stats(), kept.stats());
    assert!(!old.exists() && new.exists() && path.exists());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(dir.path().join("workers"), Permissions::from_mode(0o755)).unwrap();
    assert!(Shelf::open(&dir.path().join("workers"), &KEY, ROOM).is_err());
}
