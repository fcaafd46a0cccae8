//! Places for downloads: each holds a thread for as long as its client reads.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::StatusCode;

use crate::trouble::Trouble;

/// Downloads at a time: in all, and of one key, so that the others are not locked out by it.
const IN_ALL: usize = 32;
const OF_ONE: usize = 4;
/// When to try again.
const AGAIN_SECONDS: u32 = 10;

/// Who downloads at this moment, by key.
#[derive(Default)]
pub(crate) struct ExportPlaces(Mutex<HashMap<String, usize>>);

/// A place, given back when dropped.
pub(super) struct ExportPlace {
    places: Arc<ExportPlaces>,
    key: String,
}

impl ExportPlaces {
    /// A place for one more download of a key.
    pub(super) fn take(self: &Arc<Self>, key: &str) -> Result<ExportPlace, Trouble> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(key).copied().unwrap_or(0);
        if own >= OF_ONE || taken.values().sum::<usize>() >= IN_ALL {
            let why = format!("too many downloads at a time: a key may have {OF_ONE}, all together {IN_ALL}");
            let busy = Trouble::new(StatusCode::TOO_MANY_REQUESTS, why);
            return Err(Trouble { retry_after: Some(AGAIN_SECONDS), ..busy });
        }
        taken.insert(key.to_owned(), own + 1);
        Ok(ExportPlace { places: self.clone(), key: key.to_owned() })
    }
}

impl Drop for ExportPlace {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_no_more_than_its_share_and_gives_it_back() {
        let places = Arc::new(ExportPlaces::default());
        let mut taken: Vec<ExportPlace> = (0..OF_ONE).map(|_| places.take("a").unwrap()).collect();
        let refused = places.take("a").err().unwrap();
        assert_eq!(
            (refused.status, refused.retry_after),
            (StatusCode::TOO_MANY_REQUESTS, Some(AGAIN_SECONDS))
        );
        for key in 1..IN_ALL / OF_ONE {
            taken.extend((0..OF_ONE).map(|_| places.take(&key.to_string()).unwrap()));
        }
        assert!(places.take("another").is_err());
        taken.clear();
        assert!(places.take("a").is_ok() && places.0.lock().unwrap().is_empty());
    }
}
