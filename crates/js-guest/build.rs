//! Packs the platform's scripts: their text is needed once, at boot, and would lie in every heap image otherwise.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use flate2::{Compress, Compression, FlushCompress, Status};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=web");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut texts = String::new();
    for directory in ["web", "web/vendor"] {
        for path in scripts(Path::new(directory))? {
            let name = path.with_extension("").strip_prefix("web")?.to_string_lossy().into_owned();
            texts += &format!("{name}\0{}\0", fs::read_to_string(&path)?);
        }
    }
    let mut packed = Vec::with_capacity(texts.len());
    let status =
        Compress::new(Compression::best(), false).compress_vec(texts.as_bytes(), &mut packed, FlushCompress::Finish)?;
    assert!(matches!(status, Status::StreamEnd), "the scripts grew when they were packed");
    fs::write(out.join("scripts.deflated"), packed)?;
    fs::write(out.join("scripts_len.rs"), texts.len().to_string())?;
    Ok(())
}

/// In an order that is the same everywhere.
fn scripts(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "js") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
