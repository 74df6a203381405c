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
    pack("usual", &["web"])?;
    pack("large", &["web/large", "web/vendor"])
}

/// Name, zero, text, zero, for each script in the directories.
fn pack(name: &str, directories: &[&str]) -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut texts = String::new();
    for path in
        directories.iter().map(|directory| scripts(Path::new(directory))).collect::<Result<Vec<_>, _>>()?.concat()
    {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        texts += &format!("{name}\0{}\0", fs::read_to_string(&path)?);
    }
    let mut packed = Vec::with_capacity(texts.len());
    let mut compress = Compress::new(Compression::best(), false);
    let status = compress.compress_vec(texts.as_bytes(), &mut packed, FlushCompress::Finish)?;
    assert!(matches!(status, Status::StreamEnd), "the scripts grew when they were packed");
    fs::write(out.join(name).with_extension("deflated"), packed)?;
    fs::write(out.join(name).with_extension("len"), texts.len().to_string())?;
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
