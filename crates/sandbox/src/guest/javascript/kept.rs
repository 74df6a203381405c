//! Images that are kept on disk. One holds for the code that it was made of, on the engine and the base that it was made
//! on: those are its id.

use std::sync::Arc;

use super::{JavaScript, MAX_IMAGE_BYTES};
use crate::{
    Image,
    cache::{ArtifactId, Spot},
};

impl JavaScript {
    /// The image that was kept of a worker, if its code and the base are still the same.
    pub(crate) async fn find_image(&self, spot: &Spot) -> Option<Image> {
        let pool = Arc::clone(&self.pool);
        let read = move |bytes: Vec<u8>| {
            let image = pool.unpack(&bytes, MAX_IMAGE_BYTES);
            image.inspect_err(|error| tracing::warn!(%error, "an image on disk is not used; it is made again")).ok()
        };
        spot.find(self.image_id(spot), read).await
    }

    /// Keeps the image of a worker for those who look for it later.
    pub(crate) async fn keep_image(&self, spot: &Spot, image: Image) {
        let pool = Arc::clone(&self.pool);
        spot.keep(self.image_id(spot), move || pool.pack(&image)).await;
    }

    fn image_id(&self, spot: &Spot) -> ArtifactId {
        ArtifactId::of(&self.engine, "image", &[self.base.as_bytes(), spot.code()])
    }
}

#[cfg(test)]
mod tests;
