//! Data directories that start warm: one is set up per test process, every server gets a copy of it.
//!
//! The copy carries compiled artifacts, the installation's key and one API key a caller, so that a new server
//! neither compiles the engine nor needs its keys made again.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use tempfile::TempDir;

use super::{Caller, doer, secret};

const TEMPLATE_PREFIX: &str = "data-template-";

/// A data directory that goes away with its owner.
pub struct DataDir(TempDir);

impl DataDir {
    /// A copy of the warm one.
    pub fn warm() -> Self {
        let copy = Self::empty();
        copy_tree(&template().path, copy.path());
        copy
    }

    /// An empty one, as on the first start ever.
    pub fn empty() -> Self {
        Self(tempfile::Builder::new().prefix("doer-test-").tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

struct Template {
    path: PathBuf,
    admin: String,
    tenant: String,
    other_tenant: String,
    user: String,
    rpc_tenant: String,
    other_rpc_tenant: String,
    rpc_user: String,
}

/// The API key of a caller, in every warm data directory.
pub fn key_of(caller: Caller) -> Option<&'static str> {
    let template = template();
    match caller {
        Caller::Admin => Some(&template.admin),
        Caller::Tenant => Some(&template.tenant),
        Caller::OtherTenant => Some(&template.other_tenant),
        Caller::User => Some(&template.user),
        Caller::RpcTenant => Some(&template.rpc_tenant),
        Caller::OtherRpcTenant => Some(&template.other_rpc_tenant),
        Caller::RpcUser => Some(&template.rpc_user),
        Caller::Anonymous => None,
    }
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        // Under target/, because statics are never dropped: this one stays until a later run removes it.
        let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        remove_abandoned(&parent);
        let path = parent.join(format!("{TEMPLATE_PREFIX}{}", process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        compile_engine(&path);
        Template {
            admin: token(&path, &["--role", "admin", "--permission", "*"]),
            tenant: tenant(&path, "test-tenant"),
            other_tenant: tenant(&path, "other-tenant"),
            user: token(&path, &["--role", "user", "--permission", "execute"]),
            rpc_tenant: token(
                &path,
                &["--role", "tenant", "--tenant", "test-tenant", "--permission", "execute", "--permission", "rpc:*"],
            ),
            other_rpc_tenant: token(
                &path,
                &["--role", "tenant", "--tenant", "other-tenant", "--permission", "execute", "--permission", "rpc:*"],
            ),
            rpc_user: token(&path, &["--role", "user", "--permission", "execute", "--permission", "rpc:*"]),
            path,
        }
    })
}

/// Removes what test processes left that are no more.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let owner = name.strip_prefix(TEMPLATE_PREFIX).map(|pid| Path::new("/proc").join(pid));
        if owner.is_some_and(|owner| !owner.exists()) {
            // Another process may be doing the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs one snippet, so that the compiled engine is in the cache.
fn compile_engine(path: &Path) {
    let file = path.join("warm.js");
    fs::write(&file, "return 1").unwrap();
    let out = doer().arg("run").arg(&file).env("DOER__DATA__DIR", path).output().unwrap();
    assert!(out.status.success(), "doer run: {}", String::from_utf8_lossy(&out.stderr));
    fs::remove_file(file).unwrap();
}

/// A tenant that runs code and has workers, and calls no service over HTTP.
fn tenant(path: &Path, id: &str) -> String {
    let permissions = ["--permission", "execute", "--permission", "workers:*"];
    token(path, &[&["--role", "tenant", "--tenant", id], &permissions[..]].concat())
}

/// A new API key, made on the command line.
pub fn token(path: &Path, arguments: &[&str]) -> String {
    let out = doer().args(["token", "create"]).args(arguments).env("DOER__DATA__DIR", path).output().unwrap();
    assert!(out.status.success(), "doer token create: {}", String::from_utf8_lossy(&out.stderr));
    secret(String::from_utf8(out.stdout).unwrap().trim())
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            fs::set_permissions(&target, entry.metadata().unwrap().permissions()).unwrap();
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
